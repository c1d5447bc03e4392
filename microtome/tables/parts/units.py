# SPDX-License-Identifier: MIT
"""What intervals and claims of a table draw: patients with all of their images, and the seeds of a run."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from microtome.metrics.resampling import groups_of
from microtome.provenance.runs import RunRecord
from microtome.tables.frame import Column
from microtome.tables.inputs import Inputs
from microtome.tables.parts.rows import Row

IMAGES = "images"
UNITS, SEEDS = "units", "seeds"
"""Columns of the frame: how many patients and seeds the values of a row are of."""
ONE_SEED = "Each run has one seed, so nothing is said of other trainings."


@dataclass(frozen=True)
class Units:
    """The groups of the images of a table.

    Attributes:
        groups: Group by sample; all the same samples in every run of a table.
        order: The groups, in the order in which they are drawn.
        name: What they are called, in the plural: patients, blocks; images where it is not known whose.
        whose: Patient (block) by sample, or the sample itself: those that can make a claim.
        one: What all images are of, a single one of (``block``), so that images are drawn; else empty.
    """

    groups: Mapping[str, str]
    order: tuple[str, ...]
    name: str
    whose: Mapping[str, str]
    one: str = ""

    @property
    def count(self) -> int:
        """Different patients (blocks): those that can make a claim."""
        return len(set(self.whose.values()))

    def names(self, count: int) -> str:
        """What those that can make a claim are called, where there are `count`.

        Example:
            >>> Units({}, (), "images", {}, "block").names(1)
            'block'
        """
        names = f"{self.one}s" if self.one else self.name
        return names.removesuffix("s") if count == 1 else names

    @property
    def drawn(self) -> int:
        """How many groups are drawn."""
        return len(self.order)

    @property
    def column(self) -> tuple[Column, ...]:
        """How many groups there are, where these are not images, and how many seeds."""
        seeds = Column(SEEDS, "Seeds", format=".0f", once=True)
        if self.name == IMAGES and not self.one:
            return (seeds,)
        return (Column(UNITS, self.names(2).capitalize(), format=".0f", once=True), seeds)

    def sizes(self, records: Sequence[RunRecord]) -> dict[str, int]:
        """How many groups and seeds the records of a run are of."""
        return {UNITS: self.count, SEEDS: len({record.seed for record in records})}

    def told(self, *, folds: bool, several: bool) -> str:
        """What is drawn, in a sentence.

        Args:
            folds: Whether runs were trained on several splits.
            several: Whether some run has several seeds.
        """
        whole = f"{self.name}, each with all of its images," if self.name != IMAGES else "images"
        seeds = " and, independently, seeds of each split" if folds else " and, independently, seeds"
        drawn = f"resampling {whole}{seeds if several else ''}".rstrip(",")
        put = "; folds are put together" if folds else ""
        alone = f" All images are of one {self.one}, so they say nothing of others." if self.one else ""
        return f"{drawn}{put}.{alone}{'' if several else f' {ONE_SEED}'}"


def units_of(rows: Iterable[Row], inputs: Inputs, part: str, names: Collection[str] = ()) -> Units:
    """The groups of the images that the runs of a table were evaluated on.

    Args:
        rows: The runs.
        inputs: Whose samples the sheet says they are.
        part: Part of the split.
        names: Metrics of the table; a sample without a value of any is none of its images (a slide that
            nobody annotated). None named: all samples of the part are.
    """
    records = [record for row in rows for record in row.records]
    samples = sorted(samples_with(records, part, names) or samples_with(records, part))
    whose = {sample: inputs.units.get(sample) or sample for sample in samples}
    groups = groups_of(samples, inputs.units)
    is_one = len(set(whose.values())) == 1 and len(samples) > 1
    name = IMAGES if is_one else inputs.unit_name
    return Units(groups, tuple(sorted(set(groups.values()))), name, whose, inputs.unit if is_one else "")


def samples_with(
    records: Iterable[RunRecord], part: str, names: Collection[str] = (), class_name: str = ""
) -> set[str]:
    """Samples of a part that have a value of one of some metrics under any training.

    Args:
        records: Seeds and splits of runs.
        part: Part of the split.
        names: Metrics; none named: samples count with or without a value.
        class_name: Class that the value is of; empty: any.
    """
    return {name for record in records for name in _found(record.metrics, part, names, class_name)}


def _found(frame: pd.DataFrame, part: str, names: Collection[str], class_name: str) -> set[str]:
    """`samples_with` of the metrics of one training."""
    is_of = frame["part"] == part
    if names:
        is_of &= frame["metric"].isin(names) & frame["value"].notna()
    if class_name:
        is_of &= frame["class"] == class_name
    return set(frame.loc[is_of, "sample"])


def trained(rows: Iterable[Row]) -> dict[str, bool]:
    """Whether the runs of a table have several splits (``folds``), and one several seeds (``several``)."""
    runs = [({one.split for one in row.records}, {one.seed for one in row.records}) for row in rows]
    return {
        "folds": any(len(splits) > 1 for splits, _ in runs),
        "several": any(len(seeds) > 1 for _, seeds in runs),
    }
