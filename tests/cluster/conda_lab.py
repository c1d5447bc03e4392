# SPDX-License-Identifier: MIT
"""A stand-in for conda, and a virtual environment that holds Snakemake alone."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.lint_workflow import ROOT
from tests.workflow.workspace import Workspace, environment_of

RECORDER = Path(__file__).parent / "conda_plugins/sitecustomize.py"
"""What every environment gets, as Snakemake keeps PYTHONPATH from jobs that have one."""
SITE_PACKAGES = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"


@dataclass(frozen=True)
class JobRecord:
    """What a job wrote down as it ended.

    Attributes:
        rule: Its rule.
        prefix: The environment that its Python belongs to.
        files: The file of each module that it imported.
        wildcards: Its wildcards.
    """

    rule: str
    prefix: str
    files: Mapping[str, str]
    wildcards: Mapping[str, str]


@dataclass(frozen=True)
class CondaLab:
    """Everything in one folder.

    Attributes:
        folder: Holds `conda` (the stand-in), `wheels`, `launcher` (Snakemake), `environments` and `jobs`.
    """

    folder: Path

    def run(self, workspace: Workspace, *arguments: str) -> str:
        """Run Snakemake from the launcher, with conda; what it said."""
        command = [str(self.folder / "launcher/bin/python"), "-m", "snakemake", "--sdm", "conda"]
        prefix = ("--conda-prefix", str(self.folder / "environments"))
        done = subprocess.run(
            [*command, *prefix, *arguments],
            cwd=workspace.root,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def _environment(self) -> dict[str, str]:
        """No package but those of the launcher and of the job's own environment can be seen."""
        clean = environment_of(
            PATH=os.pathsep.join([str(self.folder / "conda/bin"), os.environ["PATH"]]),
            MICROTOME_TEST_ORIGINS=str(self.folder / "jobs"),
            PIP_NO_INDEX="1",
            PIP_FIND_LINKS=str(self.folder / "wheels"),
            PIP_NO_COMPILE="1",
        )
        return {key: value for key, value in clean.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}

    def watch(self) -> None:
        """Have every environment that was made write down what its jobs import."""
        for path in self.environments().values():
            shutil.copy(RECORDER, path / SITE_PACKAGES)

    def records(self) -> list[JobRecord]:
        """What all jobs wrote down."""
        texts = (path.read_text(encoding="utf-8") for path in sorted((self.folder / "jobs").glob("*.json")))
        return [JobRecord(**json.loads(text)) for text in texts]

    def environments(self) -> dict[str, Path]:
        """The prefix of each environment that was made, by the name in its file."""
        return dict(self._environments())

    def _environments(self) -> Iterator[tuple[str, Path]]:
        for path in (self.folder / "environments").glob("*.yaml"):
            name = yaml.safe_load(path.read_text(encoding="utf-8"))["name"]
            yield name.removeprefix("microtome-"), path.with_suffix("")


def make_lab(folder: Path, tools: Path) -> CondaLab:
    """Set up the stand-in; download every wheel once; install the launcher as the how-to says."""
    for name in ("wheels", "jobs"):
        (folder / name).mkdir()
    _call([str(tools / "conda/setup"), str(folder / "conda")])
    python, wheels = sys.executable, str(folder / "wheels")
    wanted = ("-r", str(ROOT / "requirements-stain.txt"), "setuptools", "wheel")
    _call([python, "-m", "pip", "wheel", "--quiet", "--wheel-dir", wheels, *wanted])
    _call([python, "-m", "venv", str(folder / "launcher")])
    _call(
        [
            *(str(folder / "launcher/bin/python"), "-m", "pip", "install", "--quiet", "--no-compile"),
            *("--no-index", "--find-links", wheels, "-r", str(ROOT / "requirements-launcher.txt")),
        ]
    )
    return CondaLab(folder)


def _call(command: list[str]) -> None:
    """Run a command with the Python that runs the tests first on the PATH, outside its environment."""
    base = str(Path(sys._base_executable).parent)
    environment = environment_of(PATH=os.pathsep.join([base, os.environ["PATH"]]))
    environment.pop("PYTHONPATH")
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
