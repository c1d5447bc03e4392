# SPDX-License-Identifier: MIT
"""States of the rules that use a trained run elsewhere, or hand on what it found."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from microtome.config.colors import class_colors
from microtome.config.sections import section_colors
from microtome.provenance import code
from microtome.provenance.archives import packed_study
from microtome.registry import plugins_folder
from microtome.study import modalities
from microtome.study.modalities import stains
from microtome.study.plan import StudyPlan
from microtome.workflow.states import runs, slides, state_of
from microtome.workflow.states.data import downsample, target_options
from microtome.workflow.states.stains import stain_options

SIMULATED = "This run was trained on simulated images: what it says of real ones means nothing."
PACKED = "packed"
"""Target of the stains of a packed model, whose profile lies beside it."""
Rows = Iterable[Mapping[str, Any]]
"""The new images: sample, image, page, mpp."""
Files = Mapping[str, object] | None
"""What tells whether the files of these have changed since (`study.newcomers.stamps`); no job looks at it."""


def apply(plan: StudyPlan, run: str, seed: int, rows: Rows = (), *, files: Files = None) -> str:
    """State of `apply_run` on these new images."""
    trained = [(plan.study.runs[member], member, each) for member, each in plan.trained(run, seed)]
    members = [
        {
            "run": name,
            "seed": each,
            "predict": runs.predict_options(plan, one),
            "calibrate": runs.calibrate_options(one),
            "view": one.view,
            "stain": one.stain and stain_options(plan, one.stain) | {"name": one.stain},
        }
        for one, name, each in trained
    ]
    asked = plan.study.runs[run]
    options = {"members": members, "segment": runs.segment_options(plan, run), "samples": list(rows)}
    options |= {"classes": plan.classes, "objects": json.loads(export_objects(plan, run))["options"]}
    if plan.study.cubes:
        options["cubes"] = plan.study.cubes.model_dump(exclude={"bands"})
    options |= slides.applied(plan, run) if plan.study.slides else {}
    options |= {"files": files} if files else {}
    options |= downsample(plan)
    doubt = {"uncertainty": runs.activation(plan, run)} if asked.uncertainty else {}
    return state_of("apply_run", options | doubt, sorted({runs.network_module(one) for one, _, _ in trained}))


def say(plan: StudyPlan, run: str, seed: int) -> str:
    """State of the rule `apply`, which says what became of the images and writes the page."""
    is_phantom = plan.data_kind == "phantom"
    drawn_over = plan.study.slides is not None
    colors = section_colors(plan.classes) if drawn_over else _map_colors(plan)
    facts = {"Run": plan.labels()[run], "Study": plan.study.name, "Scale": plan.scale, "Seed": str(seed)}
    options = {
        "title": f"{plan.labels()[run]} on new images",
        "facts": facts,
        "warnings": [SIMULATED] if is_phantom else [],
        "classes": plan.classes,
        "colors": [colors[name] for name in plan.classes],
    }
    return state_of("apply", options)


def _map_colors(plan: StudyPlan) -> dict[str, str]:
    return class_colors(plan.classes, plan.study.data.colors)


def evaluate_applied(
    plan: StudyPlan, split: str, run: str, seed: int, rows: Rows = (), *, files: Files = None
) -> str:
    """State of `evaluate_applied` on these new images, which have a `label`."""
    options = runs.measured(plan, split, run, seed) | {"targets": target_options(plan), "samples": list(rows)}
    options |= {"files": files} if files else {}
    return state_of("evaluate_applied", options, runs.measuring(plan))


def export_run(plan: StudyPlan, run: str, dataset: Any, split: str = "main", seed: int = 0) -> str:
    """State of `export_run`; the data set, if it is public, is cited in the package."""
    names = dict.fromkeys([run, *plan.members_of(run)])
    packed = {name: plan.study.runs[name].model_dump(mode="json", exclude={"seeds"}) for name in names}
    cited = None if dataset is None else dataset.model_dump(mode="json", include={"citation", "licence"})
    options = {"runs": packed, "label": plan.labels()[run], "dataset": cited, "paper": plan.study.paper}
    trained = dict.fromkeys([run, *(member for member, _ in plan.trained(run, seed))])
    chosen = plan.study.evaluate.losses if "losses" in plan.study.evaluate.metrics else ()
    measured = [name for name, one in plan.study.runs.items() if one.loss and one.loss.name in chosen]
    study = packed_study(plan.study, trained, losses=measured)
    study["stains"] = {name: _packed_stain(study["stains"][name]) for name in stains.applied(plan, run)}
    options |= {"run": run, "split": split, "seed": seed, "study": study}
    if plan.learns_all(split):
        options["measured_on"] = plan.measured_on(split, run)
    options["rendered"] = any(is_rendered(plan) for is_rendered in modalities.ask("is_rendered"))
    options["plugins"] = _plugins(plan, run, seed)
    return state_of("export_run", options | {"stains": stains.applied(plan, run)})


def _packed_stain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a normalization whose profile lies in the package."""
    kept = {key: value for key, value in settings.items() if not key.startswith("target")}
    return kept | {"target": PACKED}


def _plugins(plan: StudyPlan, run: str, seed: int) -> list[str]:
    """What predicting and measuring with a run takes from the plugins of the project."""
    networks = {runs.network_module(plan.study.runs[member]) for member, _ in plan.trained(run, seed)}
    folder = plugins_folder()
    named = sorted(networks | set(runs.measuring(plan)))
    return [name for name in named if any(file.is_relative_to(folder) for file in code.module_files(name))]


@cache
def export_objects(plan: StudyPlan, _: str) -> str:
    """State of `export_objects`, the same for all runs."""
    data = plan.study.data
    options = {"mpp": data.mpp and data.mpp * data.downsample, "class": plan.classes[-1]}
    several = {"classes": plan.classes} if len(plan.classes) > 2 else {}
    tolerance = plan.study.outlines.tolerance
    simplified = {"tolerance": tolerance} if tolerance else {}
    return state_of("export_objects", options | several | simplified | downsample(plan))
