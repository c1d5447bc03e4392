# SPDX-License-Identifier: MIT
"""The workflow where no disk is shared: a store of files in place of a bucket, and jobs elsewhere."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from microtome.config import kinds
from microtome.workflow import needs
from tests.workflow.workspace import REPOSITORY, Content, Workspace, environment_of

HERE = Path(__file__).parent
STAND_IN = HERE / "stand_in"
"""Holds a program that copies as the storage plugin asks of rsync."""
PLUGINS = HERE / "plugins"
SECTIONS = ("tables", "figures")
EDGE = 96
"""Pixels of the images of a shrunk study of membranes."""


@dataclass(frozen=True)
class Site:
    """A folder with the workflow, and a store.

    Attributes:
        workspace: Where Snakemake is started.
        store: Folder that stands for a bucket.
    """

    workspace: Workspace
    store: Path

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake with nothing shared; what it says."""
        shared = ("--default-storage-provider", "fs", "--default-storage-prefix", str(self.store))
        done = subprocess.run(
            self.workspace.command("-c2", *arguments, *shared, "--shared-fs-usage", "none"),
            cwd=self.workspace.root,
            env=environment() | {"TMPDIR": str(self.store.parent)},
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def stored(self, pattern: str) -> list[Path]:
        """What the store has of this name."""
        return sorted(self.store.glob(pattern))


def environment() -> dict[str, str]:
    """That of Snakemake and its jobs, which find the tests' executor, this Python and a way to copy."""
    found = environment_of()
    programs = [str(Path(sys.executable).parent), found["PATH"]]
    programs += [] if shutil.which("rsync") else [str(STAND_IN)]
    plugins = os.pathsep.join([found["PYTHONPATH"], str(PLUGINS)])
    return found | {"PATH": os.pathsep.join(programs), "PYTHONPATH": plugins}


def commit(root: Path) -> None:
    """Let git know the files of a folder: Snakemake brings to jobs what git does."""
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)


def shrunk(name: str, runs: Collection[str], changes: Mapping[str, Any]) -> Content:
    """A study that the workflow ships, at its demo scale, with some of its runs and what reads other files.

    Args:
        name: The study.
        runs: The runs that stay; ensembles keep the members among them.
        changes: What is laid over the options of the demo.
    """
    study = yaml.safe_load((REPOSITORY / f"config/studies/{name}.yaml").read_text(encoding="utf-8"))
    demo = study["scales"]["demo"]
    study["scales"] = {
        "demo": {key: _kept(value, runs) if key == "runs" else value for key, value in demo.items()}
    }
    _lay_over(study["scales"]["demo"], changes)
    study["runs"] = {run: _shrunk_run(options, runs) for run, options in study["runs"].items() if run in runs}
    for section in SECTIONS:
        study[section] = _products(study[section], section, runs)
    for section in SECTIONS:
        over = study["scales"]["demo"].get(section, {})
        study["scales"]["demo"][section] = {
            key: value for key, value in over.items() if key in study[section]
        }
    study["report"] = {key: study["report"][key] for key in ("what",)}
    return study


def _kept(runs: Content, names: Collection[str]) -> Content:
    return {name: options for name, options in runs.items() if name in names}


def _shrunk_run(options: Content, runs: Collection[str]) -> Content:
    found = dict(options)
    if "members" in options:
        found["members"] = [name for name in options["members"] if name in runs]
    if "calibration" in options:
        found["calibration"] = options["calibration"] | {"pooled": []}
    return found


def _products(entries: Content, section: str, runs: Collection[str]) -> Content:
    """The first table or figure that is made of the same files, with the runs that stay."""
    found: Content = {}
    known: set[frozenset[str]] = {frozenset()}
    for name, entry in entries.items():
        shown = entry.get("runs", "all")
        left = shown if shown == "all" else [run for run in shown if run in runs]
        options = {key: value for key, value in entry.items() if key not in ("kind", "title")}
        takes = kinds.find(section, entry["kind"]).takes(options)
        made_of = frozenset(need for need in takes if need == "runs" or needs.FILES[need])
        if left and made_of not in known:
            known.add(made_of)
            found[name] = entry | ({"runs": left} if "runs" in entry else {})
    return found


def _lay_over(options: Content, changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(options.get(key), dict):
            _lay_over(options[key], value)
        else:
            options[key] = value
