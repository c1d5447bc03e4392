# SPDX-License-Identifier: MIT
"""What docs/how-to/cubes.md tells users to write is right."""

import re

import pytest

from microtome.study.splits import make_splits
from tests.config.studies import load_study
from tests.study.sheets import read_sheet
from tests.workflow.workspace import REPOSITORY

PAGE = REPOSITORY / "docs/how-to/cubes.md"
BLOCKS = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


@pytest.mark.parametrize(
    ("name", "sheet", "parts"),
    [("skin", "data/skin/samples.tsv", 3), ("look", "data/look.tsv", 1)],
)
def test_studies_and_sheets_load(name, sheet, parts, tmp_path):
    (tmp_path / f"{name}.yaml").write_text(BLOCKS[f"config/studies/{name}.yaml"], encoding="utf-8")
    study = load_study(name, "demo", folder=tmp_path)
    (tmp_path / "sheet.tsv").write_text(BLOCKS[sheet], encoding="utf-8")
    samples = read_sheet(tmp_path / "sheet.tsv", study.data)
    found = make_splits(samples, study.split, sheet=tmp_path / "sheet.tsv", column=study.data.group_by)
    assert len(set(found["main"].values())) == parts
    assert all(sample.more["cube"] for sample in samples)


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).is_file()
