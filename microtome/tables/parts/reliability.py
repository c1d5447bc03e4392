# SPDX-License-Identifier: MIT
"""Probabilities of the pixels of all images of a part together: sums by split, and the errors that follow.

A run has sums of each image (family ``calibration``). Those of the images of one split are added before an
error is taken, so an image weighs as much as it has labelled pixels. Several splits (folds) and seeds are
averaged. Intervals draw patients, each with all of their images, and seeds within each split; without a
patient, images.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd

from microtome.metrics import calibration
from microtome.metrics.calibration import EDGES, PIXELS, Sums
from microtome.metrics.families.calibration import BINNED
from microtome.metrics.overlap import EVERY_CLASS
from microtome.metrics.resampling import drawn_apart, ends
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.summed import Summed, Values

SCORES = ("ece", "ace", "mce", "mean_ece", "brier", "nll", "aurc")
OF_CLASS = "ece_of_"
"""Before the name of a class: the calibration error of its probability."""
BLANK = (float("nan"), float("nan"))
TOGETHER = (
    "The pixels of all trainings of a run (seeds and splits, up to {count}) are counted together; tables "
    "average what each gives."
)


@dataclass(frozen=True)
class Estimate:
    """A score: mean and sample sd (NaN of one) over splits, 95 % interval (NaN where none is drawn)."""

    mean: float
    sd: float
    low: float = float("nan")
    high: float = float("nan")


@dataclass(frozen=True)
class Measured(Summed):
    """The sums of some images, one after the other those of `microtome.metrics.calibration.Sums`, (N, D)."""

    @property
    def pixels(self) -> int:
        """Labelled pixels of the images of all splits, each once, however many seeds there are."""
        firsts = (unpacked(of[0].sum(axis=0), len(self.classes)).pixels for of in self.by_split)
        return round(sum(firsts))

    @property
    def trainings(self) -> int:
        """Seeds and splits."""
        return len(self.frame[["seed", "split"]].drop_duplicates())

    @property
    def total(self) -> Sums:
        """The sums of all images, seeds and splits together."""
        return unpacked(self.sums.sum(axis=0), len(self.classes))

    def grouped(self, groups: Mapping[str, str]) -> "Measured":
        """The same with other units: that of each sample."""
        return replace(self, frame=self.frame.assign(unit=self.frame["sample"].map(groups)))

    def estimates(self, names: Sequence[str], draws: Values | None = None) -> dict[str, Estimate]:
        """Scores of all images of a split together, averaged over seeds, then over splits.

        Args:
            names: Of `SCORES`, or `OF_CLASS` and the name of a class.
            draws: What `drawn` gave for the same names, for the intervals; None: there are none.
        """
        values = np.stack([self._scores(of.sum(axis=1), names).mean(axis=0) for of in self.by_split])
        sd = values.std(axis=0, ddof=1) if self.splits > 1 else np.full(len(names), np.nan)
        intervals = [ends(draws[:, n]) if draws is not None else BLANK for n in range(len(names))]
        cells = zip(names, values.mean(axis=0), sd, intervals, strict=True)
        return {name: Estimate(float(mean), float(spread), *pair) for name, mean, spread, pair in cells}

    def drawn(self, names: Sequence[str], *, seed: int = 0, of: str = "") -> Values:
        """Scores (draws, names) of units and seeds that are drawn anew within each split.

        With equal seeds the same units are drawn for every run, and seeds of its own (`of`, its name); NaN
        where a split has fewer than two units.
        """
        return drawn_apart(self.by_split, partial(self._scores, names=names), seed=seed, of=of)

    def _scores(self, sums: Values, names: Sequence[str]) -> Values:
        """Scores (…, names) of sums (…, D)."""
        found = unpacked(sums, len(self.classes))
        return np.stack([_score(found, name, self.classes) for name in names], axis=-1)


def measured(
    records: Sequence[RunRecord],
    classes: Sequence[str],
    *,
    part: str = "test",
) -> Measured:
    """Read the sums of a run.

    Args:
        records: Seeds and splits of the run.
        classes: Names of the classes, in order.
        part: Part of the split that was evaluated.

    Returns:
        The sums, each image by itself.

    Raises:
        ValueError: A record lacks them.
    """
    found = [_of_record(record, classes, part) for record in records]
    frame = pd.concat([rows for rows, _ in found], ignore_index=True)
    sums = np.concatenate([values for _, values in found])
    return Measured(frame.assign(unit=frame["sample"]), sums, tuple(classes))


def measured_runs(
    records: Sequence[RunRecord], classes: Sequence[str], *, part: str = "test"
) -> dict[str, tuple[str, Measured]]:
    """Read the sums of several runs: the label and the sums of each, in the order of the records.

    Raises:
        ValueError: A record lacks them.
    """
    labels = {record.run: record.label for record in records}
    by_run = {run: [record for record in records if record.run == run] for run in labels}
    return {run: (labels[run], measured(of, classes, part=part)) for run, of in by_run.items()}


def packed(sums: Sums) -> Values:
    """All sums one after the other, (D,)."""
    return np.concatenate([sums.bins.ravel(), sums.squares, [sums.surprise]])


def unpacked(values: Values, classes: int) -> Sums:
    """The sums (…) of so many classes, of those one after the other, (…, D).

    Example:
        >>> unpacked(packed(calibration.nothing(2)), 2).pixels
        0.0
    """
    shape = (classes + 1, EDGES.size - 1, 3)
    size = int(np.prod(shape))
    bins = values[..., :size].reshape(*values.shape[:-1], *shape)
    return Sums(bins, values[..., size:-1], values[..., -1])


def _score(sums: Sums, name: str, classes: Sequence[str]) -> Values:
    """A score (…) of sums of many images at once."""
    surest = sums.bins[..., -1, :, :]
    pixels = surest[..., PIXELS].sum(-1)
    if name.startswith(OF_CLASS):
        of = classes.index(name.removeprefix(OF_CLASS))
        return calibration.expected_error(sums.bins[..., of, :, :])
    if name == "mean_ece":
        return calibration.expected_error(sums.bins[..., :-1, :, :]).mean(-1)
    if name in ("brier", "nll"):
        return (sums.squares[..., -1] if name == "brier" else np.asarray(sums.surprise)) / pixels
    of_surest = {
        "ece": calibration.expected_error,
        "ace": calibration.adaptive_error,
        "mce": calibration.largest_error,
        "aurc": calibration.area_under_risk,
    }
    return of_surest[name](surest)


def _of_record(record: RunRecord, classes: Sequence[str], part: str) -> tuple[pd.DataFrame, Values]:
    """The images of one seed and split, and their sums (N, D).

    Raises:
        ValueError: There are none.
    """
    names = [*classes, EVERY_CLASS]
    frame = record.metrics
    frame = frame[(frame["part"] == part) & frame["value"].notna() & frame["class"].isin(names)]
    counts = frame[frame["metric"].str.startswith(BINNED)]
    if set(counts["class"]) != set(names):
        found = f"run {record.run!r} (split {record.split}, seed {record.seed}) has no sums of probabilities"
        remedy = "add `calibration` to evaluate.metrics and evaluate it again"
        msg = f"{found} in part {part!r} for the classes {list(classes)}; {remedy}"
        raise ValueError(msg)
    samples = sorted(set(counts["sample"]))
    bins = np.zeros((len(samples), len(names), EDGES.size - 1, 3))
    kind, _, place = counts["metric"].str.partition("@").to_numpy().T
    at = [pd.Index(samples).get_indexer(counts["sample"]), pd.Index(names).get_indexer(counts["class"])]
    column = pd.Index([prefix.removesuffix("@") for prefix in BINNED]).get_indexer(kind)
    bins[*at, place.astype(int), column] = counts["value"].to_numpy(float)
    pixels = bins[:, -1, :, PIXELS].sum(-1, keepdims=True)
    means = frame.pivot_table(index="sample", columns=["metric", "class"], values="value", observed=True)
    columns = [*(("brier", name) for name in names), ("nll", EVERY_CLASS)]
    means = means.loc[samples, columns].to_numpy(float)
    rows = pd.DataFrame({"seed": record.seed, "split": record.split, "sample": samples})
    return rows, np.concatenate([bins.reshape(len(samples), -1), means * pixels], axis=1)


def told_of_trainings(every: Iterable[Measured]) -> str:
    """What a figure does with several trainings of a run, as a sentence; empty of one each."""
    count = max(of.trainings for of in every)
    return TOGETHER.format(count=count) if count > 1 else ""
