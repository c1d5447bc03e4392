# SPDX-License-Identifier: MIT
"""Confusion matrices of runs, added up exactly from the counts of every image, and metrics of the sums."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from microtome.metrics.overlap import one_against_rest, score, scores_of
from microtome.metrics.resampling import Values, drawn_apart
from microtome.metrics.summary import UNIT, Summary
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.numbers import summarize

COUNTS = "pixels@"
"""What the metrics begin with that count the pixels of a true class by predicted class."""
Normalize = ("truth", "prediction", "none")


def confusion_of(records: Sequence[RunRecord], classes: Sequence[str], *, part: str = "test") -> pd.DataFrame:
    """Add up the pixels of all images of some records by true class (rows) and predicted class (columns).

    Args:
        records: Seeds and splits of a run.
        classes: Names of the classes, in order.
        part: Part of the split that was evaluated.

    Returns:
        Pixels (int64), K x K.

    Raises:
        ValueError: A record lacks the counts.
    """
    total = pd.DataFrame(
        0, index=pd.Index(classes, name="truth"), columns=pd.Index(classes, name="prediction")
    )
    for record in records:
        found = added_up(_counts(record, part), classes)
        if found is None:
            msg = (
                f"run {record.run!r} (seed {record.seed}) has no counts of pixels by true and predicted "
                f"class in part {part!r} for the classes {list(classes)}; add `overlap` to evaluate.metrics "
                f"and evaluate it again"
            )
            raise ValueError(msg)
        total = total + found
    return total


def added_up(metrics: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame | None:
    """Add up the counts in tidy metrics: pixels (int64), K x K; None where they lack some of the classes."""
    rows = metrics[metrics["metric"].str.startswith(COUNTS) & metrics["value"].notna()]
    table = rows.pivot_table(index="class", columns="metric", values="value", aggfunc="sum")
    found = table.reindex(index=classes, columns=[f"{COUNTS}{name}" for name in classes])
    if rows.empty or found.isna().to_numpy().any():
        return None
    names = pd.Index(classes, name="truth"), pd.Index(classes, name="prediction")
    return pd.DataFrame(found.to_numpy().round().astype(np.int64), *names)


def shares_of(matrix: pd.DataFrame, normalize: str = "truth") -> pd.DataFrame:
    """Divide a confusion matrix by the sums of its rows or of its columns; NaN where one is empty.

    By rows (`truth`) the diagonal is the recall of each class, by columns (`prediction`) the precision.

    Example:
        >>> shares_of(pd.DataFrame([[3, 1], [0, 0]])).to_numpy().tolist()
        [[0.75, 0.25], [nan, nan]]
    """
    if normalize == "truth":
        return matrix.div(matrix.sum(axis=1).replace(0, np.nan), axis=0)
    if normalize == "prediction":
        return matrix / matrix.sum(axis=0).replace(0, np.nan)
    msg = f"normalize is {normalize!r}, expected one of {Normalize[:2]}"
    raise ValueError(msg)


@dataclass(frozen=True)
class Pool:
    """The pixels of all images of a part together.

    Attributes:
        counts: Of each seed and split, the counts of each class against the rest.
        images: Number of different images.
    """

    counts: Mapping[tuple[int, str], pd.DataFrame]
    images: int


def pool(records: Sequence[RunRecord], classes: Sequence[str], *, part: str) -> Pool:
    """Add up the pixels of all images of a part, for each seed and split of a run.

    Raises:
        ValueError: A record lacks the counts.
    """
    counts = {
        (record.seed, record.split): one_against_rest(confusion_of([record], classes, part=part))
        for record in records
    }
    units = pd.concat([_counts(record, part)[list(UNIT)].drop_duplicates() for record in records])
    return Pool(counts, len(units.drop_duplicates()))


def pooled_score(
    found: Pool, metric: str, class_name: str, *, mean_classes: Sequence[str] = (), **spread: Any
) -> Summary:
    """A metric of the pixels of all images of a part together, its `n` the images.

    Args:
        found: The pixels; each seed and split has a value of its own, and the mean is over these.
        metric: Name of a metric that follows from counts of pixels.
        class_name: Its class.
        mean_classes: Classes of macro means; none named: all.
        **spread: Options of `summarize`; there is a spread only over seeds or splits.
    """
    values = [
        {"seed": seed, "split": split, "value": score(one, metric, class_name, mean_classes=mean_classes)}
        for (seed, split), one in found.counts.items()
    ]
    frame = pd.DataFrame(values)
    if spread.get("over", "image") == "image":
        return Summary(found.images, mean=float(frame["value"].mean()))
    return replace(summarize(frame, **spread), n=found.images)


def pooled_draws(
    records: Sequence[RunRecord],
    classes: Sequence[str],
    metric: str,
    class_name: str,
    *,
    part: str,
    groups: Mapping[str, str],
    mean_classes: Sequence[str] = (),
    seed: int = 0,
) -> Values:
    """`pooled_score` of patients and seeds drawn anew within each split, (draws,).

    Args:
        records: Seeds and splits of a run.
        classes: Names of the classes, in order.
        metric: Name of a metric that follows from counts of pixels.
        class_name: Its class.
        part: Part of the split that was evaluated.
        groups: Group (patient) by sample.
        mean_classes: Classes of macro means; none named: all.
        seed: Seed of the draws; with equal ones the same patients are drawn for every run.
    """
    by_split: dict[str, list[Values]] = {}
    for record in sorted(records, key=lambda one: (one.split, one.seed)):
        by_split.setdefault(record.split, []).append(_by_group(_counts(record, part), classes, groups))
    totals = [np.stack(of_split) for of_split in by_split.values()]
    of = partial(scores_of, classes=classes, metric=metric, class_name=class_name, mean_classes=mean_classes)
    return drawn_apart(totals, of, seed=seed, of=records[0].run)


def _by_group(counts: pd.DataFrame, classes: Sequence[str], groups: Mapping[str, str]) -> Values:
    """Pixels of each group by true and predicted class, (groups, K, K), in the order of their names."""
    of = counts["sample"].map(groups)
    table = counts.pivot_table(index=[of, "class"], columns="metric", values="value", aggfunc="sum")
    names = sorted(set(of))
    wanted = pd.MultiIndex.from_product([names, classes])
    found = table.reindex(index=wanted, columns=[f"{COUNTS}{name}" for name in classes]).fillna(0.0)
    return found.to_numpy(float).reshape(len(names), len(classes), len(classes))


def _counts(record: RunRecord, part: str) -> pd.DataFrame:
    frame = record.metrics
    is_counted = frame["metric"].str.startswith(COUNTS) & frame["value"].notna()
    return frame[(frame["part"] == part) & is_counted]
