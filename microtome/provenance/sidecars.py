# SPDX-License-Identifier: MIT
"""Sidecars: what a table or a figure says about itself, as JSON beside its files.

``tables/{table}.json`` stands beside ``tables/{table}.tsv``::

    {
      "title":   "Table 2: foreground-restricted Rand score",
      "caption": "Mean and standard deviation over the six held-out slices.",
      "note":    "Phantom data; not comparable with the published values.",
      "units":   "fraction",
      "columns": [{"key": "v_rand", "label": "Rand score", "unit": "", "better": "high",
                   "format": ".3f", "kind": "number"}]
    }

``units`` is of all cells, or an object by column (``{"seconds": "s", "v_rand": "fraction"}``); without
``title`` the study's title of the table is shown. The place in the report is the one in the study file.
``columns`` are the fields of `microtome.tables.frame.Column`: the page then prints the columns as the
Markdown and LaTeX do (rounded, with ``± sd``, the best in bold); without them, the cells of the TSV as they
stand. `of_table` makes all of it.

``figures/{figure}.json`` stands beside ``figures/{figure}.svg|.png|.pdf|.tsv``::

    {
      "title":   "Figure 3: segmentations",
      "caption": "One held-out slice, its truth and the six losses.",
      "kind":    "segmentation_grid"
    }

Every key but ``caption`` may be absent; keys this page does not know are left alone. ``provenance`` says what
the files were made from (`microtome.provenance.record`) and what they are, each by its SHA-256.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from microtome.files import sha256_of_bytes
from microtome.tables.frame import Column, Table

NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class TableSidecar:
    """What stands beside a table.

    Attributes:
        caption: What the table shows, in a sentence or two.
        note: What the reader must know to read it rightly; may be empty.
        units: Unit of all cells, or unit by column.
        title: Heading; empty: the title the study gives.
        columns: Columns to print, in order; empty: all, as they stand.

    Example:
        >>> parse_table(dump(TableSidecar(caption="Scores.", units="fraction"))).units
        'fraction'
    """

    caption: str
    note: str = ""
    units: str | Mapping[str, str] = ""
    title: str = ""
    columns: tuple[Column, ...] = ()

    @property
    def units_text(self) -> str:
        """The units as one line."""
        if isinstance(self.units, str):
            return self.units
        return ", ".join(f"{column}: {unit}" for column, unit in self.units.items())


@dataclass(frozen=True, kw_only=True)
class FigureSidecar:
    """What stands beside a figure.

    Attributes:
        caption: What the figure shows.
        kind: Kind of figure, as in the study file.
        title: Heading; empty: the title the study gives.

    Example:
        >>> parse_figure('{"caption": "Losses by epoch.", "kind": "curves"}').kind
        'curves'
    """

    caption: str
    kind: str = ""
    title: str = ""


def of_table(table: Table, *, title: str = "") -> TableSidecar:
    """Describe a table.

    Args:
        table: The table.
        title: Heading; empty: the title the study gives.

    Returns:
        Its sidecar.
    """
    units = {column.key: column.unit for column in table.columns if column.unit}
    return TableSidecar(
        caption=table.caption,
        note=table.note,
        units=units,
        title=title,
        columns=table.columns,
    )


def dump(
    sidecar: TableSidecar | FigureSidecar,
    *,
    provenance: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] = NO_FILES,
) -> str:
    """Write a sidecar as JSON text.

    Args:
        sidecar: The sidecar.
        provenance: What the table or figure is made from (`provenance.record`); None: not told.
        files: Contents of the files that the sidecar stands beside, by name; their digests go into the
            provenance.

    Returns:
        JSON, ending in a newline.

    Example:
        >>> print(dump(FigureSidecar(caption="c", kind="k", title="t")), end="")
        {
          "caption": "c",
          "kind": "k",
          "title": "t"
        }
    """
    content = asdict(sidecar)
    if provenance is not None:
        told = {name: sha256_of_bytes(data) for name, data in files.items()}
        content |= {"provenance": {"files": told, **provenance}}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def parse_table(text: str) -> TableSidecar:
    """Read a table's sidecar.

    Args:
        text: JSON text.

    Returns:
        The sidecar.

    Raises:
        ValueError: It is not a JSON object, has no caption, or a value has the wrong type.
    """
    found = _object(text)
    units = found.get("units", "")
    if isinstance(units, Mapping):
        units = {str(column): str(unit) for column, unit in units.items()}
    elif not isinstance(units, str):
        msg = f"units is {units!r}; expected a text, or an object of column: unit"
        raise ValueError(msg)
    return TableSidecar(
        caption=_text(found, "caption"),
        note=_text(found, "note"),
        units=units,
        title=_text(found, "title"),
        columns=_columns(found),
    )


def parse_figure(text: str) -> FigureSidecar:
    """Read a figure's sidecar.

    Args:
        text: JSON text.

    Returns:
        The sidecar.

    Raises:
        ValueError: It is not a JSON object, has no caption, or a value has the wrong type.
    """
    found = _object(text)
    caption, kind, title = (_text(found, key) for key in ("caption", "kind", "title"))
    return FigureSidecar(caption=caption, kind=kind, title=title)


def _object(text: str) -> dict[str, Any]:
    """Read a JSON object that has a caption."""
    found = json.loads(text)
    if not isinstance(found, dict):
        msg = f"found {type(found).__name__}; expected a JSON object with a caption"
        raise ValueError(msg)
    if "caption" not in found:
        msg = f"found the keys {sorted(found)}; expected at least caption"
        raise ValueError(msg)
    return found


def _text(found: Mapping[str, Any], key: str) -> str:
    value = found.get(key) or ""
    if not isinstance(value, str):
        msg = f"{key} is {value!r}; expected a text"
        raise ValueError(msg)
    return value


def _columns(found: Mapping[str, Any]) -> tuple[Column, ...]:
    columns = found.get("columns") or ()
    try:
        return tuple(Column(**column) for column in columns)
    except TypeError as error:
        msg = (
            f"columns is {columns!r}; expected a list of objects with key, label, unit, better, format, kind"
        )
        raise ValueError(msg) from error
