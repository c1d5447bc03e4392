# SPDX-License-Identifier: MIT
"""A study of more than 10,000 jobs: its dry run, and what a job of it has to look at again."""

import re
from pathlib import Path

import pytest

from benchmarks.large_study import CROSS_VALIDATED, STUDY, write_large_study
from tests.workflow.workspace import Workspace, make_workspace

IMAGES = 550
CHOSEN = ("--config", f"studies=[{STUDY}]")
FORBIDDEN = "torch matplotlib scipy"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, int]:
    """A workspace with the study, and the number of its jobs."""
    workspace = make_workspace(tmp_path_factory.mktemp("large"))
    return workspace, write_large_study(workspace.root, CROSS_VALIDATED, images=IMAGES)


def test_ten_thousand_jobs(large: tuple[Workspace, int]) -> None:
    """Every job is there, and nothing heavy is imported to find them."""
    workspace, jobs = large
    done = workspace.run("-n", "-c1", "--quiet", "rules", *CHOSEN, MICROTOME_TEST_FORBIDDEN=FORBIDDEN)
    counts = dict(re.findall(r"^(\w+)\s+(\d+)$", done.stdout, re.MULTILINE))
    assert int(counts["total"]) == jobs >= 10_000
    assert [int(counts[rule]) for rule in ("import_images", "train", "predict")] == [IMAGES, 40, IMAGES * 8]


def test_jobs_do_not_look_at_all_images(large: tuple[Workspace, int]) -> None:
    """A job is a Snakemake of its own; an image that it has no business with may be gone by then."""
    workspace, _ = large
    data = workspace.root / "data" / STUDY
    target = f"results/demo/{STUDY}/samples.tsv"
    missing = data / "images" / f"{STUDY}-00100.tif"
    kept = missing.read_bytes()
    missing.unlink()
    try:
        refused = workspace.run("-n", "-c1", *CHOSEN, "--", target, check=False)
        assert "does not exist" in refused.stdout + refused.stderr
        as_job = workspace.run("-n", "-c1", "--mode", "subprocess", *CHOSEN, "--", target, check=False)
        assert "does not exist" not in as_job.stdout + as_job.stderr
        assert as_job.returncode == 0
    finally:
        missing.write_bytes(kept)


def test_headers_are_remembered(large: tuple[Workspace, int]) -> None:
    workspace, _ = large
    workspace.run("-n", "-c1", *CHOSEN, "--", f"results/demo/{STUDY}/samples.tsv")
    memory = Path(workspace.root / ".snakemake/microtome-headers.json").read_text(encoding="utf-8")
    assert memory.count("OME-TIFF") == 2 * IMAGES
