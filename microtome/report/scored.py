# SPDX-License-Identifier: MIT
"""What runs scored on the samples that all of them hold, added up by the groups that belong together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from microtome.config.evaluated import leading
from microtome.metrics.names import metric_name
from microtome.metrics.overlap import COUNTS, EVERY_CLASS, scores_of
from microtome.metrics.resampling import Score, Trainings, mean_of
from microtome.report.inputs import RunInput, StudyMeta

Values = npt.NDArray[np.float64]
KEY = ["split", "sample"]
"""What makes a sample: of folds each has it once."""
SECTION = "section_"
"""What the metric of calls begins with; their counts are `sections_tp` and so on."""
PIXELS = "pixels@"


class UnscoredError(ValueError):
    """No run has the metric."""


@dataclass(frozen=True)
class Scored:
    """Scores of runs on the same samples.

    Attributes:
        totals: By run, what each group adds to the totals of its score, (groups, K), in one order.
        score: What follows from totals.
        samples: Samples that all runs hold.
        names: Printed name by run.
        metric: What was scored.
        splits: Splits that are scored apart, of which the score is the mean.
        lacking: Samples that count for nothing, as not all runs have a value of them.
        without: Runs that were to be compared, and have no value.
        trainings: By run, what each group adds under each seed, of each split (seeds, groups, K).
    """

    totals: Mapping[str, Values]
    score: Score
    samples: int
    names: Mapping[str, str]
    metric: str
    splits: int = 1
    lacking: int = 0
    without: tuple[str, ...] = ()
    trainings: Mapping[str, Trainings] = field(default_factory=dict)

    @property
    def seeds(self) -> int:
        """The most seeds that a run has."""
        return max(len(of_split) for one in self.trainings.values() for of_split in one)

    @property
    def groups(self) -> int:
        """Groups of samples."""
        return len(next(iter(self.totals.values())))

    @cached_property
    def scores(self) -> dict[str, float]:
        """The score of each run, of all groups."""
        return {run: float(self.score(totals.sum(axis=0))) for run, totals in self.totals.items()}

    def ranked(self, *, higher_is_better: bool) -> list[str]:
        """The runs, the best first; of equal ones in the order given."""
        sign = -1 if higher_is_better else 1
        return sorted(self.totals, key=lambda run: sign * self.scores[run])


def scored(runs: Sequence[RunInput], meta: StudyMeta, units: Mapping[str, str]) -> Scored:
    """Add up what the runs of a verdict scored, of its part, splits and metric.

    Several seeds of a run are averaged by sample. Samples on which a run has no value are left out of all.

    Raises:
        UnscoredError: No run has the metric, or there is no sample that all of them have it of.
    """
    frames = _compared(runs, meta)
    metric = meta.metric or meta.case_metric or _leading(frames.values())
    by_seed = {run: _by_seed(found, metric, meta) for run, found in frames.items()}
    tables = {run: found.groupby(KEY).mean() for run, found in by_seed.items() if len(found)}
    if not tables:
        what = f"a value of {metric_name(metric)}" if metric else "metrics"
        msg = f"no run has {what} in the part {meta.case_part}"
        raise UnscoredError(msg)
    indices = [set(table.index) for table in tables.values()]
    shared = sorted(set.intersection(*indices))
    if not shared:
        msg = f"no {meta.samples_are} of the part {meta.case_part} are common to all runs"
        raise UnscoredError(msg)
    of = [units.get(sample) or sample for _, sample in shared]
    apart = [split if _is_apart(metric, meta) else "" for split, _ in shared]
    totals = {run: _by_group(table.loc[shared], of, apart) for run, table in tables.items()}
    trainings = {run: _trainings(by_seed[run], table.loc[shared], of, apart) for run, table in tables.items()}
    names = {run.expected.run: run.expected.name for run in runs}
    score, samples = _score(metric, meta, len(set(apart))), len({sample for _, sample in shared})
    found = Scored(totals, score, samples, names, metric, splits=len(set(apart)))
    defined = {run: total for run, total in totals.items() if not np.isnan(found.scores[run])}
    if not defined:
        msg = f"{metric_name(metric)} is not defined for any run"
        raise UnscoredError(msg)
    lacking = {sample for _, sample in set.union(*indices)} - {sample for _, sample in shared}
    asked = dict.fromkeys(run.expected.run for run in runs if _is_asked(run, meta))
    without = tuple(run for run in asked if run not in defined)
    told = {run: trainings[run] for run in defined}
    return replace(found, totals=defined, lacking=len(lacking), without=without, trainings=told)


def _leading(frames: Iterable[pd.DataFrame]) -> str:
    """The metric of a study that does not say one."""
    return leading(name for frame in frames for name in frame.loc[frame["class"] == EVERY_CLASS, "metric"])


def _compared(runs: Sequence[RunInput], meta: StudyMeta) -> dict[str, pd.DataFrame]:
    """The metrics of each run that is compared, of all its seeds and splits."""
    found: dict[str, list[pd.DataFrame]] = {}
    for run in runs:
        if run.metrics is not None and _is_asked(run, meta):
            of_part = run.metrics[run.metrics["part"] == meta.case_part]
            given = {"split": run.expected.split, "seed": run.expected.seed}
            found.setdefault(run.expected.run, []).append(of_part.assign(**given))
    order = {name: number for number, name in enumerate(meta.compared)}
    names = sorted(found, key=lambda name: order.get(name, len(order)))
    return {name: pd.concat(found[name], ignore_index=True) for name in names}


def _is_asked(run: RunInput, meta: StudyMeta) -> bool:
    """Whether a run is one of those that are compared."""
    splits = meta.compared_splits or meta.case_splits
    is_named = not meta.compared or run.expected.run in meta.compared
    return is_named and (not splits or run.expected.split in splits)


def _by_seed(frame: pd.DataFrame, metric: str, meta: StudyMeta) -> pd.DataFrame:
    """What each sample adds to the totals: index (split, sample, seed), columns as `_score` takes them."""
    if not meta.pooled:
        rows = frame[(frame["metric"] == metric) & (frame["class"] == EVERY_CLASS)]
        values = rows.groupby([*KEY, "seed"])["value"].mean().dropna()
        return pd.DataFrame({"sum": values, "count": 1.0})
    return _counts(frame, metric, list(meta.colors))


def _counts(frame: pd.DataFrame, metric: str, classes: Sequence[str]) -> pd.DataFrame:
    """The counts behind a pooled metric: of each outcome of sections, or of true by predicted class."""
    if metric.startswith(SECTION):
        columns = [(EVERY_CLASS, f"sections_{name}") for name in COUNTS]
    else:
        columns = [(of, f"{PIXELS}{given}") for of in classes for given in classes]
    rows = frame[frame["metric"].isin({name for _, name in columns})]
    wide = rows.pivot_table(index=[*KEY, "seed"], columns=["class", "metric"], values="value")
    return wide.reindex(columns=pd.MultiIndex.from_tuples(columns)).dropna()


def _is_apart(metric: str, meta: StudyMeta) -> bool:
    """Whether each split is scored by itself, and the mean taken: pixels are in tables, sections are not."""
    return meta.pooled and not metric.startswith(SECTION)


def _by_group(table: pd.DataFrame, groups: Sequence[str], apart: Sequence[str]) -> Values:
    """Totals of each group, (groups, S x K): K for each of the S different texts of `apart`, in turn."""
    (names, group), (parts, part) = (np.unique(of, return_inverse=True) for of in (groups, apart))
    totals = np.zeros((len(names), len(parts), table.shape[1]))
    np.add.at(totals, (group, part), table.to_numpy(float))
    return totals.reshape(len(names), -1)


def _trainings(
    by_seed: pd.DataFrame, means: pd.DataFrame, groups: Sequence[str], apart: Sequence[str]
) -> list[Values]:
    """The totals of each split and seed; a sample without a value under a seed has its mean of the others."""
    found = []
    for split, rows in by_seed.groupby("split", sort=True):
        is_of = np.asarray(means.index.get_level_values("split") == split)
        laid = [_of_seed(means * is_of[:, None], of_seed) for _, of_seed in rows.groupby("seed", sort=True)]
        found.append(np.stack([_by_group(one, groups, apart) for one in laid]))
    return found


def _of_seed(means: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Means of samples, with what one seed has of them in their place."""
    there = rows.droplevel("seed").reindex(means.index)
    return there.fillna(means)


