# SPDX-License-Identifier: MIT
"""The study of mosaics at the size of its paper: 117 mosaics of six clinics, 34 trainings."""

import random
import re
import resource
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.large_sheets import FORMS, Row, sheet_rows, sheet_text
from benchmarks.placeholders import write_placeholders
from microtome.config.load import read_draft
from tests.workflow.workspace import REPOSITORY, Workspace, make_workspace

STUDY, PAPER = "rcm", {"scale": "paper", "studies": "[rcm]"}
PUBLISHED = {"background": 17, "artifact": 19, "meshwork": 20, "nest": 5, "ring": 28, "aspecific": 10}
"""Percent of the labelled pixels (Table 1 of the paper)."""
LABELLED = 4.2e6
"""Labelled pixels of a mosaic at 2 µm, on average."""
SECONDS = 20


def published_rows() -> list[Row]:
    """A sheet of the published proportions, each mosaic with pixels of few classes, as real ones are."""
    draw, found = random.Random(0), []
    for row in sheet_rows(FORMS[STUDY], FORMS[STUDY].published, study=STUDY):
        parts = {name: draw.gammavariate(share / 25, 1) for name, share in PUBLISHED.items()}
        total = draw.lognormvariate(0, 0.4) * 16 * LABELLED / sum(parts.values())
        counts = {f"pixels_{name}": str(int(total * part)) for name, part in parts.items()}
        own = {name: cell for name, cell in row.items() if name != "part"}
        found.append(own | {"scenario_2": row["part"]} | counts)
    return found


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A copy of the repository with such a sheet."""
    made, listed = make_workspace(tmp_path_factory.mktemp("published")), published_rows()
    draft = read_draft(STUDY, "paper", REPOSITORY / "config/studies")
    sheet = made.root / str(draft.study.data.samples)
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_text(sheet_text(listed), encoding="utf-8")
    write_placeholders(listed, sheet.parent, FORMS[STUDY])
    return made


def test_a_dry_run_counts_34_trainings_and_the_baseline(workspace: Workspace) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    config = [f"{name}={value}" for name, value in PAPER.items()]
    done = workspace.run("-n", "-c1", "--quiet", "rules", "--config", *config)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counts = dict(re.findall(r"^(\w+)\s+(\d+)$", done.stdout, re.MULTILINE))
    assert int(counts["train"]) == 34 + 1
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used <= SECONDS, f"{used:.1f} s of CPU"


def test_the_sheet_has_the_published_proportions(workspace: Workspace) -> None:
    listed = published_rows()
    assert Counter(row["scenario_2"] for row in listed) == {"train": 75, "val": 11, "test": 31}
    assert len({row["group"] for row in listed}) == 6
    assert Path(workspace.root / "data/rcm").is_dir()
