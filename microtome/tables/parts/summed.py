# SPDX-License-Identifier: MIT
"""Sums of each image of a run, which are added up by patient and split before anything follows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Summed:
    """The sums of some images, as a run got them.

    Attributes:
        frame: One row per image, seed and split: columns seed, split, unit, sample, maybe more.
        sums: Of each row, (N, …).
        classes: Names of the classes.
    """

    frame: pd.DataFrame
    sums: Values
    classes: tuple[str, ...]

    @property
    def images(self) -> int:
        """Different images."""
        return self.frame["sample"].nunique()

    @property
    def units(self) -> int:
        """Different patients (blocks); images where none is known."""
        return self.frame["unit"].nunique()

    @property
    def splits(self) -> int:
        """Different splits."""
        return self.frame["split"].nunique()

    @property
    def seeds(self) -> int:
        """Different seeds."""
        return self.frame["seed"].nunique()

    @cached_property
    def by_split(self) -> list[Values]:
        """Sums by patient of each split, (seeds, patients, …): of a split every seed has the same."""
        return [np.stack(list(self._seeds_of(split))) for split in dict.fromkeys(self.frame["split"])]

    def _seeds_of(self, split: str) -> Iterator[Values]:
        rows = self.frame[self.frame["split"] == split]
        units = {unit: number for number, unit in enumerate(sorted(set(rows["unit"])))}
        for _, of_seed in rows.groupby("seed", sort=True):
            total = np.zeros((len(units), *self.sums.shape[1:]))
            np.add.at(total, of_seed["unit"].map(units).to_numpy(), self.sums[of_seed.index])
            yield total
