# SPDX-License-Identifier: MIT
"""What only shows when a study's samples are known, said before anything runs."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study.load import load_plans
from microtome.study.modalities import stains
from microtome.workflow.states import stains as states
from tests.workflow.workspace import he_study, mini_study

TEST = "slice-003"
TRAIN = "slice-000"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def _load(**options: Any) -> str:
    """Load the study with a figure of these options; its one fault, without the file's name."""
    content = mini_study()
    content["figures"] = {"f": {"runs": ["dice"], **options}}
    path = Path("config/studies/mini.yaml")
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    try:
        plans = load_plans(Workflow(studies=("mini",)))
    except ConfigurationError as error:
        (fault,) = error.faults
        where, _, text = str(fault).removeprefix(str(path)).partition(" ")
        assert where[1:].isdigit(), "the line of the option"
        return text
    assert plans["mini"].splits["main"][TEST] == "test"
    return ""


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "sample_panel"},
        {"kind": "sample_panel", "sample": ""},
        {"kind": "sample_panel", "sample": TEST},
        {"kind": "calibration_curve", "runs": ["n4"], "samples": [TEST]},
    ],
)
def test_figures_of_evaluated_samples(options: dict[str, Any]) -> None:
    assert _load(**options) == ""


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"kind": "sample_panel", "sample": "slice-03"},
            "figures.f.sample: found sample 'slice-03'; expected 'slice-003'? (known: slice-003)",
        ),
        (
            {"kind": "sample_panel", "sample": TRAIN},
            f"figures.f.sample: found sample '{TRAIN}', which is not in an evaluated part (test); "
            "expected 'slice-003'? (known: slice-003)",
        ),
        (
            {"kind": "calibration_curve", "runs": ["n4"], "samples": [TEST, "no"]},
            "figures.f.samples.1: found sample 'no'; expected one of: slice-003",
        ),
        (
            {"kind": "calibration_curve", "runs": ["n4"], "samples": [3]},
            "figures.f.samples.0: found sample 3; expected one of: slice-003",
        ),
    ],
)
def test_a_sample_without_results_is_refused(options: dict[str, Any], expected: str) -> None:
    assert _load(**options) == expected


def _stained(target: str | list[str], split: dict[str, Any] | None = None) -> list[str]:
    """The faults of a study whose images get the stain of `target`."""
    content = he_study()
    content["stains"]["spcn"]["target"] = target
    content["split"] = split or {"kind": "column"}
    if split:
        content["data"]["phantom"]["images"] = {"train": 2, "val": 2, "test": 2}
    path = Path("config/studies/he.yaml")
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "target:" in text)
    try:
        load_plans(Workflow(studies=("he",)))
    except ConfigurationError as error:
        here = f"{path}:{line} stains.spcn.target: found "
        assert all(str(fault).startswith(here) for fault in error.faults), error
        return [str(fault).removeprefix(here) for fault in error.faults]
    return []


def test_the_stain_of_a_training_sample_may_be_given_to_all() -> None:
    assert _stained("tile-000") == _stained("tile-001") == []


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("tile-002", "'tile-002', which split main has in part 'val'"),
        ("tile-003", "'tile-003', which split main has in part 'test'"),
        ("tile-00", "'tile-00', which is no sample of the study"),
    ],
)
def test_a_stain_target_that_is_not_trained_on_is_refused(target: str, found: str) -> None:
    (fault,) = _stained(target)
    nearest = r"'tile-00[01]'\? \(known: tile-000, tile-001\)"
    expected = f"{re.escape(found)}; expected a training sample: {nearest}"
    assert re.fullmatch(expected, fault), fault


def test_folds_may_have_several_targets() -> None:
    """Each takes the first that it trains on, never one that it tests."""
    folds = {"kind": "folds", "k": 2, "seed": 3, "group_by": "sample"}
    (fault,) = _stained("tile-000", folds)
    assert "or several (target: [a, b]), of which each split takes the first that it trains on" in fault
    names = [f"tile-{number:03d}" for number in range(6)]
    assert _stained(names, folds) == []
    plan = load_plans(Workflow(studies=("he",)))["he"]
    chosen = {split: stains.target_of(plan, "spcn", split) for split in plan.splits}
    assert len(set(chosen.values())) == 2
    for split, target in chosen.items():
        assert plan.splits[split][target] == "train"
        assert target == next(name for name in names if plan.splits[split][name] == "train")
        place = stains.folder(plan, "spcn", split)
        assert plan.seen(split, "marked") == f"stains/{place}/images/{{batch}}"
        assert stains.of_folder(plan, place) == ("spcn", target)
        assert json.loads(states.fit_stain(plan, place))["options"]["target"] == target
    assert stains.folder(plan, "spcn", "fold-0") == "spcn"
    assert stains.folder(plan, "spcn", "fold-1") == f"spcn@{chosen['fold-1']}"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"target_image": "t.png"}, None),
        ({"target_image": "no.png"}, "target_image: found 'no.png', which does not exist; expected an image"),
        (
            {"target_image": "grey.png"},
            "target_image: found 1 channels of type uint8 in 'grey.png'; expected an",
        ),
        ({"target_profile": "p.json"}, None),
        ({"target_profile": "p.json", "train_lambda": 0.02}, None),
        (
            {"target_profile": "p.json", "train_lambda": 0.3},
            "target_profile: found train_lambda 0.02 in 'p.json', ",
        ),
        (
            {"target_profile": "p.json", "method": "macenko"},
            "target_profile: found 'p.json', a profile of method 's",
        ),
        ({"target_profile": "broken.json"}, "target_profile: found 'broken.json', which cannot be read ("),
        ({}, "spcn: found no target; expected one of target (training samples), target_image"),
        (
            {"target": "tile-000", "target_image": "t.png"},
            "target_image: found target and target_image; expected",
        ),
    ],
)
def test_a_target_may_be_outside_the_sheet(settings: dict[str, Any], expected: str | None) -> None:
    Image.new("RGB", (32, 32)).save("t.png")
    Image.new("L", (32, 32)).save("grey.png")
    Path("p.json").write_text(
        json.dumps({"profile": {"method": "spcn", "parameters": {"train_lambda": 0.02}}})
    )
    Path("broken.json").write_text("[]")
    content = he_study()
    content["stains"]["spcn"] = settings
    Path("config/studies/he.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    try:
        load_plans(Workflow(studies=("he",)))
        found = None
    except ConfigurationError as error:
        (found,) = (
            str(fault).partition("stains.spcn.")[2] or str(fault).partition("stains.")[2]
            for fault in error.faults
        )
    assert (found or "").startswith(expected or "")
    assert (found is None) == (expected is None)


def test_every_split_in_which_the_target_is_not_trained_on_is_named() -> None:
    """With folds, each sample is tested once."""
    faults = _stained("tile-000", {"kind": "folds", "k": 2, "seed": 3})
    parts = dict(
        re.match(r"'tile-000', which split (fold-\d) has in part '(\w+)'", f).groups() for f in faults
    )
    assert "test" in parts.values()
    assert set(parts) <= {"fold-0", "fold-1"}
