# SPDX-License-Identifier: MIT
"""States of the rules in `rules/stain.smk`."""

from functools import cache
from typing import Any

from microtome.study.plan import StudyPlan
from microtome.workflow.states import state_of


@cache
def fit_stain(plan: StudyPlan, stain: str) -> str:
    """State of `fit_stain`."""
    target = {"target": plan.study.stains[stain].target}
    return state_of("fit_stain", stain_options(plan, stain) | target)


@cache
def normalize_stain(plan: StudyPlan, stain: str) -> str:
    """State of `normalize_stain`."""
    return state_of("normalize_stain", stain_options(plan, stain))


def stain_options(plan: StudyPlan, stain: str) -> dict[str, Any]:
    """What normalizing an image depends on beside the target."""
    settings = plan.study.stains[stain]
    return settings.model_dump(include={"method", "fallback"}) | {"parameters": settings.parameters}
