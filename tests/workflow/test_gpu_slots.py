# SPDX-License-Identifier: MIT
"""Which job has which GPU, on machines that a fake driver makes up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from microtome.workflow import gpus
from tests import fake_gpus

HOLD = """
import sys, time
from microtome.workflow.gpus import held
with held(int(sys.argv[1])) as found:
    print(",".join(found), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with two GPUs, and lock files of its own."""
    monkeypatch.setenv("PATH", fake_gpus.path_with(fake_gpus.write(tmp_path / "bin", 2)))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(gpus.tempfile, "tempdir", str(tmp_path))
    for name in (gpus.VISIBLE, *gpus.SCHEDULED):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gpus, "POLL_SECONDS", 0.02)
    return tmp_path


@pytest.fixture
def start():
    """Starts processes that hold GPUs until a line is written to them."""
    started: list[subprocess.Popen[str]] = []

    def one(count: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLD, str(count)]
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        started.append(subprocess.Popen(command, text=True, env=environment, **pipes))
        return started[-1]

    yield one
    for process in started:
        process.kill()
        process.communicate()


def test_jobs_have_different_gpus(machine, start):
    first, second = start(1), start(1)
    assert {process.stdout.readline().strip() for process in (first, second)} == {"GPU-0000", "GPU-0001"}


def test_a_job_waits_for_one_that_is_killed(machine, start):
    both = start(2)
    assert both.stdout.readline().strip() == "GPU-0000,GPU-0001"
    late = start(1)
    assert "waiting" in late.stderr.readline()
    both.kill()
    assert late.stdout.readline().strip() == "GPU-0000"


def test_while_it_waits_a_job_holds_none(machine, start):
    """A pair that waits for one GPU leaves the other to a job that needs no more."""
    one = start(1)
    assert one.stdout.readline().strip() == "GPU-0000"
    pair = start(2)
    assert "waiting" in pair.stderr.readline()
    other = start(1)
    assert other.stdout.readline().strip() == "GPU-0001"
    for process in (one, other):
        process.kill()
    assert pair.stdout.readline().strip() == "GPU-0000,GPU-0001"


def test_cuda_sees_what_is_held_alone(machine):
    with gpus.held(1):
        assert os.environ[gpus.VISIBLE] == "GPU-0000"
        assert gpus.devices() == ("GPU-0000",)
    assert gpus.VISIBLE not in os.environ


@pytest.mark.parametrize("names", ["0", "GPU-0000,", "0,0"])
def test_a_gpu_has_one_lock_however_it_is_named(machine, monkeypatch, start, names):
    """A job that sees all GPUs, and one that `CUDA_VISIBLE_DEVICES` shows one by its number."""
    first = start(1)
    assert first.stdout.readline().strip() == "GPU-0000"
    monkeypatch.setenv(gpus.VISIBLE, names)
    late = start(1)
    assert "waiting" in late.stderr.readline()
    first.kill()
    assert late.stdout.readline().strip() == names.split(",")[0]


def test_devices_that_are_given_are_chosen_from(machine, monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "3, GPU-abc,-1,5")
    assert gpus.devices() == ("3", "GPU-abc")
    with gpus.held(1) as found:
        assert found == ("3",)
    assert os.environ[gpus.VISIBLE] == "3, GPU-abc,-1,5"


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_changes_without_gpus_or_with_too_few(machine, count):
    with gpus.held(count):
        assert gpus.VISIBLE not in os.environ
    assert not list(machine.glob("microtome-gpus-*"))


def test_what_a_scheduler_gave_is_not_locked(machine, monkeypatch):
    """Slices of GPUs that jobs are to share (MPS) are seen by several jobs."""
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv(gpus.VISIBLE, "0")
    with gpus.held(1), gpus.held(1) as found:
        assert found == ("0",)


def test_a_job_of_a_scheduler_with_more_gpus_chooses(machine, monkeypatch, start):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    first = start(1)
    assert first.stdout.readline().strip() == "GPU-0000"
    with gpus.held(1) as second:
        assert second == ("GPU-0001",)


def test_slices_stand_for_their_gpu(tmp_path, monkeypatch):
    slices = [fake_gpus.MIG.format(number=number) for number in range(2)]
    monkeypatch.setenv("PATH", fake_gpus.path_with(fake_gpus.write(tmp_path, 2, slices=slices)))
    assert gpus.shown() == ("MIG-0000", "MIG-0001", "GPU-0001")


def test_the_driver_is_asked_once(tmp_path, monkeypatch):
    """Without its daemon, `nvidia-smi` takes seconds; a start of Snakemake wants to know several times."""
    folder = fake_gpus.write(tmp_path, 2)
    monkeypatch.setenv("PATH", fake_gpus.path_with(folder))
    assert gpus.shown() == ("GPU-0000", "GPU-0001")
    (folder / "nvidia-smi").write_text("#!/bin/sh\nexit 1\n")
    assert gpus.shown() == ("GPU-0000", "GPU-0001")


def test_a_driver_that_fails_shows_none(tmp_path, monkeypatch):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho no driver; exit 9\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", fake_gpus.path_with(tmp_path))
    assert gpus.shown() == ()


@pytest.mark.parametrize(
    ("device", "asked", "expected"), [("auto", 1, 2), ("cuda", 2, 2), ("auto", 3, None), ("cpu", 1, None)]
)
def test_no_more_jobs_than_gpus(machine, device, asked, expected):
    assert gpus.at_a_time(device=device, asked=asked) == expected
