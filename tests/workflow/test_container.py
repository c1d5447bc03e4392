# SPDX-License-Identifier: MIT
"""The option `container`: jobs go through Apptainer if asked to (a stand-in that writes down its calls)."""

import os
import sys
from pathlib import Path

import pytest

from tests.workflow.workspace import Workspace, make_workspace

APPTAINER = """#!/bin/bash
if [ "$1" = --version ]; then echo "apptainer version 1.3.0"; exit; fi
echo "$@" >> "$CALLS"
while [ "$1" != "-c" ]; do shift; done
exec bash -c "$2"
"""
SHEET = "results/demo/mini/samples.tsv"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "workspace")


def _run(workspace: Workspace, folder: Path, *arguments: str) -> list[str]:
    """Make a sheet; how Apptainer was called."""
    calls, program = folder / "calls", folder / "bin/apptainer"
    program.parent.mkdir()
    program.write_text(APPTAINER, encoding="utf-8")
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), str(Path(sys.executable).parent), os.environ["PATH"]])
    workspace.run("-c1", SHEET, *arguments, PATH=path, CALLS=str(calls))
    assert "slice-000" in workspace.read(SHEET)
    return calls.read_text(encoding="utf-8").splitlines() if calls.is_file() else []


def test_jobs_run_in_the_container_of_the_configuration(workspace: Workspace, tmp_path: Path) -> None:
    workspace.write("image.sif", "")
    found = _run(workspace, tmp_path, "--sdm", "apptainer", "--config", "container=image.sif")
    assert any("exec" in call and " image.sif " in call and "write_sheet" in call for call in found), found


@pytest.mark.parametrize("arguments", [("--config", "container=image.sif"), ("--sdm", "apptainer")])
def test_nothing_runs_in_a_container_otherwise(
    workspace: Workspace, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert _run(workspace, tmp_path, *arguments) == []
