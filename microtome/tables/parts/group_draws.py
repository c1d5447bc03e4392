# SPDX-License-Identifier: MIT
"""Draws of a run by group of images (magnification), over all images, all pixels, and groups equally."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from microtome.metrics.resampling import Values, drawn, mean_of, trainings_of
from microtome.tables.parts.units import Units

POOLED, PIXELS, EQUAL = "pooled", "pixels", "equal"


def group_draws(
    values: pd.DataFrame,
    groups: Sequence[str],
    units: Units,
    weights: Mapping[str, float] | None = None,
    *,
    seed: int = 0,
    of: str = "",
) -> dict[str, Values]:
    """Draw patients and seeds anew.

    Args:
        values: Of each image and seed of a run (`microtome.tables.parts.rates.seed_values`).
        groups: Groups of images.
        units: Whose images they are.
        weights: Weight of each sample in the value over all pixels; None: there is none.
        seed: Seed of the draws.
        of: Name of the run.

    Returns:
        Draws, (draws,), of each group, of all images of these (``pooled``), of all by weight (``pixels``),
        and of the mean over groups (``equal``).
    """
    given = {"seed": seed, "of": of}
    by_group = {group: _of(values, [group], units) for group in groups}
    found = {group: drawn(trainings, mean_of, **given) for group, trainings in by_group.items()}
    found[POOLED] = drawn(_of(values, groups, units), mean_of, **given)
    if weights is not None:
        found[PIXELS] = drawn(_of(values, groups, units, weights), mean_of, **given)
    beside = [np.concatenate(of_split, axis=-1) for of_split in zip(*by_group.values(), strict=True)]
    return found | {EQUAL: drawn(beside, _mean_of_means, **given)}


def _of(
    values: pd.DataFrame, groups: Sequence[str], units: Units, weights: Mapping[str, float] | None = None
) -> list[Values]:
    """The trainings of the images of some groups; the others count for nothing."""
    chosen = values.assign(value=values["value"].where(values["group"].isin(groups)))
    return trainings_of(chosen, units.groups, units.order, weights)


def _mean_of_means(totals: Values) -> Values:
    """The mean over groups of images of the mean of each; NaN where one has none."""
    return mean_of(totals.reshape(*totals.shape[:-1], -1, 2)).mean(axis=-1)
