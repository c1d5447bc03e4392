# SPDX-License-Identifier: MIT
"""Rates of the pixels of all images of a part together: added up by split, then derived, then averaged.

A run has counts of each class in each image (family ``counts``). Those of the images of one split are added
before a rate is taken, so that an image weighs as much as it has labelled pixels. Several splits (folds) give
a mean and a standard deviation. Intervals resample patients, each with all of their images, and seeds, within
each split; without a patient, images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from microtome.metrics.families.counts import FULL
from microtome.metrics.overlap import COUNTS, class_scores
from microtome.metrics.resampling import CONFIDENCE, drawn_apart
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.summed import Summed, Values
from microtome.tables.parts.units import ONE_SEED

LABELS, COMPLETE = "labels", "full"
PREFIX = {LABELS: "", COMPLETE: FULL}
"""What the counts against the labels of a study, and against complete ones, begin with."""
ROWS = ("seed", "split", "group", "unit", "sample")


@dataclass(frozen=True)
class Rates:
    """A rate of each class, and of their mean last; arrays of K + 1, NaN where it is not defined.

    Attributes:
        mean: Mean over splits.
        sd: Sample standard deviation over splits; NaN of one split.
        low: Lower end of the 95 % bootstrap interval of the mean; NaN where none was drawn.
        high: Upper end.
        mean_sd: Mean over the classes of each class's own standard deviation.
    """

    mean: Values
    sd: Values
    low: Values
    high: Values
    mean_sd: float


@dataclass(frozen=True)
class Counted(Summed):
    """The counts of some images: pixels by class and outcome, as `classes` and `COUNTS` have them, (N, K, 4).

    Attributes:
        mean_classes: Classes that the mean is over.
    """

    mean_classes: tuple[str, ...]

    def of_group(self, group: str) -> "Counted":
        """The images of a group alone."""
        is_of = (self.frame["group"] == group).to_numpy()
        frame = self.frame[is_of].reset_index(drop=True)
        return Counted(frame, self.sums[is_of], self.classes, self.mean_classes)

    def rates(self, metric: str, *, seed: int | None = None, of: str = "") -> Rates:
        """A rate of each class: of all images of a split together, then over splits.

        Args:
            metric: Name of a rate that follows from counts (`microtome.metrics.overlap.class_scores`).
            seed: Seed of the bootstrap; None: no interval.
            of: Name of the run (`drawn`).

        Raises:
            ValueError: There is no such rate.
        """
        values = np.stack([_mean(self._derived(one.sum(axis=1), metric)) for one in self.by_split])
        sd = _sd(values)
        nothing = np.full((1, values.shape[1]), np.nan)
        low, high = interval(nothing if seed is None else self.drawn(metric, seed=seed, of=of))
        return Rates(_mean(values), sd, low, high, float(_mean(sd[:-1][self._in_mean])))

    def drawn(self, metric: str, *, seed: int = 0, of: str = "") -> Values:
        """A rate of each class and their mean, (draws, K + 1), of patients and seeds drawn within each split.

        With equal seeds the same patients are drawn for every run, and seeds of its own (`of`, its name);
        NaN where a split has fewer than two patients.
        """
        score = partial(self._derived, metric=metric)
        return drawn_apart(self.by_split, score, seed=seed, of=of)

    def _derived(self, totals: Values, metric: str) -> Values:
        """The rate of each class and their mean, (…, K + 1), of totals (…, K, 4)."""
        frame = pd.DataFrame(totals.reshape(-1, len(COUNTS)), columns=list(COUNTS))
        of_class = class_scores(frame, metric).to_numpy(float).reshape(totals.shape[:-1])
        average = _mean(np.moveaxis(of_class[..., self._in_mean], -1, 0))
        return np.concatenate([of_class, average[..., None]], axis=-1)

    @property
    def _in_mean(self) -> npt.NDArray[np.bool_]:
        return np.isin(self.classes, self.mean_classes)


def counted(
    records: Sequence[RunRecord],
    classes: Sequence[str],
    *,
    part: str = "test",
    truth: str = LABELS,
    units: Mapping[str, str] | None = None,
    mean_classes: Sequence[str] = (),
) -> Counted:
    """Read the counts of a run.

    Args:
        records: Seeds and splits of the run.
        classes: Names of the classes, in order.
        part: Part of the split that was evaluated.
        truth: ``labels``, or ``full`` for labels that are complete, of the images that have them.
        units: Patient by sample; a sample that is not there stands for itself.
        mean_classes: Classes that means are over; none named: all.

    Raises:
        ValueError: A record lacks the counts.
    """
    frames = [_table(record, classes, part, truth) for record in records]
    table = pd.concat(frames)
    rows = table.index.to_frame(index=False)
    unit = rows["sample"].map(lambda name: (units or {}).get(name) or name)
    columns = [(outcome, name) for name in classes for outcome in COUNTS]
    counts = table[columns].to_numpy(float).reshape(len(table), len(classes), len(COUNTS))
    rows = rows.assign(unit=unit.astype(str))[list(ROWS)]
    return Counted(rows, counts, tuple(classes), tuple(mean_classes or classes))


def _table(record: RunRecord, classes: Sequence[str], part: str, truth: str) -> pd.DataFrame:
    """The counts of one seed and split: a row per image, columns (outcome, class)."""
    frame, prefix = record.metrics, PREFIX[truth]
    names = {f"{prefix}{outcome}": outcome for outcome in COUNTS}
    rows = frame[(frame["part"] == part) & frame["metric"].isin(names) & frame["value"].notna()]
    if rows.empty or not set(classes) <= set(rows["class"]):
        what = "complete labels" if truth == COMPLETE else "labels"
        found = f"run {record.run!r} (split {record.split}, seed {record.seed}) has no counts of pixels"
        remedy = "add `counts` to evaluate.metrics and evaluate it again"
        filled = ", with column `full` of the sheet filled" if truth == COMPLETE else ""
        msg = f"{found} against {what} in part {part!r} for the classes {list(classes)}; {remedy}{filled}"
        raise ValueError(msg)
    groups = rows["group"].fillna("").astype(str) if "group" in rows else ""
    told = rows.assign(metric=rows["metric"].map(names), group=groups, seed=record.seed, split=record.split)
    index, columns = ["seed", "split", "group", "sample"], ["metric", "class"]
    return told.pivot_table(index=index, columns=columns, values="value", aggfunc="sum")


def interval(drawn: Values) -> tuple[Values, Values]:
    """The ends of the 95 % percentile interval of draws (draws, N); undefined draws are left out.

    Example:
        >>> low, high = interval(np.arange(101.0)[:, None])
        >>> low.round(6).tolist(), high.round(6).tolist()
        ([2.5], [97.5])
    """
    tail, known = (1 - CONFIDENCE) / 2, ~np.isnan(drawn).all(axis=0)
    ends = np.full((2, drawn.shape[1]), np.nan)
    ends[:, known] = np.nanquantile(drawn[:, known], (tail, 1 - tail), axis=0)
    return ends[0], ends[1]


def of_seeds(counts: Sequence[Counted]) -> str:
    """Whether intervals draw seeds as well, as a sentence behind another."""
    return " Seeds are resampled, too." if max(of.seeds for of in counts) > 1 else f" {ONE_SEED}"


def _mean(values: Values) -> Values:
    """The mean over the first axis of the values that are defined."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    total = np.where(defined, values, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)


def _sd(values: Values) -> Values:
    """The sample standard deviation over the first axis of the values that are defined, from two."""
    defined = ~np.isnan(values)
    count = defined.sum(axis=0)
    squares = np.where(defined, values - _mean(values), 0.0) ** 2
    found = np.full(values.shape[1:], np.nan)
    return np.sqrt(np.divide(squares.sum(axis=0), count - 1, out=found, where=count > 1))
