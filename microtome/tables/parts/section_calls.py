# SPDX-License-Identifier: MIT
"""The sections that a run called, of all of its seeds and splits, and what is left out of the counting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from microtome.metrics import sections
from microtome.metrics.resampling import Values
from microtome.provenance.runs import RunRecord
from microtome.provenance.section_calls import DONE, SECTIONS_NAME, UNLABELLED, read_sections

KEY = ["split", "sample", "section"]
"""What makes a section."""


@dataclass(frozen=True)
class Called:
    """The sections of one part that a run called.

    Attributes:
        sections: One row per section, seed and split (`provenance.section_calls.SECTION_COLUMNS`, `seed`,
            `split`): those that are labelled and of slides that could be read.
        positive: The class that is called.
        unlabelled: Sections without a label, which do not count.
    """

    sections: pd.DataFrame
    positive: str
    unlabelled: int

    @property
    def seeds(self) -> set[int]:
        """Seeds of the run."""
        return set(self.sections["seed"])

    @property
    def n(self) -> int:
        """Sections that count."""
        return len(self.sections[KEY].drop_duplicates())

    @property
    def counts(self) -> pd.DataFrame:
        """Sections of each patient (or slide) by outcome, the mean over seeds."""
        counts = sections.counts_by(self.sections, self.positive)
        return counts / len(self.seeds)

    @property
    def units(self) -> list[str]:
        """Patients (or slides) of the sections, by name."""
        return sorted(set(self.sections["unit"]))

    def trainings(self, units: Sequence[str]) -> list[Values]:
        """Sections of each patient by outcome under each training: of each split (seeds, patients, 4).

        Args:
            units: The patients, in order.
        """
        return [
            np.stack([self._counts(of_seed, units) for _, of_seed in of_split.groupby("seed", sort=True)])
            for _, of_split in self.sections.groupby("split", sort=True)
        ]

    def _counts(self, called: pd.DataFrame, units: Sequence[str]) -> Values:
        return sections.counts_by(called, self.positive).reindex(units, fill_value=0).to_numpy(float)

    def errors(self) -> tuple[float, float]:
        """False positive and false negative sections, the mean over seeds."""
        total = self.counts.sum()
        return float(total["fp"]), float(total["fn"])

    def without_area(self) -> "Called":
        """The same sections, called as soon as one pixel reaches the threshold, whatever the area."""
        call = self.sections["area"].gt(0).map({True: self.positive, False: ""})
        return Called(self.sections.assign(call=call), self.positive, self.unlabelled)


def called(records: Sequence[RunRecord], positive: str, *, part: str) -> Called:
    """Read the sections of one part that the records of a run called (``sections.tsv`` in their folders).

    Args:
        records: Seeds and splits of one run.
        positive: The class that is called.
        part: Part of the split.

    Raises:
        ValueError: The run called no labelled section of that part.
    """
    frames = [
        read_sections(record.folder / SECTIONS_NAME).assign(seed=record.seed, split=record.split)
        for record in records
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[frame["part"] == part]
    done = frame[frame["status"] == DONE]
    if done.empty:
        known = sorted(set(frame["status"])) or "nothing"
        msg = (
            f"run {records[0].run!r} called no labelled section of part {part!r} (there is {known}); give "
            f"the slides of that part section labels, or name another part"
        )
        raise ValueError(msg)
    unlabelled = frame[frame["status"] == UNLABELLED][KEY].drop_duplicates()
    return Called(done.reset_index(drop=True), positive, len(unlabelled))


def left_out(found: Sequence[Called]) -> str:
    """A sentence on the sections that do not count; empty where all do."""
    count = max(one.unlabelled for one in found)
    return f"Left out: {count} section{'s' * (count != 1)} without a label." if count else ""


def units_name(found: Sequence[Called]) -> str:
    """What is resampled: patients, or slides where no patient is known."""
    alone = all((one.sections["unit"] == one.sections["sample"]).all() for one in found)
    return "Slides" if alone else "Patients"
