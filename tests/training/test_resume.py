# SPDX-License-Identifier: MIT
"""A run that was stopped and resumed ends bit for bit where an undisturbed run ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from microtome.training import checkpoint as checkpoints
from microtome.training.loop import fit
from tests.training.problems import KEY, Interrupted, StoppedError, parts, trainer

REPOSITORY = Path(__file__).resolve().parents[2]
OPTIMIZERS = {
    "adam": {"name": "adam", "lr": 0.02},
    "adamw": {"name": "adamw", "lr": 0.02, "weight_decay": 0.1},
    "sgd": {"name": "sgd", "lr": 0.1, "momentum": 0.0},
    "momentum": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.01},
}
SCHEDULES = {
    "constant": {"name": "constant"},
    "step": {"name": "step", "every": 1, "factor": 0.5},
    "exponential": {"name": "exponential", "factor": 0.1},
    "cosine": {"name": "cosine", "warmup": 2},
    "one_cycle": {"name": "one_cycle"},
    "poly": {"name": "poly", "unit": "step", "warmup": 1},
}
CASES = [(first, "cosine") for first in OPTIMIZERS] + [
    ("adam", second) for second in SCHEDULES if second != "cosine"
]


def final_state(path):
    """Everything in a checkpoint but the clock."""
    state = checkpoints.load(path, KEY)
    losses = [{k: v for k, v in row.items() if "seconds" not in k} for row in state.history]
    slots = {
        f"{number}/{name}": value
        for number, found in state.optimizer["state"].items()
        for name, value in found.items()
    }
    tensors = {"model": state.model, "best": state.best, "optimizer": slots}
    return tensors, (state.epoch, losses, state.optimizer["param_groups"])


def assert_same_end(first, second):
    (tensors, rest), (other_tensors, other_rest) = final_state(first), final_state(second)
    assert rest == other_rest
    for kind, found in tensors.items():
        assert found.keys() == other_tensors[kind].keys()
        different = [
            name for name, value in found.items() if not torch.equal(value, other_tensors[kind][name])
        ]
        assert different == []


@pytest.mark.parametrize(("optimizer", "schedule"), CASES)
def test_stopped_in_the_middle_of_an_epoch(tmp_path, optimizer, schedule):
    settings = {
        "optimizer": OPTIMIZERS[optimizer],
        "schedule": SCHEDULES[schedule],
        "epochs": 5,
        "grad_clip": 1.0,
    }
    train, validation = parts()
    fit(trainer(**settings), train, validation, checkpoint=tmp_path / "whole", key=KEY)
    for epoch in (1, 3):
        with pytest.raises(StoppedError):
            fit(
                trainer(**settings),
                Interrupted(train, at=epoch),
                validation,
                checkpoint=tmp_path / "stopped",
                key=KEY,
            )
    done = fit(trainer(**settings), train, validation, checkpoint=tmp_path / "stopped", key=KEY)
    assert done.resumed == 2
    assert_same_end(tmp_path / "whole", tmp_path / "stopped")


def test_stopped_between_validations_and_before_early_stopping(tmp_path):
    """Patience and the best epoch go on where they were."""
    settings = {"epochs": 30, "patience": 3, "validate_every": 2, "optimizer": {"name": "sgd", "lr": 8.0}}
    train, validation = parts()
    whole = fit(trainer(**settings), train, validation, checkpoint=tmp_path / "whole", key=KEY)
    assert len(whole.history) < 30
    for epoch in range(1, len(whole.history)):
        with pytest.raises(StoppedError):
            fit(
                trainer(**settings),
                Interrupted(train, at=epoch),
                validation,
                checkpoint=tmp_path / "s",
                key=KEY,
            )
    done = fit(trainer(**settings), train, validation, checkpoint=tmp_path / "s", key=KEY)
    assert (done.best_epoch, len(done.history)) == (whole.best_epoch, len(whole.history))
    assert_same_end(tmp_path / "whole", tmp_path / "s")


def test_a_finished_run_is_not_trained_again(tmp_path):
    train, validation = parts()
    first = fit(trainer(), train, validation, checkpoint=tmp_path / "c", key=KEY)
    second = fit(trainer(), Interrupted(train, at=4), validation, checkpoint=tmp_path / "c", key=KEY)
    assert second.history == first.history
    assert all(torch.equal(second.weights[name], value) for name, value in first.weights.items())


def test_times_and_start_are_those_of_the_epochs_that_count(tmp_path):
    train, validation = parts()
    with pytest.raises(StoppedError):
        fit(trainer(), Interrupted(train, at=2), validation, checkpoint=tmp_path / "c", key=KEY)
    before = checkpoints.load(tmp_path / "c", KEY)
    done = fit(trainer(), train, validation, checkpoint=tmp_path / "c", key=KEY)
    assert done.history[:2] == before.history
    assert done.started == before.started != ""
    assert len(done.history) == 4


@pytest.mark.parametrize("damage", ["other key", "garbage", "truncated"])
def test_a_checkpoint_that_cannot_be_used_starts_anew(tmp_path, caplog, damage):
    train, validation = parts()
    path = tmp_path / "c"
    with pytest.raises(StoppedError):
        fit(
            trainer(),
            Interrupted(train, at=2),
            validation,
            checkpoint=path,
            key="another" if "key" in damage else KEY,
        )
    if damage == "garbage":
        path.write_bytes(b"not a checkpoint" * 50)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-1])
    done = fit(trainer(), train, validation, checkpoint=path, key=KEY)
    fit(trainer(), train, validation, checkpoint=tmp_path / "whole", key=KEY)
    assert done.resumed == 0
    assert "training starts from the beginning" in caplog.text
    assert_same_end(tmp_path / "whole", path)


def test_killed(tmp_path):
    """Processes that kill themselves with SIGKILL, in a step and while a checkpoint is being written."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.training.problems"]
    running = {
        moment: subprocess.Popen([*command, tmp_path / moment / "c", moment], cwd=REPOSITORY, env=environment)
        for moment in ("step", "save")
    }
    fit(trainer(), *parts(), checkpoint=tmp_path / "whole", key=KEY)
    for moment, process in running.items():
        assert process.wait(timeout=900) == -signal.SIGKILL
        assert any((tmp_path / moment).glob(".c.partial-*")) == (moment == "save")
        assert checkpoints.load(tmp_path / moment / "c", KEY).epoch == 2
        done = fit(trainer(), *parts(), checkpoint=tmp_path / moment / "c", key=KEY)
        assert done.resumed == 1
        assert_same_end(tmp_path / "whole", tmp_path / moment / "c")
        assert [path.name for path in (tmp_path / moment).iterdir()] == ["c"]
