# SPDX-License-Identifier: MIT
"""Means, spreads and intervals of tidy metrics over images, seeds or splits."""

from collections.abc import Iterable, Sequence
from typing import Literal

import pandas as pd

from microtome.metrics.names import ALL_CLASSES
from microtome.metrics.summary import Summary, statistics
from microtome.provenance.runs import RunRecord

ALL_GROUPS, NO_GROUP = "all", "none"
"""What tables call all images together, and those without a group, unless a group is called so."""
QUOTE = '; quote names that look like numbers or nothing: groups: ["01"]'
UNITS = {"image": ("split", "sample"), "seed": ("seed",), "split": ("split",)}
Unit = Literal["image", "seed", "split"]
FEWEST = 6
"""Units from which on a two-sided test can reach 5 % at all (2 / 2⁶ is 3 %)."""
NO_WIDTH = "An interval without width is of values that are all alike here; of more they need not be."


def values_of(
    records: Sequence[RunRecord], metric: str, *, class_name: str = ALL_CLASSES, part: str = "test"
) -> pd.DataFrame:
    """Collect one metric of a run's seeds and splits: columns sample, seed, split, value.

    Raises:
        ValueError: A record does not hold the metric.
    """
    frames = [_values_of_one(record, metric, class_name, part) for record in records]
    return pd.concat(frames, ignore_index=True)


def summarize(
    values: pd.DataFrame, *, over: Unit = "image", ddof: int = 1, interval: bool = False, seed: int = 0
) -> Summary:
    """Average values within each unit, then over the units.

    With ``over="image"`` an image's value is first averaged over the seeds, so that seeds do not count as
    further images.

    Args:
        values: Result of `values_of`.
        over: Unit of the spread: images, seeds or splits.
        ddof: 1 for the sample standard deviation, 0 for that of the population.
        interval: Whether to bootstrap the 95 % interval of the mean over the units (percentile method).
        seed: Seed of the bootstrap.

    Returns:
        The summary. Undefined values (NaN) are left out and do not count.

    Raises:
        ValueError: `over` is unknown.
    """
    if over not in UNITS:
        msg = f"over is {over!r}, expected one of {sorted(UNITS)}"
        raise ValueError(msg)
    units = values.groupby(list(UNITS[over]), sort=False)["value"].mean().to_numpy()
    return statistics(units, ddof=ddof, seed=seed if interval else None)


def told_of_intervals(count: int, names: str, ends: Iterable[tuple[pd.Series, pd.Series]]) -> str:
    """What is to be known of intervals that are drawn from few units, or have no width; empty if nothing.

    Args:
        count: Units that are drawn.
        names: What they are called, in the plural.
        ends: Lower and upper ends of all intervals.

    Example:
        >>> ends = [(pd.Series([0.1]), pd.Series([0.4]))]
        >>> told_of_intervals(4, "images", ends), told_of_intervals(12, "images", ends)
        ('Intervals of so few images (4) are too narrow.', '')
    """
    few = f"Intervals of so few {names} ({count}) are too narrow." if 1 < count < FEWEST else ""
    flat = NO_WIDTH if any((low == high).any() for low, high in ends) else ""
    return " ".join(filter(None, (few, flat)))


def groups_of(runs: Sequence[RunRecord]) -> dict[str, str]:
    """Give the group (organ, clinic) of each evaluated sample, as far as the metrics name one."""
    frames = [run.metrics[["sample", "group"]].dropna() for run in runs if "group" in run.metrics]
    return {sample: str(group) for frame in frames for sample, group in frame.itertuples(index=False)}


def check_groups(groups: Sequence[str], known: Sequence[str], part: str) -> None:
    """Refuse groups that no image has.

    Raises:
        ValueError: With those at hand, and what YAML makes of names that are numbers.

    Example:
        >>> try:
        ...     check_groups([1], ["01"], "test")
        ... except ValueError as error:
        ...     print(str(error).partition("; quote")[0])
        no image of part 'test' is of the groups [1]; the groups at hand: ['01']
    """
    if unknown := sorted(set(groups) - set(known), key=str):
        hint = "" if all(isinstance(name, str) for name in unknown) else QUOTE
        msg = f"no image of part {part!r} is of the groups {unknown}; the groups at hand: {list(known)}{hint}"
        raise ValueError(msg)


def group_names(groups: Iterable[str]) -> dict[str | None, str]:
    """What tables call each group, by name: that of images without one (empty), and all together (None) last.

    Example:
        >>> group_names(["", "01", "none"])
        {'01': '01', '': 'no group', 'none': 'none', None: 'all'}
    """
    there = set(groups)
    names = {group: group for group in there - {""}}
    if "" in there:
        names[""] = "no group" if NO_GROUP in there else NO_GROUP
    together = "all groups" if ALL_GROUPS in there else ALL_GROUPS
    return dict(sorted(names.items(), key=lambda item: item[1])) | {None: together}


def _values_of_one(record: RunRecord, metric: str, class_name: str, part: str) -> pd.DataFrame:
    in_part = record.metrics[record.metrics["part"] == part]
    chosen = in_part[(in_part["metric"] == metric) & (in_part["class"] == class_name)]
    if chosen.empty:
        pairs = in_part[["metric", "class"]].drop_duplicates()
        known = [f"{name} ({kind})" for name, kind in pairs.itertuples(index=False) if "@" not in name]
        msg = (
            f"run {record.run!r} (seed {record.seed}) has no {metric!r} of class {class_name!r} in part "
            f"{part!r}; it has {known or 'nothing in that part'}; add the metric to the study's evaluation"
        )
        raise ValueError(msg)
    return chosen[["sample", "value"]].assign(seed=record.seed, split=record.split)
