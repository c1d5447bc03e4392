# SPDX-License-Identifier: MIT
"""Rates of a class per image (true and false positive rate, …), and their pooling over groups of images."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from microtome.metrics.names import ALL_CLASSES
from microtome.metrics.summary import Summary
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.numbers import groups_of, summarize, values_of

RATES: Mapping[str, tuple[str, bool]] = {
    "tpr": ("sensitivity", False),
    "fnr": ("sensitivity", True),
    "tnr": ("specificity", False),
    "fpr": ("specificity", True),
}
"""Metric behind a rate, and whether the rate is what is missing to 1."""
NO_GROUP = "none"
LEADING_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def image_values(
    records: Sequence[RunRecord], name: str, *, class_name: str = ALL_CLASSES, part: str = "test"
) -> pd.DataFrame:
    """Collect a metric, or one of `RATES`, of each image; values of several seeds are averaged first.

    Columns split, sample, group, value; images without a group are of `NO_GROUP`.

    Raises:
        ValueError: A record does not hold the metric.
    """
    values = seed_values(records, name, class_name=class_name, part=part)
    return values.groupby(["split", "sample", "group"], as_index=False)["value"].mean()


def seed_values(
    records: Sequence[RunRecord], name: str, *, class_name: str = ALL_CLASSES, part: str = "test"
) -> pd.DataFrame:
    """The same of each image and seed: columns split, sample, seed, group, value.

    Raises:
        ValueError: A record does not hold the metric.
    """
    metric, is_complement = RATES.get(name, (name, False))
    values = values_of(records, metric, class_name=class_name, part=part)
    groups = groups_of(records)
    group = [groups.get(sample) or NO_GROUP for sample in values["sample"]]
    return values.assign(value=1 - values["value"] if is_complement else values["value"], group=group)


def pooled(values: pd.DataFrame, *, ddof: int = 0) -> Summary:
    """Mean and standard deviation over the images of `image_values`; undefined values do not count."""
    return summarize(values, ddof=ddof)


def pooled_equally(values: pd.DataFrame, groups: Sequence[str], *, ddof: int = 0) -> Summary:
    """Mean and standard deviation when every group counts alike, however many images it has.

    The variance is the mean of the groups' variances plus the variance of their means, as for as many images
    of each group; NaN where there are fewer than two groups, or one has no value.

    Example:
        >>> frame = pd.DataFrame({"split": "a", "sample": list("xyz"), "group": ["10x", "10x", "20x"]})
        >>> pooled_equally(frame.assign(value=[0.8, 0.9, 0.65]), ["10x", "20x"]).mean
        0.75
    """
    parts = [pooled(values[values["group"] == group], ddof=ddof) for group in groups]
    count = sum(part.n for part in parts)
    if len(parts) < 2 or not all(part.n for part in parts):
        return Summary(count)
    means = np.array([part.mean for part in parts])
    variance = np.mean([part.sd**2 for part in parts]) + means.var()
    return Summary(count, mean=float(means.mean()), sd=float(np.sqrt(variance)))


def groups_in_order(names: Sequence[str]) -> list[str]:
    """Sort groups, each once; names that begin with a number by that number.

    Example:
        >>> groups_in_order(["20x", "5x", "10x", "20x"])
        ['5x', '10x', '20x']
    """
    return sorted(set(names), key=_group_key)


def _group_key(name: str) -> tuple[float, str]:
    number = LEADING_NUMBER.match(name)
    return (float(number[0]) if number else float("inf"), name)
