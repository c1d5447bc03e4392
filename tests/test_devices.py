# SPDX-License-Identifier: MIT
"""The choice of the device, and computing the same twice."""

import ctypes
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from microtome.devices import choose_device, number_format, repeatable, require_devices


@pytest.fixture
def machine(monkeypatch):
    def build(*, cuda, mps):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return build


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_auto_takes_the_fastest_and_says_so(machine, caplog, cuda, mps, chosen):
    machine(cuda=cuda, mps=mps)
    with caplog.at_level(logging.INFO):
        assert choose_device("auto") == torch.device(chosen)
    assert f"device: {chosen}" in caplog.text


def test_a_name_is_taken_as_it_is(machine):
    machine(cuda=True, mps=False)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "mps", "tpu"])
def test_a_device_that_is_not_there_is_refused(machine, name):
    machine(cuda=False, mps=False)
    with pytest.raises(
        ValueError, match=rf"device '{name}' is not available here \(available: cpu\); set `device: auto`"
    ):
        choose_device(name)


@pytest.mark.parametrize(
    ("device", "capability", "rounds", "precision", "expected"),
    [
        ("cpu", (9, 0), True, "fp32", "fp32"),
        ("cuda", (9, 0), True, "fp32", "tf32"),
        ("cuda", (9, 0), False, "fp32", "fp32"),
        ("cuda", (7, 5), True, "fp32", "fp32"),
        ("cuda", (9, 0), True, "bf16", "bf16"),
    ],
)
def test_the_format_of_numbers_is_told_as_it_is(monkeypatch, device, capability, rounds, precision, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", rounds)
    assert number_format(torch.device(device), precision) == expected


@pytest.mark.parametrize(("cuda", "mps", "found"), [(True, False, 1), (False, True, 1), (False, False, 0)])
def test_fewer_gpus_than_processes_are_refused(machine, monkeypatch, cuda, mps, found):
    machine(cuda=cuda, mps=mps)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    require_devices(choose_device("auto"), "auto", 1)
    with pytest.raises(ValueError, match=f"job of 2 GPUs sees {found} of them here; set `gpus` in .* cpu"):
        require_devices(choose_device("auto"), "auto", 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(ValueError, match=r"\(CUDA_VISIBLE_DEVICES is '3'\)"):
        require_devices(choose_device("auto"), "auto", 2)


def test_enough_gpus_or_a_cpu_by_its_name_will_do(machine, monkeypatch):
    machine(cuda=True, mps=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    require_devices(choose_device("cuda"), "cuda", 2)
    require_devices(choose_device("cpu"), "cpu", 8)


def state():
    fill = torch.utils.deterministic.fill_uninitialized_memory
    measures = torch.backends.cudnn.benchmark
    return torch.get_num_threads(), torch.get_deterministic_debug_mode(), fill, measures


@pytest.mark.parametrize(("deterministic", "during"), [(True, (1, False)), (False, (0, True))])
@pytest.mark.parametrize("fails", [False, True])
def test_repeatable_restores_what_it_sets(monkeypatch, fails, deterministic, during):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before, threads = state(), torch.get_num_threads() + 1
    try:
        with repeatable(threads, deterministic=deterministic):
            assert state() == (threads, during[0], False, during[1])
            assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert state() == before


def test_repeatable_keeps_the_users_workspace(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    with repeatable(1):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


HELD = """
import sys
import numpy as np
from microtome.devices import map_large_blocks

if sys.argv[1] == "apart":
    map_large_blocks()
np.ones(30 * 2**20, np.uint8)  # once it is freed, the C library keeps such blocks in its heap
large, small = [], []
for _ in range(8):  # each large block with a small one behind it, so that no end of the heap is free
    large.append(np.ones(20 * 2**20, np.uint8))
    small.append(np.ones(2**16, np.uint8))
pages = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
full = pages()
large.clear()
print(full - pages())
"""


STEPS = """
import resource
import sys

import numpy as np

from microtome.devices import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    return len([np.ones(2**20, np.uint8) for _ in range(160)])  # more than a heap keeps anyway
step()
step()
before = faults()
for _ in range(5):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
@pytest.mark.skipif(sys.platform != "linux", reason="counts the pages of Linux")
def test_a_step_finds_the_memory_of_the_step_before():
    """5 steps of 160 MiB are 204,800 pages of 4 KiB; what Python itself takes meanwhile is a few."""
    found = {}
    for how in ("kept", "by default"):
        command = [sys.executable, "-c", STEPS, how]
        found[how] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found["kept"] < 1000
    assert found["by default"] > 100_000


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs Linux")
@pytest.mark.parametrize(("how", "given_back"), [("apart", 150), ("by default", 0)])
def test_large_blocks_are_given_back_when_they_are_freed(how, given_back):
    command = [sys.executable, "-c", HELD, how]
    found = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert found == pytest.approx(given_back, abs=30)
