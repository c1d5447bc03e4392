# SPDX-License-Identifier: MIT
"""docs/how-to/when-something-is-odd.md: what runs after something was deleted, and what Snakemake says."""

import re
import shutil
from pathlib import Path

import pytest
import snakemake
from snakemake.exceptions import LockException

from tests.workflow.cases import listed
from tests.workflow.workspace import REPORT, REPOSITORY

PAGE = (REPOSITORY / "docs/how-to/when-something-is-odd.md").read_text(encoding="utf-8")
MINI = "results/demo/mini"
RUN = f"{MINI}/runs/main/dice"
OF_THE_RUN = """
    train dice
    predict dice test-0
    average mean test-0
    ensemble mean
    segment {dice,mean} test-0
    evaluate {dice,mean}
    tabulate {comparison,loss}
    draw {curves,panel}
    report_page
"""


def _delete(root: Path, names: tuple[str, ...]) -> None:
    for name in names:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


DELETED = {
    "a run and the report": ((RUN, REPORT), OF_THE_RUN),
    "figures and the report": ((f"{MINI}/figures", REPORT), "draw {curves,panel} \n report_page"),
    "tables and the report": ((f"{MINI}/tables", REPORT), "tabulate {comparison,layers,loss} \n report_page"),
    "a run, not the report": ((RUN,), ""),
    "a study, not the report": ((MINI,), ""),
    "images and the report": ((f"{MINI}/images", REPORT), "report_page"),
    "logs": (("logs",), ""),
    "what Snakemake knows": ((".snakemake",), ""),
}


@pytest.mark.parametrize("name", DELETED)
def test_what_runs_after_something_was_deleted(name, server, copy):
    deleted, jobs = DELETED[name]
    _delete(copy.root, deleted)
    found = [str(job) for job in copy.jobs(server, "all")]
    assert set(found) == listed(jobs)


def test_a_change_is_not_seen_without_what_snakemake_knows(server, copy):
    """As the page warns: this is why `.snakemake` is not to be deleted alone."""
    shutil.rmtree(copy.root / ".snakemake")
    copy.set_option("mini", "runs.dice.training.epochs", 3)
    assert not copy.jobs(server, "all")


def test_messages_are_those_of_snakemake():
    """Reasons and messages that the page explains stand in the pinned version of Snakemake."""
    source = "".join(
        (Path(snakemake.__file__).parent / name).read_text(encoding="utf-8")
        for name in ("jobs.py", "workflow.py", "exceptions.py")
    )
    reasons = PAGE.partition("writes a reason below each job")[2].partition("What does **not**")[0]
    found = re.findall(r"^\| `([^`]+)` \|", reasons, re.MULTILINE)
    assert len(found) == 7
    assert all(reason in source for reason in found)
    assert "provenance/metadata" in source
    assert "Directory cannot be locked" in str(LockException())
