# SPDX-License-Identifier: MIT
"""States of the rules in `rules/slides.smk`: slides, tissue, sections, annotations, maps, calls."""

from functools import cache
from typing import Any

from microtome.study.modalities.slides import may_fail
from microtome.study.plan import StudyPlan
from microtome.workflow.states import state_of
from microtome.workflow.states.data import target_options
from microtome.workflow.states.runs import (
    EVALUATED,
    identity,
    measuring,
    network_module,
    predict_options,
)

READ = {"mpp", "tolerance", "crop", "decode"}
"""Options of slides by which pixels are read."""
FOUND = {"class", "thresholds", "connectivity"}
"""Options of calls by which areas are measured; others choose among these."""


@cache
def reference_slides(plan: StudyPlan, batch: str) -> str:
    """State of `reference_slides`."""
    slides = plan.study.slides.model_dump(mode="json", include=READ)
    options = _rows(plan, batch, "image", "mpp") | {"slides": slides, "mpp_from": plan.study.data.mpp_from}
    told = {"mpp": plan.study.data.mpp} if plan.study.data.mpp else {}
    return state_of("reference_slides", options | told)


@cache
def find_tissue(plan: StudyPlan, batch: str) -> str:
    """State of `find_tissue`."""
    tissue = plan.study.slides.tissue.model_dump(mode="json")
    return state_of("find_tissue", {"tissue": tissue} | _fails(plan, batch))


@cache
def find_sections(plan: StudyPlan, batch: str) -> str:
    """State of `find_sections`."""
    options = {"sections": plan.study.slides.sections.model_dump(mode="json"), "classes": plan.classes}
    return state_of("find_sections", options | _rows(plan, batch, "sections") | _fails(plan, batch))


@cache
def annotate_slides(plan: StudyPlan, batch: str) -> str:
    """State of `annotate_slides`; slides without annotations have no target."""
    options = _rows(plan, batch, "label")
    options["samples"] = [row for row in options["samples"] if row["label"]]
    return state_of("annotate_slides", options | {"targets": target_options(plan)})


@cache
def index_tissue(plan: StudyPlan) -> str:
    """State of `index_tissue`."""
    options = {"patches": plan.study.patches.model_dump(mode="json"), "classes": plan.classes}
    options |= {"regions": list(plan.study.targets.regions)}
    return state_of("index_tissue", options | {"least_tissue": plan.study.slides.least_tissue})


@cache
def predict_kept(plan: StudyPlan, run: str) -> str:
    """State of `predict_kept`."""
    return state_of("predict_kept", _predicted(plan, run), [network_module(plan.study.runs[run])])


@cache
def select(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `select`."""
    calls = plan.study.runs[run].calls.model_dump(mode="json")
    samples = plan.members(split, "val")
    return state_of("select", identity(plan, split, run, seed) | {"calls": calls, "samples": samples})


def borrow_selection(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `borrow_selection`."""
    lender = {"weights_of": plan.study.runs[run].weights_of}
    return state_of("borrow_selection", identity(plan, split, run, seed) | lender)


@cache
def predict_slides(plan: StudyPlan, run: str, batch: str) -> str:
    """State of `predict_slides`."""
    options = _predicted(plan, run) | _fails(plan, batch)
    return state_of("predict_slides", options, [network_module(plan.study.runs[run])])


@cache
def call_sections(plan: StudyPlan, run: str) -> str:
    """State of `call_sections`."""
    return state_of("call_sections", {"calls": _calls(plan, run, {"class"}), "classes": plan.classes})


@cache
def evaluate_slides(plan: StudyPlan, split: str, run: str, seed: int) -> str:
    """State of `evaluate_slides`."""
    samples = {name: part for part in plan.study.evaluate.parts for name in plan.members(split, part)}
    of = {name: plan.samples[name] for name in samples}
    options = identity(plan, split, run, seed) | plan.study.evaluate.model_dump(
        mode="json", include=EVALUATED
    )
    options |= {"samples": samples, "units": {name: one.unit for name, one in of.items()}}
    options |= {"groups": {name: one.group for name, one in of.items()}, "classes": plan.classes}
    settings = plan.study.runs[run]
    of_maps = plan.classes if settings.has_class_maps else plan.classes[1:]
    options |= {"called": settings.calls.of, "stored": list(settings.predict.store.classes) or of_maps}
    return state_of("evaluate_slides", options, measuring(plan))


def applied(plan: StudyPlan, run: str) -> dict[str, Any]:
    """What applying a run to new slides depends on beside its network."""
    slides = plan.study.slides.model_dump(mode="json", include=READ | {"tissue", "sections"})
    return {"slides": slides, "calls": _calls(plan, run, {"class", "connectivity"})}


def _predicted(plan: StudyPlan, run: str) -> dict[str, Any]:
    """What maps and areas depend on."""
    return predict_options(plan, plan.study.runs[run]) | {"calls": _calls(plan, run, FOUND)}


def _calls(plan: StudyPlan, run: str, names: set[str]) -> dict[str, Any]:
    return plan.study.runs[run].calls.model_dump(mode="json", include=names)


def _rows(plan: StudyPlan, batch: str, *columns: str) -> dict[str, Any]:
    """What reading some columns of a batch depends on."""
    rows = [{key: row.get(key) for key in ("sample", *columns)} for row in plan.rows(batch)]
    return {"root": plan.root.as_posix(), "samples": rows}


def _fails(plan: StudyPlan, batch: str) -> dict[str, bool]:
    """Whether a slide that cannot be read is recorded in the place of what is made of it."""
    return {"may_fail": may_fail(plan, batch)}
