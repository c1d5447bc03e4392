# SPDX-License-Identifier: MIT
"""What a command gets wrong is said in a line, without the program's own calls, before any job."""

import os
import sys
from pathlib import Path

import pytest

from tests.workflow.test_module import tiny_study
from tests.workflow.workspace import Workspace, make_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = make_workspace(tmp_path_factory.mktemp("questions") / "clone")
    found.write_study("tiny", tiny_study())
    found.write("config/config.yaml", "scale: demo\nstudies: [tiny]\ndevice: cpu\n")
    return found


def said(workspace: Workspace, *arguments: str, **environment: str) -> str:
    """What a run that must fail says; no line of it is a call of the program."""
    done = workspace.run(*arguments, check=False, **environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "microtome/" not in done.stderr
    return done.stderr


def test_the_option_of_another_command_is_a_question(workspace: Workspace) -> None:
    found = said(workspace, "-n", "-c1", "--config", "study=own")
    assert "expected studies=own to run that study, or the target at the end of the command" in found
    assert "studies=own" in said(workspace, "report", "-n", "-c1", "--config", "study=own")


def test_a_folder_called_like_a_target_asks_for_nothing(workspace: Workspace, tmp_path: Path) -> None:
    project = tmp_path / "apply"
    (project / "config/studies").mkdir(parents=True)
    (project / "config/studies/tiny.yaml").write_text(workspace.read("config/studies/tiny.yaml"))
    there = ("-s", str(workspace.root / "Snakefile"), "--directory", "apply", "--config", "studies=tiny")
    elsewhere = Workspace(tmp_path)
    elsewhere.run("-n", "-c1", *there, "--", "all")
    assert "--config study: found nothing" in said(elsewhere, "-n", "-c1", *there, "--", "apply")


def test_one_name_and_names_with_commas_are_lists(workspace: Workspace) -> None:
    for studies, count in (("own", 1), ("own,tiny", 2)):
        done = workspace.run("-n", "-c1", "--quiet", "rules", "--config", f"studies={studies}")
        lines = {line for line in done.stdout.splitlines() if line.startswith("write_sheet ")}
        assert [line.split() for line in lines] == [["write_sheet", str(count)]]


def test_faults_of_the_configuration_stand_alone(workspace: Workspace, tmp_path: Path) -> None:
    broken = workspace.copy(tmp_path / "broken")
    broken.append("config/published.yaml", "papers: {a: 1\n")
    last = len(broken.read("config/published.yaml").splitlines())
    found = said(broken, "-n", "-c1")
    assert f"1. config/published.yaml:{last}" in found or f"1. config/published.yaml:{last + 1}" in found
    assert "rules/" not in found


def test_there_has_to_be_what_submits_jobs(workspace: Workspace, tmp_path: Path) -> None:
    """Also where there is one: it is left out of the programs that the command finds."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for file in (file for place in os.defpath.split(os.pathsep) for file in Path(place).iterdir()):
        if file.name != "sbatch" and not (programs / file.name).is_symlink():
            (programs / file.name).symlink_to(file)
    place = os.pathsep.join([str(Path(sys.executable).parent), str(programs)])
    asked = ("--profile", "slurm", "--", "results/demo/tiny/samples.tsv")
    found = said(workspace, *asked, PATH=place, HOME=str(tmp_path))
    assert "there is no sbatch on this machine" in found
