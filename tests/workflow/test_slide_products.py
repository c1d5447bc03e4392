# SPDX-License-Identifier: MIT
"""What tables and figures of slides are made of."""

import json

import pytest

from microtome.workflow import needs
from microtome.workflow.paths import Layout
from microtome.workflow.states import products
from tests.workflow.test_slide_states import plan_of

AT = Layout("results", "demo", ("slides",))
RUN = "runs/main/deep/seed-0"
EVALUATED = ("test-0", "val-0", "weakval-0")
ENTRIES = {
    "tables.t": {"kind": "near_misses", "runs": ["deep"]},
    "figures.f": {"kind": "called_patches", "runs": ["deep"]},
    "figures.annotated": {"kind": "slide_annotations"},
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    return plan_of(tmp_path_factory.mktemp("slides"), **ENTRIES)


def files(plan, section, name):
    found = needs.files(plan, AT, section, name)
    start = "results/demo/slides/"
    return {key: sorted(path.removeprefix(start) for path in paths) for key, paths in found.items()}


def test_near_misses_are_made_of_the_areas_beside_all_evaluated_maps(plan):
    found = files(plan, "tables", "t")
    split = next(iter(plan.splits))
    run = RUN.replace("main", split)
    assert found["section_tables"] == [f"{run}/sections.tsv"]
    assert found["heat_maps"] == [f"{run}/predictions/{batch}" for batch in EVALUATED]
    assert "images" not in found


def test_patches_come_from_annotated_slides_alone(plan):
    found = files(plan, "figures", "f")
    assert found["images"] == [f"images/{batch}" for batch in EVALUATED]
    assert found["targets"] == ["targets/val-0"]
    assert found["patches"] == ["patches/val-0.parquet"]


def test_how_sections_are_called_is_told_to_what_shows_them(plan, tmp_path):
    told = json.loads(products.entry(plan, "tables", "t"))["options"]["calls"]
    assert told["deep"]["class"] == "tumor"
    assert told["deep"]["beta"] == 1.5
    other = plan_of(tmp_path, **ENTRIES, **{"defaults.calls.beta": 2})
    assert products.entry(other, "tables", "t") != products.entry(plan, "tables", "t")


def test_names_of_regions_keep_their_order_which_is_that_of_bits(plan, tmp_path):
    regions = {"T": ["Tumornest"], "S": ["Stroma"], "A": ["Artefact"]}
    found = plan_of(tmp_path, **ENTRIES, **{"targets.regions": regions})
    told = json.loads(products.entry(found, "figures", "annotated"))["options"]["regions"]
    assert told == [[name, names] for name, names in regions.items()]


def test_every_slide_is_that_of_training_too(plan):
    found = files(plan, "figures", "annotated")
    assert found["images"] == [f"images/{batch}" for batch in sorted(plan.batches)]
    assert "images/train-0" in found["images"]
    assert found["labels"] == ["targets/train-0", "targets/val-0"]
