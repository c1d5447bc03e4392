# SPDX-License-Identifier: MIT
"""No disk is shared: all that a job reads is an input of its rule, or goes with the workflow's sources."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from microtome.report.collect import NO_BENCHMARKS
from tests.storage.lab import Site, commit, shrunk
from tests.workflow.test_module import tiny_study
from tests.workflow.workspace import Content, Workspace, make_workspace

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("storage")]

DONE = "Nothing to be done"
MISSING = re.compile(r"not (?:produced|shown|trained|finished)[^<]*")
"""What a report says in the place of what it did not find."""
BRIEF, PARTS = {"epochs": 1}, {"train": 2, "val": 1, "test": 1}
PATCHES = {"size": 96, "stride": 96}
MEMBRANES = {
    "data": {"phantom": {"size": 96, "slices": PARTS, "block": 1}},
    "patches": PATCHES,
    "defaults": {"network.width": 2, "sampler": {"crop": 64, "repeats": 1}, "training": BRIEF},
    "runs": {"n4": {"sampler": {"per_epoch": 40, "validation": 20}, "training": BRIEF}},
}
NUCLEI = {
    "data": {"phantom": {"kind": "he", "size": 96, "hospitals": 2, "images": PARTS}},
    "patches": PATCHES,
    "defaults": {"network": {"width": 2}, "sampler": {"crop": 64}, "training": BRIEF},
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A copy of the workflow, and an empty store."""
    (tmp_path / "store").mkdir()
    yield Site(make_workspace(tmp_path / "workflow"), tmp_path / "store")
    assert not (tmp_path / "workflow/results").exists(), "a job wrote where it was started"


def _set_studies(workspace: Workspace, **studies: Content) -> None:
    for name, content in studies.items():
        workspace.write_study(name, content)
    options = {"scale": "demo", "studies": list(studies), "device": "cpu"}
    workspace.write("config/config.yaml", yaml.safe_dump(options))


def _report(site: Site) -> str:
    (page,) = site.stored("results/demo/reports/*/report.html")
    return page.read_text(encoding="utf-8")


def test_the_demo_from_an_empty_store(site: Site) -> None:
    membranes = shrunk("membranes", ("bce", "dice", "n4", "unets"), MEMBRANES)
    nuclei = shrunk("nuclei", ("exp_9",), NUCLEI)
    _set_studies(site.workspace, membranes=membranes, nuclei=nuclei)
    site.run("all")
    assert MISSING.findall(_report(site)) == []
    figures = [*membranes["figures"], *nuclei["figures"]]
    assert sorted(path.stem for path in site.stored("results/demo/*/figures/*.svg")) == sorted(figures)
    assert DONE in site.run("all")


def test_each_job_where_nothing_else_is(site: Site) -> None:
    study = tiny_study()
    study["figures"] = {"panel": {"kind": "sample_panel", "title": "Panel", "runs": ["dice"]}}
    _set_studies(site.workspace, tiny=study)
    commit(site.workspace.root)
    elsewhere = ("--executor", "elsewhere", "--jobs", "2", "all")
    site.run(*elsewhere)
    assert set(MISSING.findall(_report(site))) == {NO_BENCHMARKS}
    (sidecar,) = site.stored("results/demo/tiny/tables/comparison.json")
    assert json.loads(sidecar.read_text(encoding="utf-8"))["provenance"]["runs"][0]["run"] == "dice"
    assert DONE in site.run(*elsewhere)