def _score(metric: str, meta: StudyMeta, splits: int) -> Score:
    if not meta.pooled:
        return mean_of
    if metric.startswith(SECTION):
        return _share_right
    of = partial(_of_pixels, metric=metric, classes=tuple(meta.colors), mean_classes=meta.mean_classes)
    return partial(_over_splits, score=of, splits=splits)


def _over_splits(totals: Values, *, score: Score, splits: int) -> Values:
    """The mean over splits of the score of each, of totals (..., S x K)."""
    return _mean_of_defined(score(totals.reshape(*totals.shape[:-1], splits, -1)))


def _share_right(totals: Values) -> Values:
    """Share of sections called right, of counts in the order of `COUNTS`."""
    return mean_of(np.stack([totals[..., 0] + totals[..., 3], totals.sum(axis=-1)], axis=-1))


def _of_pixels(totals: Values, *, metric: str, classes: Sequence[str], mean_classes: Sequence[str]) -> Values:
    """A metric of the image, of confusion matrices (..., K x K) that are added up."""
    matrices = totals.reshape(*totals.shape[:-1], len(classes), len(classes))
    return scores_of(matrices, classes, metric, mean_classes=mean_classes)


def _mean_of_defined(values: Values) -> Values:
    """The mean over the last axis of what is a number; NaN where nothing is."""
    defined = ~np.isnan(values)
    return mean_of(np.stack([np.where(defined, values, 0).sum(axis=-1), defined.sum(axis=-1)], axis=-1))
