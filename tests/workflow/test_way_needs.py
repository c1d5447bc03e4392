# SPDX-License-Identifier: MIT
"""What the figure of a sample's way is made of: what each study has, and nothing that it has not."""

import pytest

from microtome.config.workflow import Workflow
from microtome.study.load import load_plans
from microtome.workflow.needs import files
from microtome.workflow.paths import Layout
from microtome.workflow.states.products import entry

ALWAYS = {"cards", "metrics", "images", "targets", "maps"}
TAKEN = {
    "membranes": ALWAYS,
    "nuclei": ALWAYS | {"stains", "stain_targets"},
    "melanoma": ALWAYS | {"cubes", "bands"},
    "bcc": (ALWAYS - {"targets"}) | {"tissue", "sections", "section_tables"},
    "rcm": ALWAYS,
}


@pytest.fixture(scope="module")
def plans():
    return load_plans(Workflow(studies=tuple(TAKEN), scale="demo"), look_at_files=False)


@pytest.mark.parametrize("study", TAKEN)
def test_each_study_shows_the_way_of_a_sample_by_what_it_has(study, plans):
    at = Layout("results", "demo", tuple(TAKEN))
    found = files(plans[study], at, "figures", "sample_path")
    assert TAKEN[study] <= set(found) <= TAKEN[study] | {"targets"}
    run = plans[study].study.figures["sample_path"].runs[0]
    assert all(f"/{run}/" in path for path in found["maps"])


def test_how_the_run_predicts_is_told_and_makes_the_figure_anew(plans):
    state = entry(plans["bcc"], "figures", "sample_path")
    assert '"window": 64' in state or '"window":64' in state
    assert "by_pixel" in state
    assert "by_pixel" not in entry(plans["bcc"], "figures", "figure_6")
