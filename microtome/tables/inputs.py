# SPDX-License-Identifier: MIT
"""What tables are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from microtome.provenance.runs import RunRecord

PIXEL_COLUMNS = ("sample", "part", "class", "pixels")
COUNT_COLUMNS = ("sample", "part", "group", "objects")
OBJECT_COLUMNS = ("run", "sample", "group", "id")
STAIN_COLUMNS = ("stain", "sample", "group")
TRUTH = ""
"""Stands in the column ``run`` for true objects."""


@dataclass(frozen=True)
class TableInputs:
    """Everything a table may need; a kind says what it misses.

    Attributes:
        runs: Run records, several seeds and splits of a run included.
        published: Published values of all papers (parsed ``config/published.yaml``).
        paper: Key of the study's paper in `published`, or empty.
        data_kind: Where the study's images come from: ``phantom``, ``public`` or ``own``.
        pixels: Pixels per sample and class (`PIXEL_COLUMNS`; see `count_pixels`), for the kind ``data``.
        unlabelled: Name of the class that stands for pixels without a label.
        counts: True objects per sample (`COUNT_COLUMNS`), for the kind ``instance_data``.
        objects: Measured objects, one row each (`OBJECT_COLUMNS`, then those of `objects.measure`);
            true ones have the run `TRUTH`, and an image without objects has one row with no `id`. For the
            kind ``morphometry``.
        stains: Stain reports, one row per image (`STAIN_COLUMNS`, then those of
            `microtome.tables.kinds.stain_report.flatten`), for the kind ``stain_report``.
    """

    runs: Sequence[RunRecord] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""
    data_kind: str = "phantom"
    pixels: pd.DataFrame | None = None
    unlabelled: str = "unlabelled"
    counts: pd.DataFrame | None = None
    objects: pd.DataFrame | None = None
    stains: pd.DataFrame | None = None

    @property
    def data_kinds(self) -> tuple[str, ...]:
        """Sources of the images of all runs, or of the study when there are no runs."""
        return tuple(sorted({record.data_source for record in self.runs} or {self.data_kind}))

    def needed(self, what: str, columns: Sequence[str], remedy: str) -> pd.DataFrame:
        """Give one of the frames.

        Args:
            what: ``pixels``, ``counts``, ``objects`` or ``stains``.
            columns: Columns it must have.
            remedy: What to do where it is missing, for the message.

        Returns:
            The frame.

        Raises:
            ValueError: It is missing or empty, or lacks a column.
        """
        frame = getattr(self, what)
        if frame is None or frame.empty:
            msg = f"the table has no {what}; {remedy}"
            raise ValueError(msg)
        missing = [column for column in columns if column not in frame]
        if missing:
            msg = f"the {what} of the table lack {missing}; expected the columns {list(columns)}; {remedy}"
            raise ValueError(msg)
        return frame
