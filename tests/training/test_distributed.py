# SPDX-License-Identifier: MIT
"""Two processes on the CPU do what one does with the whole batch, and end together whatever happens."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from microtome.training import checkpoint as checkpoints
from microtome.training import launch as launching
from microtome.training.batch_norm import SyncedBatchNorm, synchronize
from microtome.training.launch import ProcessError, Report, launch
from microtome.training.loop import TrainingDivergedError, fit
from microtome.training.processes import SOLO, Team
from tests.training import problems, team_tasks
from tests.training.problems import KEY
from tests.training.test_resume import assert_same_end

REPOSITORY = Path(__file__).resolve().parents[2]
CLOSE = 1e-5
PATIENCE = 300
"""Seconds to wait on a busy machine."""


def together(folder, **request):
    """Let two processes do something; what they found."""
    result = folder / "result.json"
    launch(team_tasks.MODULE, request | {"result": str(result)}, processes=2, threads=1)
    return json.loads(result.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """What two processes do undisturbed, and the folder with the checkpoint at their end."""
    folder = tmp_path_factory.mktemp("team")
    request = {"do": ["compare", "resume"], "act": "", "at": 0, "checkpoint": str(folder / "whole")}
    return together(folder, **request), folder


@pytest.mark.parametrize("name", list(team_tasks.CASES))
def test_two_processes_give_the_loss_curve_of_one(done, name):
    found = done[0]["compare"][name]
    model, history = team_tasks.trained(**team_tasks.CASES[name])
    assert len(history) == len(found["history"])
    for one, two in zip(history, found["history"], strict=True):
        assert list(one) == list(two)
        assert list(one.values()) == pytest.approx(list(two.values()), abs=CLOSE, nan_ok=True)
    assert found["norm"] == pytest.approx(float(team_tasks.flattened(model).norm()), rel=CLOSE)
    assert found["same"], "the processes hold different weights"


def test_the_cases_are_what_they_are_meant_for():
    lengths = {name: len(team_tasks.trained(**case)[1]) for name, case in team_tasks.CASES.items()}
    assert lengths.pop("stopped early") < 30
    assert set(lengths.values()) == {team_tasks.EPOCHS}
    first, *_, last = team_tasks.trained(**team_tasks.CASES["compound"])[1]
    assert first["alpha"] != last["alpha"]


def test_batch_normalisation_is_that_of_the_whole_batch(done):
    found = done[0]["compare"]["normalised"]
    assert found.keys() == {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d"}
    assert all(value < 1e-12 for value in found.values()), found


def test_a_loss_that_is_no_number_stops_all_with_the_same_words(done):
    with pytest.raises(TrainingDivergedError) as alone:
        team_tasks.trained(team_tasks.plain, optimizer=team_tasks.SGD | {"lr": 1e30})
    assert done[0]["compare"]["nan"] == str(alone.value)


def test_failures_end_all_processes_and_the_run_goes_on_to_the_same_bits(done, tmp_path, caplog):
    """A process that refuses, one that is killed, and a launcher that is killed, one after the other."""
    request = {"do": ["resume"], "checkpoint": str(tmp_path / "c"), "result": str(tmp_path / "result.json")}
    start = time.monotonic()
    with caplog.at_level(logging.INFO), pytest.raises(ProcessError, match="found something; remedy"):
        together(tmp_path, **request, act="refuse", at=1)
    assert "epoch 1: train" in caplog.text
    assert checkpoints.load(tmp_path / "c", KEY).epoch == 1
    with pytest.raises(ProcessError, match=r"process 2 of the 2 .* was ended by SIGKILL"):
        together(tmp_path, **request, act="kill", at=2)
    assert checkpoints.load(tmp_path / "c", KEY).epoch == 2
    assert time.monotonic() - start < PATIENCE
    killed_launcher(request | {"act": "wait", "at": 3})
    assert checkpoints.load(tmp_path / "c", KEY).epoch == 3
    shutil.copy(tmp_path / "c", tmp_path / "alone")
    assert together(tmp_path, **request, act="", at=0)["resume"]["resumed"] == 3
    assert_same_end(done[1] / "whole", tmp_path / "c")
    assert_goes_on_alone(tmp_path / "alone", tmp_path / "c")


def launched(request, **more):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)} | more
    command = [sys.executable, "-m", team_tasks.MODULE, "launch", json.dumps(request)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment)


def test_a_launcher_that_is_told_to_end_has_the_last_epoch_written(tmp_path):
    """SIGTERM, in the fourth epoch of a training that writes seldom."""
    told, path = tmp_path / "told", tmp_path / "c"
    request = {"do": ["resume"], "checkpoint": str(path), "result": "", "act": "tell and wait", "at": 3}
    process = launched(request | {"every": 1e6}, MICROTOME_TEST_TOLD=str(told))
    deadline = time.monotonic() + PATIENCE
    while not told.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not path.exists()
    process.send_signal(signal.SIGUSR1)  # is for the first of the processes, and ends none
    process.terminate()
    assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert checkpoints.load(path, KEY).epoch == 3


def killed_launcher(request):
    """Kill the process that launched the others once they are in the fourth epoch; they must end."""
    process = launched(request)
    deadline = time.monotonic() + PATIENCE
    while checkpoints.load(Path(request["checkpoint"]), KEY).epoch < 3:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    others = psutil.Process(process.pid).children(recursive=True)
    assert len(others) >= 3
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert psutil.wait_procs(others, timeout=PATIENCE)[1] == []


def assert_goes_on_alone(checkpoint, whole):
    """One process goes on where two were, to the same losses and weights but for rounding."""
    trainer = problems.trainer(model=team_tasks.network(), epochs=team_tasks.EPOCHS)
    fit(trainer, *problems.parts(), checkpoint=checkpoint, key=KEY)
    one, two = (checkpoints.load(path, KEY) for path in (checkpoint, whole))
    for name in ("train_loss", "val_loss"):
        curves = [[row[name] for row in state.history] for state in (one, two)]
        assert curves[0] == pytest.approx(curves[1], abs=CLOSE)
    for name, value in one.model.items():
        assert np.allclose(value, two.model[name], atol=CLOSE), name


def test_one_process_is_left_as_it_was():
    model = team_tasks.network()
    synchronize(model, SOLO)
    assert type(model[1]) is nn.BatchNorm2d
    assert SOLO.share(7) == slice(None)
    assert SOLO.whole(value := torch.ones(2)) is value
    assert SOLO.agreed(float("inf"), torch.device("cpu")) == float("inf")


@pytest.mark.parametrize(("windows", "size"), [(8, 3), (5, 2), (4, 4), (100, 7)])
def test_shares_are_whole_and_even(windows, size):
    shares = [range(windows)[Team(rank, size).share(windows)] for rank in range(size)]
    assert [window for share in shares for window in share] == list(range(windows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    team = Team(0, size)
    team.share(windows)
    assert team.counts == tuple(map(len, shares))
    assert team.share(size - 1) == slice(None)
    assert team.counts == ()


def test_batch_normalisation_that_cannot_be_shared_is_refused():
    for layer in (nn.BatchNorm2d(2, affine=False), nn.BatchNorm2d(2, track_running_stats=False)):
        with pytest.raises(ValueError, match="set gpus to 1 for this network"):
            synchronize(nn.Sequential(layer), Team(0, 2))


def test_synchronised_layers_compute_alone_what_they_replace():
    torch.manual_seed(0)
    layer, values = nn.BatchNorm2d(3, momentum=None), torch.randn(4, 3, 5, 5)
    whole = nn.BatchNorm2d(3, momentum=None)
    synced = SyncedBatchNorm(layer, Team(0, 2))
    for _ in range(2):
        assert torch.equal(synced(values), whole(values))
    assert all(torch.equal(synced.state_dict()[name], value) for name, value in whole.state_dict().items())
    assert torch.equal(synced.eval()(values), whole.eval()(values))


OUTPUT = """Failures:
  rank      : 0 (local_rank: 0)
  exitcode  : -15 (pid: 12)  (SIGTERM)
