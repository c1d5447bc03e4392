# SPDX-License-Identifier: MIT
"""What only shows when a study's samples are known, said before anything runs."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from microtome.config.base import ConfigurationError
from microtome.config.workflow import Workflow
from microtome.planning import load_plans
from tests.workflow.workspace import mini_study

TEST = "slice-003"
TRAIN = "slice-000"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def _load(**options: Any) -> str:
    """Load the study with a figure of these options; its one fault, without the file's name."""
    content = mini_study()
    content["figures"] = {"f": {"runs": ["dice"], "images": True, **options}}
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
        {"kind": "calibration_curve", "samples": [TEST]},
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
            {"kind": "calibration_curve", "samples": [TEST, "no"]},
            "figures.f.samples.1: found sample 'no'; expected one of: slice-003",
        ),
        (
            {"kind": "calibration_curve", "samples": [3]},
            "figures.f.samples.0: found sample 3; expected one of: slice-003",
        ),
    ],
)
def test_a_sample_without_results_is_refused(options: dict[str, Any], expected: str) -> None:
    assert _load(**options) == expected
