# SPDX-License-Identifier: MIT
"""The images on which a run's segmentation is tuned: of no test part, and seen by no network of theirs."""

from microtome.config.checks_tune import folds_of
from microtome.study.plan import StudyPlan


def held_out(plan: StudyPlan, split: str, run: str) -> dict[str, list[str]]:
    """The labelled samples that a run is tuned on in a split, by the split of the network that predicts them.

    The part `val`; where there is none, as all samples are learnt from, and `tune.on` is folds, the test part
    of each fold.
    """
    settings, own = plan.study.runs[run], plan.learnt(split, "val")
    folds = folds_of(plan.study, settings) if settings.tune and settings.tune.on == "folds" else None
    if own or not folds:
        return {split: own}
    return {fold: plan.learnt(fold, "test") for fold in plan.split_groups[folds]}


def held_out_batches(plan: StudyPlan, split: str, run: str) -> list[tuple[str, str]]:
    """The split and the batch of each folder of maps that a run is tuned on."""
    samples = held_out(plan, split, run)
    return [(of, batch) for of, names in samples.items() for batch in plan.batches_with(of, names)]
