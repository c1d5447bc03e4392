# SPDX-License-Identifier: MIT
"""`--sdm conda` from the launcher that the how-to installs: each job has its own environment and no more."""

import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version
from PIL import Image

from tests.cluster.conda_lab import SITE_PACKAGES, CondaLab, JobRecord, make_lab
from tests.lint_workflow import Rule, workflow_rules
from tests.pins import claimed, environment
from tests.workflow.slide_study import STUDY as SLIDES
from tests.workflow.slide_study import slide_study, write_slides
from tests.workflow.workspace import OBJECTS, Content, Workspace, he_study, make_workspace, mini_study

TOOLS = "MICROTOME_CLUSTER_TOOLS"
PEER = "peer"
"""The stain normalization with StainTools."""
TARGETS = (
    "all",
    "doctor",
    "gpu_check",
    OBJECTS,
    f"results/demo/he/stains/{PEER}/images/test-0",
    "results/demo/mini/runs/main/mean/seed-0/uncertainty/test-0",
    "results/demo/mini/paper.tex",
)
OF_CUBES = ("results/demo/cubes/bands/main/images/test-0", "results/demo/cubes/bands/main/raw/test-0")
OF_SLIDES = tuple(f"results/demo/{SLIDES}/runs/main/{run}/seed-0/metrics.tsv" for run in ("deep", "coarse"))
ON_NEW_IMAGES = ("evaluate_folder", "export_model")
FOLDERS = ("images=new", "labels=truth", "phantom_model=true")
NEW = ("--config", "study=he", "run=marked", *FOLDERS, "export=packed")
OF_MODEL = ("evaluate_folder", "--config", "model=packed/he-marked-main-seed0.zip", *FOLDERS)
ONLY_APPLIED = (
    "apply",
    "--config",
    "model=packed/he-marked-main-seed0.zip",
    "images=new",
    "phantom_model=true",
)
NOT_RUN = {
    "fetch_{key}": "downloads",
    "typeset": "starts the TeX of the system, which is in no environment",
    "score_external": "measures segmentations of another tool as `evaluate` does",
}
"""Rules that these studies have no job of, and why."""
CONDA_BRINGS = {"pip"}
LAUNCHER_OWNS = ("snakemake", "snakemake_interface_")
"""What a job takes from the launcher: the object `snakemake` is of these packages."""


def _missing() -> str:
    """Why there can be no stand-in for conda here; empty if there can."""
    tools = os.environ.get(TOOLS)
    if not tools or not Path(tools, "conda/setup").is_file():
        return f"${TOOLS} names no folder with conda/setup"
    return "" if sys.version_info[:2] == (3, 11) else "the environments are of Python 3.11"


pytestmark = [
    pytest.mark.workflow,
    pytest.mark.xdist_group("conda"),
    pytest.mark.skipif(bool(_missing()), reason=_missing()),
]


@dataclass(frozen=True)
class Finished:
    """A run of all that has a job in the miniature studies.

    Attributes:
        workspace: Where.
        lab: By what.
        said: The output of Snakemake.
    """

    workspace: Workspace
    lab: CondaLab
    said: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    lab = make_lab(tmp_path_factory.mktemp("conda"), Path(os.environ[TOOLS]))
    workspace = _workspace(tmp_path_factory.mktemp("workspace"))
    said = lab.run(workspace, "-c1", "--conda-create-envs-only", *TARGETS)
    lab.watch()
    said += lab.run(workspace, "-c2", *TARGETS)
    for new in ((*ON_NEW_IMAGES, *NEW), OF_MODEL, ONLY_APPLIED):
        said += lab.run(workspace, "-c2", *new)
    said += lab.run(workspace, "-c2", *OF_CUBES, "--config", "studies=[cubes]")
    said += lab.run(workspace, "-c2", *OF_SLIDES, "--config", f"studies=[{SLIDES}]")
    said += lab.run(workspace, "-c1", "new_study", "--config", "study=made", "images=new")
    return Finished(workspace, lab, said)


def _workspace(root: Path) -> Workspace:
    workspace = make_workspace(root)
    workspace.write_study("mini", _mini())
    workspace.write_study("he", _he())
    workspace.write_study("cubes", _cubes())
    workspace.write_study(SLIDES, slide_study())
    write_slides(workspace)
    workspace.write("config/config.yaml", "scale: demo\nstudies: [mini, he]\ndevice: cpu\n")
    for folder, mode in (("new", "RGB"), ("truth", "L")):
        (root / folder).mkdir()
        Image.fromarray(_squares()).convert(mode).save(root / f"{folder}/a.png")
    return workspace


def _squares() -> np.ndarray:
    """An image (50, 60) uint8 of two squares."""
    pixels = np.zeros((50, 60), np.uint8)
    pixels[5:20, 5:20], pixels[30:45, 25:50] = 1, 2
    return pixels


def _mini() -> Content:
    """A membrane study with one run less, and none that takes long."""
    study = mini_study()
    del study["runs"]["tversky"]
    study["runs"]["dice"].pop("training")
    study["runs"]["dice"] |= {"network": {"in_channels": 3}, "input": {"neighbours": 1}}
    study["runs"]["mean"]["members"] = ["dice", "n4"]
    study["runs"]["lda"] = {"classifier": {"name": "lda"}}
    study["evaluate"]["losses"] = ["dice"]
    study["tables"]["loss"]["runs"] = study["figures"]["curves"]["runs"] = ["dice"]
    return study


