# SPDX-License-Identifier: MIT
"""What docs/how-to/own-data.md tells users to write is right."""

import ast
import os
import re
import subprocess
import sys

import yaml
from pytest import fixture, raises

from microtome.faults import ConfigurationError
from microtome.study.sheet import COLUMNS
from microtome.study.splits import make_splits
from tests.config.studies import load_study
from tests.study.sheets import read_sheet
from tests.workflow.workspace import REPOSITORY

PAGE = REPOSITORY / "docs/how-to/own-data.md"
README = REPOSITORY / "config/README.md"
FOUND = os.environ | {"PYTHONPATH": str(REPOSITORY)}
LOSS = """
import torch
from microtome import losses
from microtome.config.entries import model

loss, logits, target = losses.build("brier", weight=2), torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
valid = torch.tensor([[[[True, False], [False, False]]]])
print(loss(logits, target).item(), loss(logits, target, valid).item(), end=" ")
print(model("microtome.config.losses", "brier").LABEL.split()[0])
"""


@fixture(scope="module")
def blocks():
    """Content of the files that the page shows."""
    return dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))


def test_the_study_and_its_sheet_load(blocks, tmp_path):
    (tmp_path / "mine.yaml").write_text(blocks["config/studies/mine.yaml"], encoding="utf-8")
    sheet = tmp_path / "samples.tsv"
    sheet.write_text(blocks["data/mine/samples.tsv"], encoding="utf-8")
    for scale in ("demo", "full"):
        study = load_study("mine", scale, folder=tmp_path)
    samples = read_sheet(sheet, study.data)
    assert len(make_splits(samples, study.split, sheet=sheet, column="block")["main"]) == 4


def test_labels_of_a_part_of_the_image_can_be_learnt_so(blocks, tmp_path):
    section = PAGE.read_text(encoding="utf-8").partition("## Labels of a part of the image")[2]
    more = yaml.safe_load(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])
    study = yaml.safe_load(blocks["config/studies/mine.yaml"])
    changed = study | {"patches": more["patches"], "data": study["data"] | more["data"]}
    changed["defaults"] = study["defaults"] | more["defaults"] | {"learn": {"share": 0.2}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(changed), encoding="utf-8")
    run = next(iter(load_study("mine", "full", folder=tmp_path).runs.values()))
    assert (run.augment.reach(256), run.learn.share, run.sampler.crop) == (118, 0.2, 256)
    told = set(re.findall(r"`(augment|learn)\.(\w+)", section.partition("## Labels as")[0]))
    assert len(told) >= 6
    assert all(name in type(getattr(run, owner)).model_fields for owner, name in told)


def test_the_tables_of_rates_are_what_a_study_may_say(blocks, tmp_path):
    section = PAGE.read_text(encoding="utf-8").partition("### Rates by fold and patient")[2]
    more = yaml.safe_load(re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1])
    study = yaml.safe_load(blocks["config/studies/mine.yaml"])
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**study, **more, "figures": {}}), encoding="utf-8")
    assert set(load_study("mine", "full", folder=tmp_path).tables) == set(more["tables"])
    more["evaluate"]["metrics"] = ["overlap"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({**study, **more, "figures": {}}), encoding="utf-8")
    with raises(
        ConfigurationError, match=r"'pooled', which shows 'tp'; expected evaluate\.metrics with counts"
    ):
        load_study("mine", "full", folder=tmp_path)


def test_the_loss_is_what_it_says(blocks, tmp_path):
    for name in ("plugins/losses/brier.py", "plugins/config/losses/brier.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(blocks[name], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", LOSS], cwd=tmp_path, env=FOUND, capture_output=True, text=True
    )
    assert done.stdout.split() == ["0.5", "0.5", "Brier"], done.stderr


def test_the_figure_is_python(blocks):
    ast.parse(blocks["plugins/figures/kinds/epochs.py"])


def test_links_lead_somewhere():
    for page in (PAGE, README):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_every_column_is_explained():
    text = README.read_text(encoding="utf-8")
    assert all(f"`{column}`" in text for column in COLUMNS)


def test_training_of_all_levels_is_understood(tmp_path):
    """The example of a network with several outputs, in a study of its classes."""
    heading = "## Training every decoder block"
    text = PAGE.read_text(encoding="utf-8")
    example = re.search(r"```yaml\n(defaults:.*?)```", text[text.index(heading) :], re.DOTALL)[1]
    data = "data: {source: files, samples: s.tsv, channels: 3, classes: [rest, tumour]}"
    study = f"title: t\n{data}\n{example}runs:\n  deep: {{label: Deep}}\n"
    (tmp_path / "levels.yaml").write_text(study, encoding="utf-8")
    run = load_study("levels", "full", folder=tmp_path).runs["deep"]
    assert (run.network.levels, run.supervision.levels, run.supervision.targets) == (5, "all", "majority")
    assert (run.training.select.metric, run.training.select.of, run.kind) == ("iou", "tumour", "plain")
    assert run.network.classes == 2
