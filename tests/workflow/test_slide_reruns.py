# SPDX-License-Identifier: MIT
"""A study of slides from its sheet to the report, and what runs again after a change."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.slide_files import write_annotations
from tests.workflow.edits import comments
from tests.workflow.slide_study import NESTS, PARTS, STUDY, slide_study, write_slides
from tests.workflow.workspace import DryRunServer, Job, Workspace, make_workspace

RUN = f"results/demo/{STUDY}/runs/main/deep/seed-0"
ENDS = {"tabulate", "report_page", "crate"}
LEARNING = {"annotate_slides", "index_tissue", "train_kept"}
BELOW_CHOICE = {
    "select",
    *("borrow_weights", "borrow_selection", "predict_slides", "call_sections", "evaluate_slides"),
    *ENDS,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace in which the study of slides is done."""
    made = make_workspace(tmp_path_factory.mktemp("slides"))
    made.write("config/config.yaml", f"scale: demo\nstudies: [{STUDY}]\ndevice: cpu\n")
    made.write_study(STUDY, slide_study())
    write_slides(made)
    made.run("-c2")
    return made


@pytest.fixture
def changed(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return finished.copy(tmp_path / "copy")


def _rules(jobs: list[Job]) -> Counter[str]:
    return Counter(job.rule for job in jobs)


def test_a_study_of_slides_ends_with_its_report(finished: Workspace, server: DryRunServer) -> None:
    assert (finished.root / f"results/demo/reports/{STUDY}/report.html").is_file()
    for batch in ("val-0", "weakval-0", "test-0"):
        assert list((finished.root / RUN / "predictions" / batch).glob("*.tif")), batch
    assert not finished.jobs(server)


def _another_grid(workspace: Workspace) -> None:
    workspace.set_option(STUDY, "defaults.calls.areas", [0, 2000, 4000])


def _another_annotation(workspace: Workspace) -> None:
    write_annotations(workspace.root / "data/slides/0.geojson", {"Nest": NESTS[:1]})


def _a_weak_slide_more(workspace: Workspace) -> None:
    write_slides(workspace, [*PARTS, "val"])


@pytest.mark.parametrize(
    ("change", "again", "never"),
    [
        (_another_grid, BELOW_CHOICE, {"train_kept", "predict_kept", "find_sections"}),
        (_another_annotation, LEARNING | BELOW_CHOICE, {"find_tissue"}),
        (_a_weak_slide_more, {"reference_slides", "find_tissue", "predict_kept"} | BELOW_CHOICE, LEARNING),
        (comments, set(), ENDS),
    ],
)
def test_only_what_depends_runs_again(
    change: Callable[[Workspace], None],
    again: set[str],
    never: set[str],
    changed: Workspace,
    server: DryRunServer,
) -> None:
    change(changed)
    found = _rules(changed.jobs(server))
    assert again <= found.keys(), found
    assert not never & found.keys(), found
