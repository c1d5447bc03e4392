# SPDX-License-Identifier: MIT
"""State of the rule in `rules/stacks.smk`, which gives slices their neighbours."""

from functools import cache

from microtome.study.modalities import stacks
from microtome.study.plan import StudyPlan
from microtome.workflow.states import state_of


@cache
def stack_neighbours(plan: StudyPlan, split: str, place: str, batch: str) -> str:
    """State of `stack_neighbours` for a folder of stacked slices."""
    return state_of("stack_neighbours", {"slices": stacks.stacked(plan, split, place, batch)})
