# SPDX-License-Identifier: MIT
"""`apply`, `evaluate_folder`, `export_model`: a finished run on new images, and out of the folder."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.workflow.conftest import Complete
from tests.workflow.workspace import DryRunServer, Workspace

RUN = "results/demo/he/runs/main/marked/seed-0"
ASKED = (
    "--config",
    "study=he",
    "run=marked",
    "images=new",
    "labels=truth",
    "export=packed",
    "name=new",
    "phantom_model=true",
)
PACKAGE = "packed/he-marked-main-seed0.zip"
SIZE = (50, 60)


def _files(workspace: Workspace) -> None:
    """Two new images with labels of two objects."""
    rng = np.random.default_rng(0)
    labels = np.zeros(SIZE, np.uint16)
    labels[5:20, 5:20], labels[30:45, 25:50] = 1, 2
    for folder in ("new", "truth"):
        (workspace.root / folder).mkdir()
    for name in ("a", "b"):
        pixels = rng.integers(90, 250, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(workspace.root / f"new/{name}.png")
        Image.fromarray(labels).save(workspace.root / f"truth/{name}.tif")


@pytest.fixture(scope="module")
def asked(complete: Complete, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A finished workspace in which a run was measured on new images, and packed."""
    workspace = complete.workspace.copy(tmp_path_factory.mktemp("asked") / "copy")
    _files(workspace)
    workspace.run("-c2", "evaluate_folder", "export_model", *ASKED)
    return workspace


@pytest.fixture
def changed(asked: Workspace, tmp_path: Path) -> Workspace:
    return asked.copy(tmp_path / "changed")


def _jobs(workspace: Workspace, server: DryRunServer, *targets: str) -> set[str]:
    return {str(job) for job in workspace.jobs(server, *targets, *ASKED)}


def test_only_what_is_asked_for_is_done(complete: Complete, server: DryRunServer, tmp_path: Path) -> None:
    """Nothing is trained again."""
    workspace = complete.workspace.copy(tmp_path / "copy")
    _files(workspace)
    assert _jobs(workspace, server, "apply") == {"he apply_run marked"}
    assert _jobs(workspace, server, "evaluate_folder") == {
        "he apply_run marked",
        "he evaluate_applied marked",
    }
    assert _jobs(workspace, server, "export_model") == {"he export_run marked"}


def test_new_images_are_measured(asked: Workspace) -> None:
    folder = asked.root / RUN
    for name in ("a", "b"):
        for made in ("images", "stains/spcn", "predictions", "segmentations", "segmentations/instances"):
            assert (folder / f"applied/new/{made}/{name}.tif").is_file()
    summary = pd.read_csv(folder / "evaluated/new/summary.tsv", sep="\t")
    assert {"aji", "pq", "dice"} <= set(summary["metric"])
    objects = summary.set_index(["class", "metric"]).loc[("all", "truth_objects")]
    assert (objects["mean"], objects["n"]) == (2, 2)


def test_an_image_that_fails_does_not_cost_the_others(changed: Workspace) -> None:
    """It is named, with the reason and by the exit status; the results are there, and said where."""
    (changed.root / "new/b.png").write_bytes(b"no picture")
    done = changed.run("-c1", "apply", *ASKED, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "1 of 2 images failed" in said
    assert "new/b.png: not an image this program reads" in said
    assert f"The results are in {RUN}/applied/new" in said
    assert "Traceback" not in said
    table = pd.read_csv(changed.root / RUN / "applied/new/summary.tsv", sep="\t", keep_default_na=False)
    assert table["status"].tolist() == ["done", "failed"]
    assert [path.name for path in (changed.root / RUN / "applied/new/segmentations").glob("*.tif")] == [
        "a.tif"
    ]
    measured = changed.run("-c1", "evaluate_folder", *ASKED, check=False)
    assert measured.returncode == 1
    assert "new/b.png: the run could not be applied to it" in measured.stdout + measured.stderr
    assert (changed.root / RUN / "evaluated/new/summary.tsv").is_file()


def test_the_package_is_whole(asked: Workspace) -> None:
    with zipfile.ZipFile(asked.root / PACKAGE) as package:
        assert package.testzip() is None
        weights = (asked.root / RUN / "model.safetensors").read_bytes()
        assert package.read("marked/model.safetensors") == weights
        assert "stains/spcn/target.json" in package.namelist()


def test_what_was_done_is_not_done_again(asked: Workspace, server: DryRunServer) -> None:
    assert _jobs(asked, server, "apply", "evaluate_folder", "export_model") == set()


def test_packing_again_gives_the_same_bytes(changed: Workspace) -> None:
    before = (changed.root / PACKAGE).read_bytes()
    changed.run("-c1", "-f", "export_model", *ASKED)
    assert (changed.root / PACKAGE).read_bytes() == before


def test_a_changed_label_is_measured_again(changed: Workspace, server: DryRunServer) -> None:
    Image.fromarray(np.eye(60, dtype=np.uint16)[: SIZE[0]] * 7).save(changed.root / "truth/a.tif")
    assert _jobs(changed, server, "evaluate_folder") == {"he evaluate_applied marked"}


def test_a_file_that_is_copied_with_an_older_time_is_another_one(
    changed: Workspace, server: DryRunServer
) -> None:
    """As by `rsync -a` or from a backup, which is how a damaged image is mended."""
    for path, target, expected in (
        ("truth/a.tif", "evaluate_folder", {"he evaluate_applied marked"}),
        ("new/a.png", "apply", {"he apply_run marked"}),
    ):
        file = changed.root / path
        pixels = np.array(Image.open(file))
        Image.fromarray(np.ascontiguousarray(pixels[::-1])).save(file)
        os.utime(file, (10**9, 10**9))
        assert _jobs(changed, server, target) == expected


def test_another_image_is_predicted(changed: Workspace, server: DryRunServer) -> None:
    shutil.copy(changed.root / "new/a.png", changed.root / "new/c.png")
    shutil.copy(changed.root / "truth/a.tif", changed.root / "truth/c.tif")
    expected = {"he apply_run marked", "he evaluate_applied marked"}
    assert _jobs(changed, server, "evaluate_folder") == expected


def test_another_threshold_does_not_predict_the_study_again(changed: Workspace, server: DryRunServer) -> None:
    changed.set_option("he", "runs.marked.segment.marker_threshold", 0.2)
    assert _jobs(changed, server, "apply") == {"he apply_run marked"}


@pytest.mark.parametrize(
    ("target", "options", "expected"),
    [
        ("apply", (), "--config study: found nothing; expected one of: he, mini, own"),
        (
            "evaluate_folder",
            ("--config", "study=he", "run=marked", "images=new"),
            "--config labels: found nothing; expected a folder with a label of each image's name",
        ),
    ],
)
def test_a_mistake_is_named(asked: Workspace, target: str, options: tuple[str, ...], expected: str) -> None:
    done = asked.run("-n", "-c1", target, *options, check=False)
    assert done.returncode != 0
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "rules/" not in done.stderr, "no lines of the program"
