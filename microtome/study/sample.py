# SPDX-License-Identifier: MIT
"""One image of a study, as its row of the sample sheet says it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from microtome.study import modalities

PARTS = ("train", "val", "test")
BY_SAMPLE = "sample"
"""Value of `group_by` by which each image stands alone."""
PATHS = ("image", "label")
FULL = "full"
"""Column of labels that leave nothing out, of images whose other label does."""
PIXELS = "pixels_"
"""What the columns of labelled pixels begin with; the name of the class follows."""
Parts = dict[str, str]
"""Sample name to its part of a split."""


@dataclass(frozen=True)
class Sample:
    """One image of a study.

    Attributes:
        sample: Its unique name, used in file names.
        image: The image file.
        label: The label file; None where there is none.
        unit: What must stay in one part of a split (a patient, a block of slices).
        group: What a split balances (an organ, a clinic); may be empty.
        part: `train`, `val`, `test`, or empty where the split decides.
        page: Page of a multi-page TIFF, from 0; None where the sheet does not say.
        mpp: Micrometres per pixel as the sheet or the study say it; None: as the file does, if it does.
        more: The filled cells of further columns: those of modalities (see `study.modalities`), labelled
            pixels of classes (`PIXELS`), a label that leaves nothing out (`FULL`), parts of other splits.
        row: Line of the sheet, the header being line 1.
    """

    sample: str
    image: str
    label: str | None = None
    unit: str = ""
    group: str = ""
    part: str = ""
    page: int | None = None
    mpp: float | None = None
    more: Mapping[str, str] = field(default_factory=dict, hash=False)
    row: int = field(default=0, compare=False)

    @property
    def is_weak(self) -> bool:
        """Whether it has no label to learn from, but one that says less (of a modality that has such).

        Example:
            >>> Sample("a", "a.png").is_weak
            False
        """
        return self.label is None and any(self.more.get(name) for name in modalities.weak_columns())

    @property
    def pixels(self) -> dict[str, int]:
        """The labelled pixels of each class, of those that the sheet says.

        Example:
            >>> Sample("a", "a.png", more={"pixels_nest": "120", "scenario_2": "val"}).pixels
            {'nest': 120}
        """
        counts = ((name.removeprefix(PIXELS), n) for name, n in self.more.items() if name.startswith(PIXELS))
        return {name: int(count) for name, count in counts}

    def cell(self, column: str) -> str | None:
        """What a column says, None where it is empty.

        Example:
            >>> Sample("a", "a.png").cell("label") is None
            True
        """
        return getattr(self, column) if column in OWN else self.more.get(column)


OWN = tuple(f.name for f in fields(Sample) if f.name not in ("more", "row"))
"""Columns that every study has."""


def from_row(row: Mapping[str, Any], columns: Collection[str] = ()) -> Sample:
    """A sample from the cells of a row, those of modalities among them, and of further columns.

    Example:
        >>> from_row({"sample": "a", "image": "a.png", "page": 1}).page
        1
        >>> row = {"sample": "a", "image": "a.png", "clinics": "val", "pixels_nest": 120}
        >>> dict(from_row(row, ["clinics"]).more)
        {'clinics': 'val', 'pixels_nest': '120'}
    """
    further = [name for name in row if name == FULL or name in columns or name.startswith(PIXELS)]
    more = {name: row[name] for name in modalities.columns() if row.get(name)}
    more |= {name: str(row[name]) for name in further if name not in OWN and row[name] not in (None, "")}
    return Sample(**{name: value for name, value in row.items() if name in OWN}, more=more)


def as_rows(samples: Iterable[Sample]) -> list[dict[str, object]]:
    """The samples as plain rows, for a table or a digest; further columns where a sample has some."""
    listed = list(samples)
    filled = dict.fromkeys(name for sample in listed for name in sample.more)
    more = [name for group in modalities.column_groups() if filled.keys() & set(group) for name in group]
    more += [name for name in filled if name not in modalities.columns()]
    return [
        {name: getattr(one, name) for name in OWN} | {name: one.more.get(name) for name in more}
        for one in listed
    ]


def resolve(samples: Iterable[Sample], root: Path) -> list[Sample]:
    """Make the paths of a sheet start from `root`; absolute paths (`data.allow_outside`) stay."""
    return [_resolved(one, root) for one in samples]


def _resolved(one: Sample, root: Path) -> Sample:
    own = {name: (root / path).as_posix() for name in PATHS if (path := getattr(one, name))}
    columns = [name for name in (*modalities.path_columns(), FULL) if name in one.more]
    more = {name: (root / one.more[name]).as_posix() for name in columns}
    return replace(one, **own, more={**one.more, **more})
