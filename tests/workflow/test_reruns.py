# SPDX-License-Identifier: MIT
"""After a change, only what depends on it runs again: the real DAG, one change at a time."""

from pathlib import Path

import pytest

from tests.workflow.cases import CASES, Case, listed
from tests.workflow.conftest import Complete
from tests.workflow.workspace import EVERYTHING, DryRunServer, Workspace


def _reasons(jobs: list) -> str:
    return "\n".join(f"{job}: {job.reason[:300]}" for job in jobs)


def test_a_finished_run_has_nothing_to_do(complete: Complete, server: DryRunServer) -> None:
    jobs = complete.workspace.jobs(server, *EVERYTHING)
    assert not jobs, _reasons(jobs)


def test_dry_runs_see_jobs(server: DryRunServer, copy: Workspace) -> None:
    """The reader of dry runs is not blind: without results, every job is listed once."""
    for path in sorted((copy.root / "results").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    names = [str(job) for job in copy.jobs(server, *EVERYTHING)]
    assert len(names) == len(set(names)) == 77
    assert {"simulate", "train dice", "own train dice", "draw panel", "report_page", "crate"} <= set(names)
    assert {"he simulate", "he normalize_stain spcn val-0", "he export_objects marked test-0"} <= set(names)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name.replace(" ", "_")) for case in CASES])
def test_only_what_depends_runs_again(case: Case, server: DryRunServer, copy: Workspace) -> None:
    before = _contents(copy.root)
    case.change(copy)
    jobs = copy.jobs(server, *EVERYTHING)
    assert {str(job) for job in jobs} == listed(case.jobs), _reasons(jobs)
    assert len(jobs) == len(listed(case.jobs))
    assert before == _contents(copy.root), "a dry run changed results"


def _contents(root: Path) -> dict[str, int]:
    """Result files and their times."""
    return {str(path): path.stat().st_mtime_ns for path in (root / "results").rglob("*") if path.is_file()}
