# SPDX-License-Identifier: MIT
"""`snakemake plan`: what is to do, before, in the middle of and after a run, and from another scale."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.workflow.conftest import Complete
from tests.workflow.workspace import STUDIES, DryRunServer, Workspace, make_workspace

CHOSEN = ("plan", "--config", "scale=demo", f"studies=[{','.join(STUDIES)}]")


def _plan(workspace: Workspace, *more: str, scale: str = "demo") -> tuple[str, dict[str, dict[str, str]]]:
    """What the command prints, and the table by rule."""
    arguments = [argument.replace("scale=demo", f"scale={scale}") for argument in CHOSEN]
    printed = workspace.run(*arguments, *more).stdout
    with (workspace.root / f"results/{scale}/plan.tsv").open(encoding="utf-8", newline="") as stream:
        return printed, {row["rule"]: row for row in csv.DictReader(stream, delimiter="\t")}


def _to_do(rows: dict[str, dict[str, str]]) -> dict[str, int]:
    return {rule: int(row["to_do"]) for rule, row in rows.items() if row["to_do"] != "0"}


def test_before_anything_ran(tmp_path: Path) -> None:
    printed, rows = _plan(make_workspace(tmp_path / "new"))
    assert "nothing was ever run" in printed
    assert all(row["jobs"] == row["to_do"] for row in rows.values())
    assert {row["cpu_hours"] for row in rows.values()} == {"unknown"}
    assert {row["disk_bytes"] for row in rows.values()} == {"unknown"}


def test_after_everything_ran(complete: Complete, tmp_path: Path) -> None:
    printed, rows = _plan(complete.workspace.copy(tmp_path / "copy"))
    assert "Nothing to do at scale demo" in printed
    assert _to_do(rows) == {}


@pytest.fixture
def copy(complete: Complete, tmp_path: Path) -> Workspace:
    return complete.workspace.copy(tmp_path / "copy")


def test_what_is_missing_is_estimated(copy: Workspace, server: DryRunServer) -> None:
    """The runs of a study are lost: as many jobs as in a dry run, at the cost that they had."""
    for lost in ("runs", "tables", "figures"):
        shutil.rmtree(copy.root / "results/demo/mini" / lost)
    (copy.root / "results/demo/report.html").unlink()  # else nothing would be missed
    assert _plan(copy)[1]["train"]["gpu_hours"] == "0", "on a CPU no GPU is asked for"
    printed, rows = _plan(copy, "device=auto")
    found = _to_do(rows)
    assert found == Counter(job.rule for job in copy.jobs(server))
    assert found["train"] == 3
    assert "import_images" not in found
    assert rows["train"]["basis"] == "demo, by name"
    assert float(rows["train"]["cpu_hours"]) > 0
    assert float(rows["train"]["gpu_hours"]) == pytest.approx(float(rows["train"]["cpu_hours"]))
    assert rows["segment"]["gpu_hours"] == "0"
    assert float(rows["train"]["disk_bytes"]) > 0
    assert "The networks of scale demo ran on cpu" in printed


def test_another_scale_is_said_to_be_one(copy: Workspace) -> None:
    for study in STUDIES:
        copy.set_option(study, "scales.local", {} if study == "own" else copy.study(study)["scales"]["demo"])
    printed, rows = _plan(copy, scale="local")
    assert rows["train"]["to_do"] == rows["train"]["jobs"]
    assert rows["train"]["basis"] == "demo, by name"
    assert "Taken from scale demo: in proportion to the number of images" in printed
    assert "Unknown, and in no sum: report_page, crate." in printed


def test_a_fault_is_told(copy: Workspace) -> None:
    """The graph of jobs cannot be made: the message is Snakemake's, and the command fails."""
    copy.set_option("mini", "patches.size", -1)
    done = copy.run(*CHOSEN, check=False)
    assert done.returncode != 0
    assert "patches.size" in done.stderr
