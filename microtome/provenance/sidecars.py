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
``columns`` are the fields of `Column`: the page then prints the columns as the
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
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from microtome.files import sha256_of_bytes

NO_FILES: Mapping[str, bytes] = MappingProxyType({})
Text = Annotated[str, BeforeValidator(lambda value: value or "")]


@dataclass(frozen=True)
class Column:
    """How one column of a table's frame is printed.

    Attributes:
        key: Column of the frame with the value. ``{key}_sd``, ``{key}_ci_low`` and ``{key}_ci_high``, where
            the frame has them, are printed in the same cell as ``± sd`` and ``[low, high]``.
        label: Heading.
        unit: Unit, printed after the heading.
        better: Which end is better; the best value is set in bold in Markdown and LaTeX.
        format: Format specification of the numbers, e.g. ``".3f"``.
        kind: ``"number"``, ``"text"`` or ``"math"`` (LaTeX mathematics without the dollar signs).
    """

    key: str
    label: str
    unit: str = ""
    better: Literal["high", "low"] | None = None
    format: str = ".3f"
    kind: Literal["number", "text", "math"] = "number"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class FigureSidecar(BaseModel):
    """What stands beside a figure.

    Attributes:
        caption: What it shows.
        kind: Kind of figure, as in the study file.
        title: Heading; empty: the title the study gives.

    Example:
        >>> parse_figure('{"caption": "Loss by epoch.", "kind": "curves"}').kind
        'curves'
    """

    model_config = ConfigDict(frozen=True)
    caption: Text
    kind: Text = ""
    title: Text = ""


class TableSidecar(BaseModel):
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

    model_config = ConfigDict(frozen=True)
    caption: Text
    note: Text = ""
    units: str | dict[str, str] = ""
    title: Text = ""
    columns: tuple[Column, ...] = ()

    @property
    def units_text(self) -> str:
        """The units as one line."""
        if isinstance(self.units, str):
            return self.units
        return ", ".join(f"{column}: {unit}" for column, unit in self.units.items())


class Described(Protocol):
    """A table as `of_table` takes it (`microtome.tables.frame.Table`)."""

    columns: tuple[Column, ...]
    caption: str
    note: str


Sidecar = TypeVar("Sidecar", TableSidecar, FigureSidecar)


def of_table(table: Described, *, title: str = "") -> TableSidecar:
    """Describe a table.

    Args:
        table: The table.
        title: Heading; empty: the title the study gives.

    Returns:
        Its sidecar.
    """
    units = {column.key: column.unit for column in table.columns if column.unit}
    return TableSidecar(
        caption=table.caption, note=table.note, units=units, title=title, columns=table.columns
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
    content = sidecar.model_dump()
    if provenance is not None:
        told = {name: sha256_of_bytes(data) for name, data in files.items()}
        content |= {"provenance": {"files": told, **provenance}}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def parse_table(text: str) -> TableSidecar:
    """Read a table's sidecar.

    Raises:
        ValueError: It is not a JSON object, has no caption, or a value has the wrong type.
    """
    return _parsed(TableSidecar, text)


def parse_figure(text: str) -> FigureSidecar:
    """Read a figure's sidecar.

    Raises:
        ValueError: It is not a JSON object, has no caption, or a value has the wrong type.
    """
    return _parsed(FigureSidecar, text)


def _parsed(kind: type[Sidecar], text: str) -> Sidecar:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        msg = f"{'; '.join(faults)}; expected a JSON object with a caption"
        raise ValueError(msg) from error
