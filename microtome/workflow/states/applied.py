# SPDX-License-Identifier: MIT
"""States of the rules that use a trained run elsewhere, or hand on what it found."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from microtome.study.modalities import stains
from microtome.study.plan import StudyPlan
from microtome.workflow.states import runs, state_of
from microtome.workflow.states.data import target_options
from microtome.workflow.states.stains import stain_options

Rows = Iterable[Mapping[str, Any]]
"""The new images: sample, image, page, mpp."""


def apply(plan: StudyPlan, run: str, seed: int, rows: Rows = ()) -> str:
    """State of `apply_run` on these new images."""
    settings = [plan.study.runs[member] for member, _ in plan.trained(run, seed)]
    members = [
        {
            "predict": runs.predict_options(plan, one),
            "calibrate": runs.calibrate_options(one),
            "stain": one.stain and stain_options(plan, one.stain) | {"name": one.stain},
        }
        for one in settings
    ]
    asked = plan.study.runs[run]
    options = {"members": members, "segment": runs.segment_options(plan, run), "samples": list(rows)}
    options |= {"classes": plan.classes, "objects": json.loads(export_objects(plan, run))["options"]}
    doubt = {"uncertainty": runs.activation(plan, run)} if asked.uncertainty else {}
    return state_of("apply_run", options | doubt, sorted({runs.network_module(one) for one in settings}))


def evaluate_applied(plan: StudyPlan, split: str, run: str, seed: int, rows: Rows = ()) -> str:
    """State of `evaluate_applied` on these new images, which have a `label`."""
    options = runs.measured(plan, split, run, seed) | {"targets": target_options(plan), "samples": list(rows)}
    return state_of("evaluate_applied", options, runs.measuring(plan))


def export_run(plan: StudyPlan, run: str, dataset: Any) -> str:
    """State of `export_run`; the data set, if it is public, is cited in the package."""
    names = dict.fromkeys([run, *plan.members_of(run)])
    packed = {name: plan.study.runs[name].model_dump(mode="json", exclude={"seeds"}) for name in names}
    cited = None if dataset is None else dataset.model_dump(mode="json", include={"citation", "licence"})
    options = {"runs": packed, "label": plan.labels()[run], "dataset": cited, "paper": plan.study.paper}
    return state_of("export_run", options | {"stains": stains.applied(plan, run)})


@cache
def export_objects(plan: StudyPlan, _: str) -> str:
    """State of `export_objects`, the same for all runs."""
    options = {"mpp": plan.study.data.mpp, "class": plan.classes[-1]}
    several = {"classes": plan.classes} if len(plan.classes) > 2 else {}
    tolerance = plan.study.outlines.tolerance
    simplified = {"tolerance": tolerance} if tolerance else {}
    return state_of("export_objects", options | several | simplified)
