# SPDX-License-Identifier: MIT
"""What only shows when a study's samples are known, said before anything runs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study.load import load_plans
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


def _stained(target: str, split: dict[str, Any] | None = None) -> list[str]:
    """The faults of a study whose images get the stain of `target`."""
    content = he_study()
    content["stains"]["spcn"]["target"] = target
    content["split"] = split or {"kind": "column"}
    if split:
        content["data"]["phantom"]["images"] = {"train": 2, "val": 2, "test": 2}
    path = Path("config/studies/he.yaml")
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    line = next(n for n, text in enumerate(path.read_text().splitlines(), 1) if "target: tile" in text)
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


def test_every_split_in_which_the_target_is_not_trained_on_is_named() -> None:
    """With folds, each sample is tested once."""
    faults = _stained("tile-000", {"kind": "folds", "k": 2, "seed": 3})
    parts = dict(
        re.match(r"'tile-000', which split (fold-\d) has in part '(\w+)'", f).groups() for f in faults
    )
    assert "test" in parts.values()
    assert set(parts) <= {"fold-0", "fold-1"}
