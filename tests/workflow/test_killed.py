# SPDX-License-Identifier: MIT
"""kill -9 in the middle of training: the same command goes on from the checkpoint, to the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.workflow.conftest import Complete
from tests.workflow.workspace import EPOCHS, REPORT, Workspace, epochs_done

STUDY = "results/demo/mini"
RUN = f"{STUDY}/runs/main/dice/seed-0"
COMMAND = ("-c2",)
PATIENCE = 600
"""Seconds to wait for an epoch on a busy machine."""
TIMES = "seconds"
"""Columns with this word differ from run to run."""


def test_a_killed_training_goes_on_to_the_same_bytes(complete: Complete, copy: Workspace) -> None:
    for made in (RUN, f"{STUDY}/tables", f"{STUDY}/figures"):  # all that training leads to
        shutil.rmtree(copy.root / made)
    (copy.root / REPORT / "report.html").unlink()

    workflow = copy.start(*COMMAND)
    first = _kill_after_epoch(copy, workflow, 1)
    assert workflow.wait(PATIENCE) == 1, "Snakemake must report the job that was killed"
    assert _epoch(copy) == first
    assert not (copy.root / RUN / "model.safetensors").exists()

    workflow = copy.start(*COMMAND)
    second = _kill_after_epoch(copy, workflow, first + 1, scheduler=True)
    assert first < second < EPOCHS

    locked = copy.run(*COMMAND, check=False)
    assert locked.returncode != 0
    assert "--unlock" in locked.stderr, "Snakemake must say how to go on"
    copy.run("--unlock")
    copy.run(*COMMAND)

    card = json.loads(copy.read(f"{RUN}/card.json"))
    assert card["resumed"] == 2
    assert card["epochs_run"] == EPOCHS
    assert not (copy.root / RUN / "checkpoint.safetensors").exists()
    assert json.loads(complete.workspace.read(f"{RUN}/card.json"))["resumed"] == 0
    _assert_same_results(complete.workspace.root / STUDY, copy.root / STUDY)


def _kill_after_epoch(
    workspace: Workspace, workflow: subprocess.Popen[str], epoch: int, *, scheduler: bool = False
) -> int:
    """Kill the training script once it has done an epoch; with `scheduler`, Snakemake before it."""
    script = _training_script(workflow, time.monotonic() + PATIENCE)
    _wait_for_epoch(workspace, script, epoch)
    script.send_signal(signal.SIGSTOP)
    reached = _epoch(workspace)
    assert reached < EPOCHS, "training was too quick to be killed in the middle"
    if scheduler:
        os.kill(workflow.pid, signal.SIGKILL)
        assert workflow.wait(PATIENCE) == -signal.SIGKILL
    script.kill()
    psutil.wait_procs([script], timeout=PATIENCE)
    return reached


def _training_script(workflow: subprocess.Popen[str], deadline: float) -> psutil.Process:
    """The process that trains, found among the children of Snakemake."""
    while time.monotonic() < deadline:
        assert workflow.poll() is None, "Snakemake ended before training began"
        for child in psutil.Process(workflow.pid).children(recursive=True):
            if any(part.endswith(".train.py") for part in _command(child)[1:2]):
                return child
        time.sleep(0.01)
    pytest.fail("no training began")


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def _wait_for_epoch(workspace: Workspace, script: psutil.Process, epoch: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while _epoch(workspace) < epoch:
        assert script.is_running(), f"training ended before epoch {epoch} was seen"
        assert time.monotonic() < deadline, f"epoch {epoch} was not reached"
        time.sleep(0.005)


def _epoch(workspace: Workspace) -> int:
    return epochs_done(workspace.root / RUN / "checkpoint.safetensors")


def _assert_same_results(unbroken: Path, resumed: Path) -> None:
    """Weights and metrics byte by byte; tables and histories but for the seconds; cards in what matters."""
    exact = [*_found(unbroken, "runs/**/*.safetensors"), *_found(unbroken, "runs/**/metrics.tsv")]
    assert len(exact) == 3 + 4
    for name in exact:
        assert (resumed / name).read_bytes() == (unbroken / name).read_bytes(), name
    timed = [*_found(unbroken, "tables/*.tsv"), *_found(unbroken, "runs/**/history.tsv")]
    assert len(timed) == 3 + 3
    for name in timed:
        pd.testing.assert_frame_equal(_untimed(resumed / name), _untimed(unbroken / name), check_exact=True)
    cards = [
        json.loads((root / "runs/main/dice/seed-0/card.json").read_text()) for root in (unbroken, resumed)
    ]
    for key in ("best_epoch", "best_val_loss", "digests", "network", "loss", "training", "samples"):
        assert cards[0][key] == cards[1][key], key


def _found(root: Path, pattern: str) -> Iterator[str]:
    return (path.relative_to(root).as_posix() for path in sorted(root.glob(pattern)))


def _untimed(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, sep="\t", dtype=str)
    return frame[[name for name in frame.columns if TIMES not in name]]
