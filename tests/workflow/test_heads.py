# SPDX-License-Identifier: MIT
"""The head of a job's script: it has Snakemake's object, without the import of all of Snakemake."""

from pathlib import Path

import pytest

from tests.workflow.test_module import MODULE, tiny_study
from tests.workflow.workspace import REPOSITORY, Workspace

OWN = """
rule own:
    output: "own.txt"
    script: "own.py"
"""
SCRIPT = """
import sys
from pathlib import Path
logger.info("A script of another workflow may use the logger.")
Path(snakemake.output[0]).write_text(" ".join(sys.modules))
"""


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A workflow that has this one as a module, and a rule of its own."""
    found = Workspace(tmp_path)
    found.write("config/config.yaml", "scale: demo\nstudies: [tiny]\ndevice: cpu\n")
    found.write_study("tiny", tiny_study())
    found.write("Snakefile", MODULE.format(snakefile=repr(str(REPOSITORY / "Snakefile")), renamed="") + OWN)
    found.write("own.py", SCRIPT)
    return found


def test_jobs_start_without_snakemake_and_scripts_of_others_with_it(project: Workspace) -> None:
    sheet = "results/demo/tiny/samples.tsv"
    project.run("-c1", "--skip-script-cleanup", "--", sheet, "own.txt")
    assert (project.root / sheet).is_file()
    heads = {path.name.split(".")[1]: _head(path) for path in (project.root / ".snakemake/scripts").iterdir()}
    assert {"write_sheet", "own"} <= heads.keys()
    assert "snakemake.logging" not in heads["write_sheet"]
    assert "snakemake.logging" in heads["own"]
    assert "snakemake.logging" in project.read("own.txt").split()


def _head(script: Path) -> str:
    """Its first lines, up to the marker of their end."""
    return script.read_text(encoding="utf-8").partition("preamble end")[0]
