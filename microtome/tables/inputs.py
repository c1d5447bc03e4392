# SPDX-License-Identifier: MIT
"""What tables and figures are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.provenance import tsv
from microtome.provenance.runs import RunRecord


@dataclass(frozen=True)
class Inputs:
    """Everything a table may need; a kind says what it misses.

    Attributes:
        runs: Run records, several seeds and splits of a run included.
        published: Published values of all papers (parsed ``config/published.yaml``).
        paper: Key of the study's paper in `published`, or empty.
        data_kind: Where the study's images come from: ``phantom``, ``public`` or ``own``.
        classes: Names of the classes; the position is the class id.
        mean_classes: Classes that macro means are over; none named: all.
        colors: Colour (``#rrggbb``) by class, where the study gives them.
        groups: Group (organ, clinic) by sample.
        units: Patient (or block, or volume: what a split keeps whole) by sample.
        unit: What these are: ``patient``, ``block``, ``volume``, ``sample``.
        calls: Options of calling sections (`config.modalities.slides`), by run, of runs that do.
        regions: Names in annotations by region, in order, where a study has regions of annotated slides.
        files: Input files and folders by name, as the needs of the kind give them (`workflow.needs`).
        names: What tables and figures call a method, by what it is (``loss``, ``network``, ``encoder``,
            ``stain``) and the name of its options.
        samplers: Options of samplers of lists (`config.sampling.Lists`), by run, of runs that have one.
        frame: What the kind would collect from `files`, where it is known already.
    """

    runs: Sequence[RunRecord] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""
    data_kind: str = "phantom"
    classes: tuple[str, ...] = ("membrane", "cell")
    mean_classes: tuple[str, ...] = ()
    colors: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    unit: str = "patient"
    calls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    samplers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    regions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    frame: pd.DataFrame | None = None

    @property
    def data_kinds(self) -> tuple[str, ...]:
        """Sources of the images of all runs, or of the study when there are no runs."""
        return tuple(sorted({record.data_source for record in self.runs} or {self.data_kind}))

    @property
    def unit_name(self) -> str:
        """What intervals resample: patients, or images where it is not known whose they are."""
        return f"{self.unit}s" if self.units and self.unit != "sample" else "images"

    def name_of(self, what: str, name: str) -> str:
        """What a method is called; its own name where none is given."""
        return self.names.get(what, {}).get(name, name)

    def found(self, name: str, pattern: str) -> list[Path]:
        """The files in the input folders called `name`, sorted within each."""
        return [path for folder in self.files.get(name, ()) for path in sorted(folder.glob(pattern))]

    def parts(self) -> dict[str, str]:
        """The part of each sample, by the first split."""
        table = tsv.read(self.files["splits"][0])
        return dict(zip(table["sample"], table["part"], strict=True))

    def collected(
        self, collect: Callable[["Inputs"], pd.DataFrame], columns: Sequence[str], remedy: str
    ) -> pd.DataFrame:
        """Give what the kind collects from the files.

        Args:
            collect: Makes the frame.
            columns: Columns it must have.
            remedy: What to do where there is nothing, for the message.

        Returns:
            The frame.

        Raises:
            ValueError: It is empty, or lacks a column.
        """
        frame = collect(self) if self.frame is None else self.frame
        if frame.empty:
            msg = f"the table has nothing to count; {remedy}"
            raise ValueError(msg)
        missing = [column for column in columns if column not in frame]
        if missing:
            msg = f"the rows of the table lack {missing}; expected the columns {list(columns)}; {remedy}"
            raise ValueError(msg)
        return frame
