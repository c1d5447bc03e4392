# SPDX-License-Identifier: MIT
"""The one place that reads tables of this program back: names stay the text they are.

A sample, class, group or run may be called ``NA``, ``null``, ``007`` or ``1e3``, which `pandas.read_csv` by
itself turns into nothing or into numbers.
"""

import io
from collections.abc import Collection
from pathlib import Path

import pandas as pd

NAMES = frozenset(
    ("study", "split", "run", "part", "sample", "group", "class", "metric", "label", "data", "stain", "unit")
)
"""Columns that hold names, whatever these look like."""
MISSING = "nan"


def read(path: Path | str, *, names: Collection[str] | None = NAMES) -> pd.DataFrame:
    """Read a TSV in UTF-8; see `parse`.

    Raises:
        OSError: There is no such file.
        pandas.errors.EmptyDataError: It is empty.
        ValueError: It is no table, or not UTF-8.
    """
    return parse(Path(path).read_text(encoding="utf-8"), names=names)


def parse(text: str, *, names: Collection[str] | None = NAMES) -> pd.DataFrame:
    r"""Read a table.

    Args:
        text: Tab-separated, with a header.
        names: Columns whose cells stay as they are written, an empty one being empty text; None: all.

    Returns:
        The frame; columns other than `names` are int64 or float64 (empty cells NaN) where every cell is a
        number, and text otherwise.

    Raises:
        pandas.errors.EmptyDataError: There is nothing.
        ValueError: It is no table.

    Example:
        >>> parse("sample\tvalue\n007\t0.5\nNA\t\n").values.tolist()
        [['007', 0.5], ['NA', nan]]
    """
    frame = pd.read_csv(io.StringIO(text, newline=""), sep="\t", dtype=str, keep_default_na=False)
    numeric = [] if names is None else [name for name in frame.columns if name not in names]
    return frame.assign(**{name: _numbers(frame[name]) for name in numeric})


def _numbers(column: pd.Series) -> pd.Series:
    if not len(column):
        return column
    cells = column.to_numpy(object)
    if any("_" in cell for cell in cells):
        return column  # Python reads 1_0 as 10
    cells[cells == ""] = MISSING
    for kind in ("int64", "float64"):
        try:
            return pd.Series(cells.astype(kind), column.index)
        except (ValueError, OverflowError):
            continue
    return column