Root Cause (first observed failure):
  rank      : 1 (local_rank: 1)
  exitcode  : -9 (pid: 13)  (SIGKILL)
"""


@pytest.mark.parametrize(
    ("reports", "output", "error", "message"),
    [
        ([("lost", "gone"), ("expected", "do this")], OUTPUT, ProcessError, "^do this$"),
        (
            [("fault", "KeyError: 1"), ("lost", "gone")],
            "",
            RuntimeError,
            "process 1 of 2 failed: KeyError: 1",
        ),
        ([("fault", "KeyError: 1"), ("expected", "do this")], "", ProcessError, "^do this$"),
        ([("lost", "gone")], OUTPUT, ProcessError, "process 2 of the 2 .* SIGKILL.*training.batch_size"),
        ([], OUTPUT, ProcessError, "process 2 of the 2 .* SIGKILL"),
        ([], "no such option", RuntimeError, "could not be run: no such option"),
        ([], "", RuntimeError, "they said nothing"),
    ],
)
def test_the_reason_that_helps_is_told(reports, output, error, message):
    found = [Report(rank, kind, text, "trace", float(rank)) for rank, (kind, text) in enumerate(reports)]
    with pytest.raises(error, match=message):
        launching._fail(found, output, 2)


def test_lines_of_processes_are_logged_under_their_names(caplog):
    with caplog.at_level(logging.INFO):
        launching._relay("WARNING microtome.x: 100 % wrong")
        launching._relay("printed")
        launching._relay("")
    assert caplog.record_tuples == [
        ("microtome.x", logging.WARNING, "100 % wrong"),
        ("microtome.training.launch", logging.INFO, "printed"),
    ]


def test_a_team_that_read_different_checkpoints_stops(monkeypatch):
    team = Team(0, 2)
    monkeypatch.setattr(team, "gather", lambda value: [value, value + 1])
    with pytest.raises(ValueError, match="after epochs 3, 4: not all of them could read the checkpoint"):
        team.require_same(3, torch.device("cpu"))


def test_the_first_process_alone_writes_the_checkpoint(monkeypatch, tmp_path):
    team = Team(1, 1)
    fit(replace(problems.trainer(epochs=1), team=team), *problems.parts(), checkpoint=tmp_path / "c")
    assert not (tmp_path / "c").exists()