def _he() -> Content:
    """A study of nuclei with one run, and StainTools beside the stain that it uses."""
    study = he_study()
    del study["runs"]["alone"]
    study["runs"]["marked"]["tune"] = {"metric": "aji", "values": {"mask_threshold": [0.05, 0.1]}}
    study["stains"][PEER] = {"target": "tile-000", "method": "staintools"}
    return study


def _cubes() -> Content:
    """A study that only looks at simulated cubes."""
    images = {"train": 2, "val": 1, "test": 1}
    return {
        "paper": "p0_hypernet",
        "title": "Cubes",
        "data": {
            "source": "phantom",
            "phantom": {"kind": "cubes", "size": 64, "images": images},
            "group_by": "patient",
            "channels": 3,
            "classes": {"normal": 0, "melanoma": 255},
        },
        "split": {"kind": "none"},
        "cubes": {"full_scale": 4095, "bands": {"method": "window", "width": 16, "bins": 64}},
        "scales": {"demo": {}},
    }


def test_every_rule_ran(finished: Finished) -> None:
    ran = {record.rule for record in finished.lab.records()}
    assert ran == set(_scripted()) - set(NOT_RUN)


def test_every_job_ran_in_its_own_environment(finished: Finished) -> None:
    made, rules = finished.lab.environments(), _scripted()
    wrong = {
        f"{record.rule}: {record.prefix}"
        for record in finished.lab.records()
        if Path(record.prefix) != made[_expected(rules[record.rule], record)]
    }
    assert wrong == set()
    assert set(made) == {"imaging", "torch", "report", "stain"}


def test_every_module_came_from_the_job_s_own_environment(finished: Finished) -> None:
    """The launcher lies on the path of every script, so a pin that is missing would go unseen otherwise."""
    workspace = finished.workspace.root
    found = {
        f"{record.rule}: {name} from {file}"
        for record in finished.lab.records()
        for name, file in strays(record, workspace)
    }
    assert found == set()


def test_an_environment_holds_its_pins_and_nothing_else(finished: Finished) -> None:
    """What a package asked for without a pin would be installed all the same, in any version."""
    for name, path in finished.lab.environments().items():
        installed = {
            canonicalize_name(found.name): Version(found.version).public
            for found in metadata.distributions(path=[str(path / SITE_PACKAGES)])
        }
        pins = {package: Version(version).public for package, version in environment(name).items()}
        assert {key: version for key, version in installed.items() if key not in CONDA_BRINGS} == pins


def test_strays_are_seen() -> None:
    """The guard of the test above can fail."""
    files = {
        "numpy": "/env/lib/python3.11/site-packages/numpy/__init__.py",
        "yaml": "/launcher/lib/python3.11/site-packages/yaml/__init__.py",
        "snakemake.script": "/launcher/lib/python3.11/site-packages/snakemake/script/__init__.py",
        "microtome": "/work/microtome/__init__.py",
        "torch.classes": "_classes.py",
        "json": str(Path(sysconfig.get_path("stdlib"), "json/__init__.py")),
    }
    record = JobRecord("rule", "/env", files, {})
    assert [name for name, _ in strays(record, Path("/work"))] == ["yaml"]


def test_environments_differ(finished: Finished) -> None:
    """What is named apart is apart: no job found torch because all environments have it."""
    made = finished.lab.environments()
    folders = {name: path / SITE_PACKAGES for name, path in made.items()}
    has = {
        package: {name for name, folder in folders.items() if (folder / package).is_dir()}
        for package in ("numpy", "torch", "matplotlib", "staintools")
    }
    assert has == {
        "numpy": {"imaging", "torch", "report", "stain"},
        "torch": {"torch", "report", "stain"},
        "matplotlib": {"report", "stain"},
        "staintools": {"stain"},
    }


def test_nothing_was_solved_again_or_warned_about(finished: Finished) -> None:
    """Snakemake only warns when a pin file fails, and goes on with whatever it finds."""
    assert finished.said.count("Creating conda environment") == len(finished.lab.environments())
    assert "pin file" not in finished.said
    assert "Warning" not in finished.said


def test_the_same_command_reruns_nothing(finished: Finished) -> None:
    targets = [target for target in TARGETS if target not in ("doctor", "gpu_check")]
    assert "Nothing to be done" in finished.lab.run(finished.workspace, "-n", "-c1", *targets)


def _scripted() -> dict[str, Rule]:
    """The rules that run a script, made ones with the directives of what they are made from."""
    rules = {rule.name: rule for rule in workflow_rules() if not rule.is_target}
    for rule in rules.values():
        if rule.base:
            rule.sections = rules[rule.base].sections | rule.sections
    return rules


def _expected(rule: Rule, record: JobRecord) -> str:
    return "stain" if record.wildcards.get("stain") == PEER else claimed(rule)


def strays(record: JobRecord, workspace: Path) -> Iterator[tuple[str, str]]:
    """Modules that are neither of the job's environment, nor of Python, the repository or Snakemake.

    A path that is not absolute is that of no file: PyTorch makes up some.
    """
    standard, own = Path(sysconfig.get_path("stdlib")), Path(record.prefix)
    for name, file in record.files.items():
        path = Path(file)
        inside = any(path.is_relative_to(place) for place in (own, workspace))
        inside |= path.is_relative_to(standard) and "site-packages" not in path.parts
        if path.is_absolute() and not inside and not name.startswith(LAUNCHER_OWNS):
            yield name, file
