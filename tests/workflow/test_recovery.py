# SPDX-License-Identifier: MIT
"""The recovery suite in short: every disturbance once, a few kills; `make recovery` plays it at length."""

from collections.abc import Callable

import pytest

from tests.recovery import scenarios
from tests.recovery.lab import RESULTS, Lab
from tests.recovery.rounds import play
from tests.recovery.scenarios import Run
from tests.workflow.conftest import Complete
from tests.workflow.workspace import EVERYTHING, Workspace

ROUNDS = 2
RUN = Run("mini", "dice", evaluated=False)
Scenario = Callable[[Lab, Run], str]


@pytest.fixture
def lab(complete: Complete, copy: Workspace) -> Lab:
    return Lab(copy, complete.workspace.root / RESULTS)


@pytest.mark.parametrize("scenario", [scenarios.full_disk, scenarios.read_only])
def test_disks(lab: Lab, scenario: Scenario) -> None:
    refused = scenarios.cannot_mount()
    if refused:
        pytest.skip(refused)
    assert "the same command finished" in scenario(lab, RUN)


@pytest.mark.parametrize(
    "scenario",
    [
        scenarios.second_scheduler,
        scenarios.damaged_checkpoint,
        scenarios.other_checkpoint,
        scenarios.two_writers,
    ],
)
def test_disturbances(lab: Lab, scenario: Scenario) -> None:
    assert scenario(lab, RUN)


def test_kills(lab: Lab) -> None:
    lab.arguments = ("-c2", *EVERYTHING)
    said: list[str] = []
    assert play(lab, ROUNDS, 0, said.append) >= 1
    assert len(said) == ROUNDS
