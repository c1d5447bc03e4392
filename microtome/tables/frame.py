# SPDX-License-Identifier: MIT
"""A table: one frame of full-precision values and, beside it, how each column is to be read and printed."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from microtome.provenance.sidecars import Column

LOW_SUFFIX = "_ci_low"
HIGH_SUFFIX = "_ci_high"
SD_SUFFIX = "_sd"
COUNT_SUFFIX = "_n"
APART_SUFFIX = "_told_apart"
"""Whether the best value of a column is told apart from every other: 1 where it is, else 0."""


@dataclass(frozen=True)
class Table:
    """A table with its caption and note.

    Attributes:
        frame: Values at full precision, one row per row of the table.
        columns: What is printed, in order; the frame may hold more.
        title: Caption.
        note: What a reader must know to read the values (averages, spread, units, comparability).
        data_kinds: Where the images behind it come from (``phantom``, ``public``, ``own``); empty for
            definitions.
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...]
    title: str
    note: str = ""
    data_kinds: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        """Check that the frame holds what is to be printed."""
        missing = [column.key for column in self.columns if column.key not in self.frame.columns]
        if missing:
            msg = f"table {self.title!r}: the frame lacks {missing}; it holds {list(self.frame.columns)}"
            raise ValueError(msg)
        if self.frame.empty:
            msg = f"table {self.title!r} has no rows; name at least one run that has been evaluated"
            raise ValueError(msg)

    @property
    def caption(self) -> str:
        """The title, marked when the images are phantoms."""
        return f"{self.title} (phantom data)" if "phantom" in self.data_kinds else self.title


def best_rows(values: Sequence[float], better: str | None, spec: str) -> list[bool]:
    """Mark the best values of a column; values that print alike share the mark.

    Args:
        values: One number per row; NaN never wins.
        better: ``"high"``, ``"low"`` or None (no mark).
        spec: Format specification the values are printed with.

    Returns:
        One flag per row. No flag is set when fewer than two rows have a value.

    Raises:
        ValueError: `better` is not one of the three.

    Example:
        >>> best_rows([0.91, 0.9104, 0.5], "high", ".2f")
        [True, True, False]
    """
    if better not in ("high", "low", None):
        msg = f"better is {better!r}, expected 'high', 'low' or nothing"
        raise ValueError(msg)
    numbers = pd.to_numeric(pd.Series(values, dtype=object), errors="coerce").astype(float)
    if better is None or numbers.notna().sum() <= 1:
        return [False] * len(numbers)
    best = numbers.max() if better == "high" else numbers.min()
    target = format(float(best), spec)
    return [pd.notna(value) and format(value, spec) == target for value in numbers]
