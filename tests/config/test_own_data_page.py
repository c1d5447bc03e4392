# SPDX-License-Identifier: MIT
"""What docs/how-to/own-data.md tells users to write is right."""

import ast
import re
import types

import torch
from pytest import fixture

from microtome.config.load import SCALES, load_study
from microtome.study.sheet import COLUMNS, read_sheet
from microtome.study.splits import make_splits
from tests.workflow.workspace import REPOSITORY

PAGE = REPOSITORY / "docs/how-to/own-data.md"
README = REPOSITORY / "config/README.md"


@fixture(scope="module")
def blocks():
    """Content of the files that the page shows."""
    return dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


def test_the_study_and_its_sheet_load(blocks, tmp_path):
    (tmp_path / "mine.yaml").write_text(blocks["config/studies/mine.yaml"], encoding="utf-8")
    sheet = tmp_path / "samples.tsv"
    sheet.write_text(blocks["data/mine/samples.tsv"], encoding="utf-8")
    for scale in SCALES:
        if scale != "local":
            study = load_study("mine", scale, folder=tmp_path)
    samples = read_sheet(sheet, study.data)
    assert len(make_splits(samples, study.split, sheet=sheet, column="block")["main"]) == 4


def test_the_loss_is_what_it_says(blocks):
    module = types.ModuleType("brier")
    exec(compile(blocks["microtome/losses/brier.py"], "brier", "exec"), module.__dict__)
    loss = module.build(weight=2.0)
    logits, target = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert loss(logits, target).item() == 0.5
    valid = torch.tensor([[[[True, False], [False, False]]]])
    assert loss(logits, target, valid).item() == 0.5


def test_the_other_modules_are_python(blocks):
    assert set(blocks) >= {"microtome/config/losses.py", "microtome/figures/epochs.py"}
    for path in ("microtome/config/losses.py", "microtome/figures/epochs.py"):
        ast.parse(blocks[path])


def test_links_lead_somewhere():
    for page in (PAGE, README):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_every_column_is_explained():
    text = README.read_text(encoding="utf-8")
    assert all(f"`{column}`" in text for column in COLUMNS)
