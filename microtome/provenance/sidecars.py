# SPDX-License-Identifier: MIT
"""Sidecars: what a table or a figure says about itself, as JSON beside its files (`tables/{table}.json`).

Every key but ``caption`` may be absent; keys that are not known are left alone. ``provenance`` says what
the files were made from (`microtome.provenance.record`) and what they are, each by its SHA-256.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from microtome.files import sha256_of_bytes

Text = Annotated[str, BeforeValidator(lambda value: value or "")]


@dataclass(frozen=True)
class Column:
    """How one column of a table's frame is printed.

    Attributes:
        key: Column of the frame with the value. ``{key}_sd``, ``{key}_ci_low`` and ``{key}_ci_high``, where
            the frame has them, are printed in the same cell as ``± sd`` and ``[low, high]``.
        label: Heading.
        unit: Unit, printed after the heading.
        better: Which end is better; the best value is set in bold in Markdown and LaTeX, but only where the
            frame's ``{key}_told_apart`` is 1, if it has that column.
        format: Format specification of the numbers, e.g. ``".3f"``.
        kind: ``"number"``, ``"text"``, ``"mark"`` (a check mark or nothing, below a heading on its side) or
            ``"math"`` (LaTeX mathematics without the dollar signs).
        within: Column of the frame: the best value is that among rows of the same text there, and rows with
            none have no best; empty: among all rows.
        group: What stands above it and its neighbours of the same group, e.g. ``"published (ISBI 2012)"``;
            empty: nothing.
        short: Heading where there is little room; empty: the label.
        once: Whether a value that is the same in all rows is said in the note, and the column left out.
    """

    key: str
    label: str
    unit: str = ""
    better: Literal["high", "low"] | None = None
    format: str = ".3f"
    kind: Literal["number", "text", "mark", "math"] = "number"
    within: str = ""
    group: str = ""
    short: str = ""
    once: bool = False

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class Failure(BaseModel):
    """Why a table or a figure could not be made, and the log with the traceback."""

    model_config = ConfigDict(frozen=True)
    message: Text
    log: Text = ""


class Sidecar(BaseModel):
    """What stands beside a table or a figure; `failed`: its files only say that it could not be made."""

    model_config = ConfigDict(frozen=True)
    failed: Failure | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a sidecar.

        Raises:
            ValueError: It is not a JSON object, has no caption, or a value has the wrong type.

        Example:
            >>> FigureSidecar.parse('{"caption": "Loss by epoch.", "kind": "curves"}').kind
            'curves'
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            faults = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            msg = f"{'; '.join(faults)}; expected a JSON object with a caption"
            raise ValueError(msg) from error


class FigureSidecar(Sidecar):
    """What stands beside a figure: what it shows, its kind, its heading (empty: as the study gives it)."""

    caption: Text
    kind: Text = ""
    title: Text = ""


class TableSidecar(Sidecar):
    """What stands beside a table.

    Attributes:
        caption: What the table shows, in a sentence or two.
        note: What the reader must know to read it rightly; may be empty.
        units: Unit of all cells, or unit by column.
        title: Heading; empty: the title the study gives.
        columns: Columns to print, in order, as the Markdown and LaTeX do; empty: all, as they stand.
    """

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


def dump(
    sidecar: Sidecar,
    *,
    provenance: Mapping[str, Any] | None = None,
    files: Mapping[str, bytes] | None = None,
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
    content = sidecar.model_dump(exclude=set() if sidecar.failed else {"failed"})
    if provenance is not None:
        told = {name: sha256_of_bytes(data) for name, data in (files or {}).items()}
        content |= {"provenance": {"files": told, **provenance}}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
