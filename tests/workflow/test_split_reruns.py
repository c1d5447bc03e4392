# SPDX-License-Identifier: MIT
"""A study that divides its samples in two ways, to its report, and what is trained again after a change."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.splits.two_splits import Content, study, write_files
from tests.workflow.edits import comments
from tests.workflow.workspace import DryRunServer, Job, Workspace, make_workspace

STUDY = "two"
Trained = Counter[tuple[str, str]]
"""Trainings by split and run."""


def _study() -> Content:
    """Two networks on folds and on clinics, one of them with MDSC and TV; one on clinics alone."""
    content = study()
    content["runs"] = {
        "mdsc": {"loss": {"name": "mdsc_tv"}},
        "entropy": {"loss": {"name": "cross_entropy"}},
        "alone": {"loss": {"name": "mdsc_tv"}, "splits": ["clinics"]},
    }
    content["tables"]["folds"]["runs"] = ["mdsc", "entropy"]
    return content


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the study is done."""
    made = make_workspace(tmp_path_factory.mktemp("splits"))
    made.write("config/config.yaml", f"scale: demo\nstudies: [{STUDY}]\ndevice: cpu\n")
    made.write_study(STUDY, _study())
    write_files(made.root / "data/two")
    made.run("-c2")
    return made


@pytest.fixture
def changed(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return finished.copy(tmp_path / "copy")


def _trained(jobs: list[Job]) -> Trained:
    return Counter((job.wildcards["split"], job.wildcards["run"]) for job in jobs if job.rule == "train")


def test_each_run_is_trained_on_its_splits_and_shown_in_their_tables(
    finished: Workspace, server: DryRunServer
) -> None:
    assert not finished.jobs(server)
    results = finished.root / f"results/demo/{STUDY}"
    cards = {
        path.relative_to(results / "runs").parts[:2] for path in results.glob("runs/*/*/seed-0/card.json")
    }
    splits = ("patients-0", "patients-1", "clinics")
    assert cards == {(split, run) for split in splits for run in ("mdsc", "entropy")} | {("clinics", "alone")}
    for table, rows in {"folds": 2, "clinics": 3}.items():
        lines = (results / f"tables/{table}.tsv").read_text(encoding="utf-8").splitlines()
        assert len(lines) == rows + 1, lines
        sidecar = yaml.safe_load((results / f"tables/{table}.json").read_text(encoding="utf-8"))
        shown = {run["split"] for run in sidecar["provenance"]["runs"]}
        assert shown == ({"clinics"} if table == "clinics" else {"patients-0", "patients-1"})


def _a_run_more(workspace: Workspace) -> None:
    workspace.set_option(
        STUDY, "runs.another", {"loss": {"name": "cross_entropy"}, "splits": ["clinics"], "label": "Another"}
    )


def _another_gamma(workspace: Workspace) -> None:
    content = workspace.study(STUDY)
    for name in ("mdsc", "alone"):
        content["runs"][name]["loss"]["tv_weight"] = 1e-3
    workspace.write_study(STUDY, content)


def _another_number_of_folds(workspace: Workspace) -> None:
    workspace.set_option(STUDY, "splits.patients.k", 3)


def _another_clinic(workspace: Workspace) -> None:
    """An image of training is tested in scenario 2."""
    workspace.replace(
        "data/two/samples.tsv", "m0-label.png\tp0\tModena\ttrain", "m0-label.png\tp0\tModena\ttest"
    )


FOLDS = [("patients-0", "mdsc"), ("patients-1", "mdsc"), ("patients-0", "entropy"), ("patients-1", "entropy")]


@pytest.mark.parametrize(
    ("change", "trained"),
    [
        (_a_run_more, [("clinics", "another")]),
        (_another_gamma, [*FOLDS[:2], ("clinics", "mdsc"), ("clinics", "alone")]),
        (_another_number_of_folds, [*FOLDS, ("patients-2", "mdsc"), ("patients-2", "entropy")]),
        (_another_clinic, [("clinics", run) for run in ("mdsc", "entropy", "alone")]),
        (comments, []),
    ],
)
def test_only_what_depends_is_trained_again(
    change: Callable[[Workspace], None],
    trained: list[tuple[str, str]],
    changed: Workspace,
    server: DryRunServer,
) -> None:
    change(changed)
    jobs = changed.jobs(server)
    assert _trained(jobs) == Counter(trained)
    touched = {job.wildcards["split"] for job in jobs if job.rule in ("predict", "evaluate")}
    assert touched == {split for split, _ in trained}, "predictions and metrics are of the same splits"
