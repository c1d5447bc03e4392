# SPDX-License-Identifier: MIT
"""States of the rules of slides: each depends on exactly the options that its rule uses."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from microtome.config.modalities.slides import Calls, Slides
from microtome.config.sections import section_colors
from microtome.study.modalities import replaced
from microtome.study.plan import StudyPlan
from microtome.study.splits import batches
from microtome.workflow.states import applied, runs, slides
from tests.config.studies import load_study
from tests.config.test_checks_objects import changed
from tests.study.test_weak_labels import divided, row
from tests.workflow.slide_study import slide_study
from tests.workflow.workspace import mini_study

RUN = "defaults"
ROWS = (row(0, "train"), row(1, "val"), row(2, "val", label=False), row(3, "test", label=False))
LEARNING = {"train"}
MAPS = {"predict_kept", "predict_slides"}
ALL_BATCHES = ("train-0", "val-0", "weakval-0", "test-0")
OPTIONS = {
    "slides.mpp": (1.5, {"reference_slides"}),
    "slides.tolerance": (0.1, {"reference_slides"}),
    "slides.crop": (False, {"reference_slides"}),
    "slides.decode": ("half", {"reference_slides"}),
    "slides.tissue": ({"closing": 60}, {"find_tissue"}),
    "slides.sections": ({"gap": 100}, {"find_sections"}),
    "slides.least_tissue": (0.5, {"index_tissue"}),
    "data.mpp_from": ("sheet", {"reference_slides"}),
    "targets.regions": ({"T": ["Nest"], "S": ["Stroma"]}, {"annotate_slides", "index_tissue"}),
    "targets.outside": (None, {"annotate_slides"}),
    "patches.stride": (32, {"index_tissue"}),
    f"{RUN}.calls.areas": ([0, 5], {"select"}),
    f"{RUN}.calls.beta": (2, {"select"}),
    f"{RUN}.calls.thresholds": ([0.4, 0.5], {"select"} | MAPS),
    f"{RUN}.calls.connectivity": (4, {"select"} | MAPS),
    f"{RUN}.calls.class": ("normal", {"select", "call_sections", "evaluate_slides"} | MAPS),
    f"{RUN}.predict.overlap": (0.25, MAPS),
    f"{RUN}.predict.store": ({"dtype": "float32", "classes": ["tumor"]}, MAPS),
    f"{RUN}.training.select": ({"class": "tumor", "keep": 3}, LEARNING),
    f"{RUN}.supervision.weights": ([1, 1, 1, 1, 2], LEARNING),
    "evaluate.betas": ([2], {"evaluate_slides"}),
}
"""Option: another value, and the rules whose state it is."""


def plan_of(tmp_path: Path, **changes: object) -> StudyPlan:

    (tmp_path / "slides.yaml").write_text(
        yaml.safe_dump(changed(slide_study(), changes), sort_keys=False), encoding="utf-8"
    )
    study = load_study("slides", "demo", folder=tmp_path)
    names, splits = {one.sample: one for one in ROWS}, divided(*ROWS)
    weak = {name for name, one in names.items() if one.is_weak}
    return StudyPlan(study, "demo", names, Path("data"), splits, batches(list(names), splits, 8, weak=weak))


def states_of(plan: StudyPlan) -> dict[str, list[str]]:
    """Rule to the states of its jobs."""
    of_batch: list[Callable[[StudyPlan, str], str]] = [
        slides.reference_slides,
        slides.find_tissue,
        slides.find_sections,
        slides.annotate_slides,
    ]
    found = {each.__name__: [each(plan, batch) for batch in ALL_BATCHES] for each in of_batch}
    identity = (plan, "main", "deep", 0)
    return found | {
        "index_tissue": [slides.index_tissue(plan)],
        "train": [runs.train(*identity)],
        "predict_kept": [slides.predict_kept(plan, "deep")],
        "select": [slides.select(*identity)],
        "borrow_selection": [slides.borrow_selection(plan, "main", "coarse", 0)],
        "predict_slides": [slides.predict_slides(plan, "deep", batch) for batch in ALL_BATCHES],
        "call_sections": [slides.call_sections(plan, "deep")],
        "evaluate_slides": [slides.evaluate_slides(*identity)],
    }


@pytest.mark.parametrize("keys", OPTIONS)
def test_an_option_changes_the_states_that_use_it(keys: str, tmp_path: Path) -> None:
    value, rules = OPTIONS[keys]
    before, after = states_of(plan_of(tmp_path)), states_of(plan_of(tmp_path, **{keys: value}))
    assert {rule for rule in before if before[rule] != after[rule]} == rules


def test_the_table_above_has_every_option_of_slides_and_calls() -> None:
    named = {keys.partition(".")[2] for keys in OPTIONS if keys.startswith("slides.")}
    assert named == set(Slides.model_fields)
    called = {keys.split(".")[2] for keys in OPTIONS if keys.startswith(f"{RUN}.calls.")}
    assert called == set(Calls.model_fields)


def test_only_slides_that_are_tested_alone_may_fail(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    told = {name: json.loads(slides.find_tissue(plan, name))["options"]["may_fail"] for name in ALL_BATCHES}
    assert told == {"train-0": False, "val-0": False, "weakval-0": False, "test-0": True}


def test_the_page_of_new_slides_has_the_colours_that_they_are_drawn_in(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    run = next(iter(plan.study.runs))
    told = json.loads(applied.say(plan, run, 0))["options"]
    drawn = section_colors(plan.classes)
    assert told["colors"] == [drawn[name] for name in told["classes"]]
    assert not {"#000000", "#FFFFFF"} & set(told["colors"])


def test_regions_keep_their_order(tmp_path: Path) -> None:
    """Their bits follow it, and a state sorts the keys of objects."""
    plan = plan_of(tmp_path, **{"targets.regions": {"T": ["Nest"], "S": ["Stroma"], "N": ["Normal"]}})
    drawn = json.loads(slides.annotate_slides(plan, "train-0"))["options"]["targets"]["regions"]
    indexed = json.loads(slides.index_tissue(plan))["options"]["regions"]
    assert [name for name, _ in drawn] == indexed == ["T", "S", "N"]


def test_rules_of_images_are_replaced_for_slides_alone(tmp_path: Path) -> None:

    assert {"import_images", "predict", "evaluate"} <= replaced(plan_of(tmp_path).study)
    (tmp_path / "mini.yaml").write_text(yaml.safe_dump(mini_study()), encoding="utf-8")
    assert replaced(load_study("mini", "demo", folder=tmp_path)) == frozenset()
