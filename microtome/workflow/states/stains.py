# SPDX-License-Identifier: MIT
"""States of the rules in `rules/stain.smk`."""

from functools import cache
from pathlib import Path
from typing import Any

from microtome.study.modalities import stains
from microtome.study.plan import StudyPlan
from microtome.workflow.states import state_of


@cache
def fit_stain(plan: StudyPlan, place: str) -> str:
    """State of `fit_stain` for a folder of normalized images."""
    stain, sample = stains.of_folder(plan, place)
    settings = plan.study.stains[stain]
    target = {"target": sample or Path(stains.fitted_on(plan, place)).name}
    outside = {} if sample else {"is_profile": settings.target_profile is not None}
    return state_of("fit_stain", stain_options(plan, stain) | target | outside)


@cache
def normalize_stain(plan: StudyPlan, place: str) -> str:
    """State of `normalize_stain`."""
    return state_of("normalize_stain", stain_options(plan, stains.of_folder(plan, place)[0]))


def stain_options(plan: StudyPlan, stain: str) -> dict[str, Any]:
    """What normalizing an image depends on beside the target."""
    settings = plan.study.stains[stain]
    return settings.model_dump(include={"method", "fallback"}) | {"parameters": settings.parameters}
