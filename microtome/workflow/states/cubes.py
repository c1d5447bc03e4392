# SPDX-License-Identifier: MIT
"""States of the rules in `rules/cubes.smk`, which turn raw cubes into the bands that networks see."""

from functools import cache
from typing import Any

from microtome.study.modalities import cubes
from microtome.study.plan import StudyPlan
from microtome.workflow.states import state_of


@cache
def calibrate(plan: StudyPlan, batch: str) -> str:
    """State of `calibrate`, which also renders the cubes that stand in place of a picture."""
    options, rendered = _read(plan, batch, *cubes.COLUMNS), cubes.rendered(plan, batch)
    options["cubes"] |= {"rendered": rendered} if rendered else {}
    return state_of("calibrate", options)


def score_bands(plan: StudyPlan) -> str:
    """State of `score_bands`."""
    return state_of("score_bands", plan.study.cubes.bands.model_dump(include={"bins", "method"}))


@cache
def select_bands(plan: StudyPlan, split: str) -> str:
    """State of `select_bands`."""
    options = plan.study.cubes.bands.model_dump(exclude={"bins"})
    return state_of("select_bands", options | {"samples": cubes.scored(plan, split)})


def cut_bands(_: StudyPlan) -> str:
    """State of `cut_bands`: the bands come from a file."""
    return state_of("cut_bands", {})


@cache
def cut_raw(plan: StudyPlan, batch: str) -> str:
    """State of `cut_raw`."""
    return state_of("cut_raw", _read(plan, batch, "cube"))


def _read(plan: StudyPlan, batch: str, *columns: str) -> dict[str, Any]:
    """What reading the cubes of a batch depends on."""
    rows = [{key: row.get(key) for key in ("sample", "mpp", *columns)} for row in plan.rows(batch)]
    return {
        "root": plan.root.as_posix(),
        "samples": rows,
        "cubes": plan.study.cubes.model_dump(exclude={"bands"}),
    }
