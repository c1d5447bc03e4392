# SPDX-License-Identifier: MIT
"""Turns: two processes of one job never work at the same time."""

import errno
import fcntl
import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from microtome.workflow.job import turn

REPOSITORY = Path(__file__).resolve().parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from microtome.workflow.job import turn
with turn(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""
PATIENCE = 120


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "logs" / ".0.log.lock"


@pytest.fixture
def holder(lock):
    """Another process that has its turn."""
    lock.parent.mkdir()
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def waiting(lock, caplog):
    """A thread that waits for its turn and has said so; what it notes once it had it."""
    had = []

    def take():
        with turn(lock):
            had.append(time.monotonic())

    thread = threading.Thread(target=take)
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while "waiting for it to end" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return thread, had


def test_a_turn_waits_for_a_process_until_it_is_killed(lock, holder, caplog):
    thread, had = waiting(lock, caplog)
    assert f"process {holder.pid} on " in caplog.text, "the message says who holds the turn"
    time.sleep(1)
    assert not had
    holder.kill()
    thread.join(PATIENCE)
    assert len(had) == 1


def test_whoever_deletes_the_file_does_not_wait(lock, holder, caplog):
    thread, had = waiting(lock, caplog)
    assert str(lock) in caplog.text, "the message names the file"
    lock.unlink()
    thread.join(PATIENCE)
    assert len(had) == 1
    assert holder.poll() is None


def test_turns_follow_each_other(lock, caplog):
    lock.parent.mkdir()
    for _ in range(2):
        with turn(lock):
            assert lock.exists()
    assert not caplog.records


def test_a_file_system_without_locks_is_no_obstacle(lock, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    lock.parent.mkdir()
    monkeypatch.setattr(fcntl, "flock", refuse)
    with caplog.at_level(logging.INFO), turn(lock):
        assert "has no locks" in caplog.text


def test_other_errors_are_told(lock, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    lock.parent.mkdir()
    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="Input/output"), turn(lock):
        pass
