# SPDX-License-Identifier: MIT
"""What tables are made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from microtome.records import RunRecord

PIXEL_COLUMNS = ("sample", "part", "class", "pixels")


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
    """

    runs: Sequence[RunRecord] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""
    data_kind: str = "phantom"
    pixels: pd.DataFrame | None = None
    unlabelled: str = "unlabelled"

    @property
    def data_kinds(self) -> tuple[str, ...]:
        """Sources of the images of all runs, or of the study when there are no runs."""
        return tuple(sorted({record.data_source for record in self.runs} or {self.data_kind}))
