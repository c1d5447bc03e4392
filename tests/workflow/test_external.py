# SPDX-License-Identifier: MIT
"""Segmentations of other tools in the tables of a study, beside its runs and against the same targets."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.io import images
from microtome.study.load import load_plans
from tests.io.volumes import write_nrrd
from tests.workflow.workspace import OWN_PARTS, Workspace, make_workspace, own_study, write_own_files

COLUMNS = [{"metric": "dice", "class": "cell"}, "accuracy"]
TABLES = {
    "t": {"kind": "metrics", "runs": "all", "columns": COLUMNS},
    "tests": {"kind": "paired_tests", "runs": ["dice", "tool"], "metric": "accuracy"},
}
TESTED = [number for number, part in enumerate(OWN_PARTS) if part == "test"]


def study(**more):
    external = {"tool": {"label": "Their tool", "predictions": "data/tool"}}
    return own_study() | {"external": external, "tables": TABLES} | more


def write_predictions(root: Path) -> dict[str, float]:
    """Copies of the labels of the test images with a column turned round; the right accuracy of each."""
    (root / "data/tool").mkdir(parents=True)
    sheet = pd.read_csv(root / "data/own/samples.tsv", sep="\t")
    accuracy = {}
    for number in TESTED:
        label = images.read(root / f"data/own/label-{number}.png").copy()
        label[:, : number + 1] = 255 - label[:, : number + 1]
        sample = sheet["sample"][number]
        images.write_png(root / f"data/tool/{sample}.png", label)
        accuracy[sample] = 1 - (number + 1) / label.shape[1]
    return accuracy


def test_beside_a_run(tmp_path):
    workspace = make_workspace(tmp_path)
    workspace.write_study("own", study())
    accuracy = write_predictions(tmp_path)
    tables = [f"results/demo/own/tables/{name}.tsv" for name in TABLES]
    workspace.run("-c2", *tables, "--config", "studies=[own]")
    table = pd.read_csv(tmp_path / tables[0], sep="\t").set_index("run")
    assert list(table["label"]) == ["dice", "Their tool"]
    assert table.loc["tool", "accuracy"] == pytest.approx(np.mean(list(accuracy.values())))
    assert table.loc["tool", "n"] == len(TESTED)
    test = pd.read_csv(tmp_path / tables[1], sep="\t").loc[0]
    assert test["n_tool"] == len(TESTED)
    assert test["mean"] == pytest.approx(table.loc["dice", "accuracy"])
    both = table.loc["dice", "accuracy"] - table.loc["tool", "accuracy"]
    assert test["difference_tool"] == pytest.approx(both)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path)
    write_own_files(workspace, OWN_PARTS)
    write_predictions(tmp_path)
    return workspace


def faults(place, content):
    place.write_study("own", content)
    with pytest.raises(ConfigurationError) as caught:
        load_plans(Workflow(studies=("own",)))
    return str(caught.value)


def test_right_as_it_is(place):
    place.write_study("own", study())
    assert len(load_plans(Workflow(studies=("own",)))["own"].external_files("tool")) == len(TESTED)


def test_the_values_beside_a_header_are_read_too(place):
    first = sorted((place.root / "data/tool").iterdir())[0]
    first.unlink()
    write_nrrd(first.with_suffix(".nhdr"), np.zeros((4, 4), np.uint8))
    place.write_study("own", study())
    found = load_plans(Workflow(studies=("own",)))["own"].external_values("tool")
    assert found == [Path("data/tool", f"{first.stem}.raw").as_posix()]


def test_missing_files_are_faults(place):
    first = sorted((place.root / "data/tool").iterdir())[0]
    shutil.copy(first, first.with_suffix(".tif"))
    assert "two files of one name" in faults(place, study())
    first.unlink()
    first.with_suffix(".tif").unlink()
    assert f"found no file of {first.stem}; expected a file (.png" in faults(place, study())
    shutil.rmtree(place.root / "data/tool")
    assert "external.tool.predictions: found 'data/tool', which is no folder" in faults(place, study())


def test_what_needs_a_network_or_probabilities_is_refused(place):
    figure = {"kind": "loss_curves", "runs": ["dice", "tool"]}
    found = faults(place, study(figures={"f": figure}))
    assert (
        "found 'tool', a segmentation of another tool, without network or maps; expected one of dice" in found
    )
    evaluate = {"metrics": ["overlap", "losses"], "losses": ["dice"]}
    table = {"kind": "metrics", "runs": ["tool"], "columns": ["loss_dice"]}
    found = faults(place, study(evaluate=evaluate, tables={"t": table}))
    assert "found 'loss_dice' of tool, which has no probabilities" in found
    same = {"dice": {"predictions": "data/tool"}}
    assert "external.dice: found 'dice', the name of a run" in faults(place, study(external=same, tables={}))
