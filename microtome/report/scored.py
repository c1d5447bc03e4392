# SPDX-License-Identifier: MIT
"""What runs scored on the samples that all of them hold, added up by the groups that belong together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from microtome.config.evaluated import leading
from microtome.metrics.names import metric_name
from microtome.metrics.overlap import COUNTS, EVERY_CLASS, MEAN, class_scores
from microtome.metrics.paired import Score, mean_of
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
    """

    totals: Mapping[str, Values]
    score: Score
    samples: int
    names: Mapping[str, str]
    metric: str

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
    tables = {run: _samples(found, metric, meta) for run, found in frames.items()}
    tables = {run: table for run, table in tables.items() if len(table)}
    if not tables:
        what = f"a value of {metric_name(metric)}" if metric else "metrics"
        msg = f"no run has {what} in the part {meta.case_part}"
        raise UnscoredError(msg)
    shared = sorted(set.intersection(*(set(table.index) for table in tables.values())))
    if not shared:
        msg = f"no {meta.samples_are} of the part {meta.case_part} are common to all runs"
        raise UnscoredError(msg)
    of = pd.Index([units.get(sample) or sample for _, sample in shared])
    totals = {run: _by_group(table.loc[shared], of) for run, table in tables.items()}
    names = {run.expected.run: run.expected.name for run in runs}
    found = Scored(totals, _score(metric, meta), len({sample for _, sample in shared}), names, metric)
    defined = {run: total for run, total in totals.items() if not np.isnan(found.scores[run])}
    if not defined:
        msg = f"{metric_name(metric)} is not defined for any run"
        raise UnscoredError(msg)
    return replace(found, totals=defined)


def _leading(frames: Iterable[pd.DataFrame]) -> str:
    """The metric of a study that does not say one."""
    return leading(name for frame in frames for name in frame.loc[frame["class"] == EVERY_CLASS, "metric"])


def _compared(runs: Sequence[RunInput], meta: StudyMeta) -> dict[str, pd.DataFrame]:
    """The metrics of each run that is compared, of all its seeds and splits."""
    splits = meta.compared_splits or meta.case_splits
    found: dict[str, list[pd.DataFrame]] = {}
    for run in runs:
        is_asked = not meta.compared or run.expected.run in meta.compared
        if is_asked and run.metrics is not None and (not splits or run.expected.split in splits):
            of_part = run.metrics[run.metrics["part"] == meta.case_part]
            given = {"split": run.expected.split, "seed": run.expected.seed}
            found.setdefault(run.expected.run, []).append(of_part.assign(**given))
    order = {name: number for number, name in enumerate(meta.compared)}
    names = sorted(found, key=lambda name: order.get(name, len(order)))
    return {name: pd.concat(found[name], ignore_index=True) for name in names}


def _samples(frame: pd.DataFrame, metric: str, meta: StudyMeta) -> pd.DataFrame:
    """What each sample adds to the totals: index (split, sample), columns as `_score` takes them."""
    if not meta.pooled:
        rows = frame[(frame["metric"] == metric) & (frame["class"] == EVERY_CLASS)]
        values = rows.groupby(KEY)["value"].mean().dropna()
        return pd.DataFrame({"sum": values, "count": 1.0})
    counts = _counts(frame, metric, list(meta.colors))
    return counts.groupby(KEY).mean() if len(counts) else counts


def _counts(frame: pd.DataFrame, metric: str, classes: Sequence[str]) -> pd.DataFrame:
    """The counts behind a pooled metric: of each outcome of sections, or of true by predicted class."""
    if metric.startswith(SECTION):
        columns = [(EVERY_CLASS, f"sections_{name}") for name in COUNTS]
    else:
        columns = [(of, f"{PIXELS}{given}") for of in classes for given in classes]
    rows = frame[frame["metric"].isin({name for _, name in columns})]
    wide = rows.pivot_table(index=[*KEY, "seed"], columns=["class", "metric"], values="value")
    return wide.reindex(columns=pd.MultiIndex.from_tuples(columns)).dropna()


def _by_group(table: pd.DataFrame, groups: pd.Index) -> Values:
    return table.groupby(np.asarray(groups)).sum().to_numpy(float)


def _score(metric: str, meta: StudyMeta) -> Score:
    if not meta.pooled:
        return mean_of
    if metric.startswith(SECTION):
        return _share_right
    return partial(_of_pixels, metric=metric, classes=tuple(meta.colors), mean_classes=meta.mean_classes)


def _share_right(totals: Values) -> Values:
    """Share of sections called right, of counts in the order of `COUNTS`."""
    return mean_of(np.stack([totals[..., 0] + totals[..., 3], totals.sum(axis=-1)], axis=-1))


def _of_pixels(totals: Values, *, metric: str, classes: Sequence[str], mean_classes: Sequence[str]) -> Values:
    """A metric of the image, of confusion matrices (..., K x K) that are added up."""
    matrix = totals.reshape(*totals.shape[:-1], len(classes), len(classes))
    hits, every = np.diagonal(matrix, axis1=-2, axis2=-1), totals.sum(axis=-1)
    if not metric.startswith(MEAN):
        return mean_of(np.stack([hits.sum(axis=-1), every], axis=-1))
    extra, missed = matrix.sum(axis=-2) - hits, matrix.sum(axis=-1) - hits
    rest = every[..., None] - hits - extra - missed
    counts = np.stack([hits, extra, missed, rest], axis=-1)
    frame = pd.DataFrame(counts.reshape(-1, len(COUNTS)), columns=list(COUNTS))
    of_class = class_scores(frame, metric.removeprefix(MEAN)).to_numpy(float).reshape(hits.shape)
    chosen = of_class[..., np.isin(classes, mean_classes or classes)]
    defined = ~np.isnan(chosen)
    return mean_of(np.stack([np.where(defined, chosen, 0).sum(axis=-1), defined.sum(axis=-1)], axis=-1))
