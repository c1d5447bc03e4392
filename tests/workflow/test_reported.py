# SPDX-License-Identifier: MIT
"""What the report and the crate name as their inputs, and where a job finds files that its options name."""

import json
from pathlib import Path

import numpy as np
import pytest

from microtome.config.workflow import Workflow
from microtome.figures.inputs import gather
from microtome.files import located
from microtome.io.slides import describe, read_reference
from microtome.study.load import load_plans
from microtome.tables.inputs import Inputs
from microtome.workflow import needs, reported
from microtome.workflow.paths import Layout
from tests.slide_files import write_slide
from tests.workflow.test_cube_states import STUDY
from tests.workflow.workspace import Workspace, mini_study

AT = Layout("results", "demo", ("x",))
COPIES = ".snakemake/storage/s3/bucket/results/demo"
CUBES = STUDY | {"figures": {"spectra": {"kind": "spectra"}}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


def test_all_that_a_page_tells_of_a_run_is_an_input(project: Workspace) -> None:
    project.write_study("x", mini_study())
    found = reported.files(load_plans(Workflow(studies=("x",))), AT, pictures=True)
    run, ensemble = (f"results/demo/x/runs/main/{name}/seed-0" for name in ("n4", "mean"))
    assert f"{run}/history.tsv" in found["histories"]
    assert f"{ensemble}/history.tsv" not in found["histories"]
    assert {f"{run}/card.json", f"{ensemble}/card.json"} <= set(found["cards"])
    assert {f"{run}/{kind}/test-0" for kind in ("predictions", "segmentations")} <= set(found["maps"])
    assert found["images"] == ["results/demo/x/images/test-0"]
    assert "results/demo/x/figures/panel.pdf" in found["figures"]


def test_maps_may_be_deleted_where_a_disk_is_shared(project: Workspace) -> None:
    project.write_study("x", mini_study())
    found = reported.files(load_plans(Workflow(studies=("x",))), AT, pictures=False)
    assert {"maps", "images", "targets"} & set(found) == set()


def test_recorded_cubes_are_inputs_and_found_where_they_are(project: Workspace) -> None:
    project.write_study("x", CUBES)
    plan = load_plans(Workflow(studies=("x",)))["x"]
    assert needs.given(plan, "figures", "spectra") == {"raw_cubes": ["results/demo/x/raw"]}
    raw = Path(COPIES, "x/raw")
    inputs = Inputs(files={"raw_cubes": [raw]})
    named = {"m0": "results/demo/x/raw/cubes/m0.hdr"}
    assert gather(inputs, {"raw_cubes": named}).raw_cubes == {"m0": raw / "cubes/m0.hdr"}


def test_a_folder_is_that_of_the_files() -> None:
    assert located("results/demo/x/raw", [f"{COPIES}/x/raw"]) == Path(COPIES, "x/raw")
    assert located("resources/isbi", [f"{COPIES}/images", "s/resources/isbi/a/b.tif"]) == Path(
        "s/resources/isbi"
    )
    assert located("data", ["mydata/a.tif", "data.tif"]) == Path("data")
    assert located(".", ["a.tif"]) == Path()


def test_a_slide_is_found_from_its_reference(project: Workspace) -> None:
    """Beside copies of both, and from another folder; an absolute path stays."""
    slide = Path("data/a.tif")
    slide.parent.mkdir()
    write_slide(slide, np.full((300, 300, 3), 200, np.uint8), mpp=1.0)
    place = Path("results/demo/x/images/test-0/a.slide")
    for path in (slide, slide.absolute()):
        describe(path, mpp=1.0).write(place)
        assert read_reference(place).path == path
    describe(slide, mpp=1.0).write(place)
    told = json.loads(place.read_text(encoding="utf-8"))["path"]
    assert told == f"../../../../../{slide.as_posix()}"
    copy = Path(COPIES, "x/images/test-0/a.slide")
    copy.parent.mkdir(parents=True)
    copy.write_bytes(place.read_bytes())
    assert read_reference(copy).path == Path(".snakemake/storage/s3/bucket", slide)
