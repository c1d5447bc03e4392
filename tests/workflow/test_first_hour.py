# SPDX-License-Identifier: MIT
"""The first hour: from folders of images to trained, measured and reported studies, by one command each."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from microtome.config.phantoms.slides import SlidePhantomData
from microtome.files import MIRROR_VARIABLE, write_json
from microtome.phantoms.slides.simulation import files
from tests.workflow.workspace import REPOSITORY, environment_of

pytestmark = pytest.mark.workflow
TUMOUR = "Tumornest"
SNAKEMAKE = ("-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"))
AS_TARGET = "cube"
"""Made by the target `new_study` of Snakemake."""
LOOKING = ("cube",)
"""Studies without labels."""


@dataclass(frozen=True)
class Folder:
    """A folder of images as a user has it.

    Attributes:
        data: Its place below the public data; empty for slides of the phantom.
        patterns: Files of it that are taken, in the order of their names.
        count: Images that are taken, and their labels.
        run: The run of the study.
        metric: What is measured of it.
    """

    data: str
    patterns: tuple[str, ...] = ("**/*",)
    count: int = 1000
    run: str = "unet"
    metric: str = "dice"


FOLDERS = {
    "skin": Folder("skin_pas_layers", ("images/*", "masks/*"), 20),
    "em": Folder("isbi2012_em"),
    "nuclei": Folder("monuseg2018/train", ("images/*", "labels/*"), 6, "objects", "aji"),
    "cube": Folder("hsi_pathology_hims"),
    "slides": Folder("", run="calls", metric="iou"),
}
EXPECTED = {
    "skin": ("20 images", "drawn in 5 colours", "one slide, cut into"),
    "em": ("54 slices of a stack", "24 of 54 have one; values 0, 255", "8 blocks of 3 slices"),
    "nuclei": ("6 images", "a number for each object", "6, from TCGA-XX-XXXX in the names"),
    "cube": ("1 hyperspectral cube", "40 bands", "no label was found"),
    "slides": ("6 whole slides", f"outlines: {TUMOUR}", "1 µm, as the files say"),
}
"""What the command says of each, among other things."""


def _available() -> list[str]:
    mirror = os.environ.get(MIRROR_VARIABLE)
    return [
        name for name, one in FOLDERS.items() if not one.data or (mirror and Path(mirror, one.data).is_dir())
    ]


def _copy(name: str, to: Path) -> None:
    """Make the folder of a user."""
    one = FOLDERS[name]
    if not one.data:
        _write_slides(to)
        return
    source = Path(os.environ[MIRROR_VARIABLE], one.data)
    for pattern in one.patterns:
        for path in sorted(path for path in source.glob(pattern) if path.is_file())[: one.count]:
            place = to / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(path)


def _write_slides(to: Path) -> None:
    """Six slides of the phantom, of which the tumour alone is annotated, as QuPath exports it."""
    settings = SlidePhantomData(height=1300, width=2200, mpp=1.0, slides={"train": 6}, formats=["svs"])
    for path, content in files(settings):
        kind, _, name = path.rpartition("/")
        place = to / kind / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "slides":
            content(place)
        elif kind == "annotations":
            tumour = [
                one for one in content["features"] if one["properties"]["classification"]["name"] == TUMOUR
            ]
            write_json(place, content | {"features": tumour})


@dataclass(frozen=True)
class Project:
    """An empty folder in which the studies are made, and what the commands said."""

    root: Path
    said: dict[str, str]

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *SNAKEMAKE, *arguments]
        return subprocess.run(
            command, cwd=self.root, env=environment_of(), capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The studies of all folders, made by one command each, in a folder that was empty."""
    root, mine = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("mine")
    said = {}
    for name in _available():
        _copy(name, mine / name)
        command = ["-m", "microtome", "new", name, "--images", str(mine / name)]
        if name == AS_TARGET:
            command = [
                *SNAKEMAKE,
                "-c1",
                "--config",
                f"study={name}",
                f"images={mine / name}",
                "--",
                "new_study",
            ]
        environment = environment_of() | {"PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, *command], cwd=root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        said[name] = done.stdout
    return Project(root, said)


def _of(project: Project, name: str) -> str:
    if name not in project.said:
        pytest.skip(f"${MIRROR_VARIABLE} has no {FOLDERS[name].data}")
    return project.said[name]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_command_says_what_it_found(project: Project, name: str) -> None:
    said = _of(project, name)
    for text in EXPECTED[name]:
        assert text in said


def test_a_dry_run_finds_no_fault(project: Project) -> None:
    done = project.snakemake("-n", "--quiet", "all", "--config", f"studies={','.join(project.said)}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", FOLDERS)
def test_one_further_command_trains_and_reports(project: Project, name: str) -> None:
    _of(project, name)
    done = project.snakemake("-c2", "--config", f"studies={name}", "device=cpu")
    assert done.returncode == 0, done.stdout + done.stderr
    results = project.root / "results/demo"
    page = (results / f"reports/{name}/report.html").read_text(encoding="utf-8")
    assert name in page
    if name in LOOKING:
        assert list((results / name / "figures").glob("*.png"))
        return
    one = FOLDERS[name]
    (metrics,) = (results / name).glob(f"runs/*/{one.run}/seed-0/metrics.tsv")
    assert one.metric in set(pd.read_csv(metrics, sep="\t")["metric"])
