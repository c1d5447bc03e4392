# SPDX-License-Identifier: MIT
"""Checkpoints by time: when they are written, what is in them, and what signals and errors do."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from microtome.training import checkpoint as checkpoints
from microtome.training import saving
from microtome.training.checkpoint import Checkpoint
from microtome.training.kept import KeptWeights
from microtome.training.loop import fit
from microtome.training.saving import CheckpointWriter, Timing, copied
from microtome.training.selection import BY_LOSS
from tests.training import problems, test_selection
from tests.training.problems import KEY, Interrupted, StoppedError
from tests.training.test_resume import assert_same_end

REPOSITORY = Path(__file__).resolve().parents[2]
SELDOM = Timing(every=1e6)
PATIENCE = 120
"""Seconds to wait for a thread on a busy machine."""
EPOCHS = {"epochs": 8}


def state(epoch, *, size=3):
    rows = tuple({"epoch": one + 1, "val_loss": 1.0} for one in range(epoch))
    weights = {"weight": torch.full((size,), float(epoch))}
    return Checkpoint(KEY, epoch, weights, weights, {"state": {}, "param_groups": []}, rows)


def offer(writer, epoch):
    found = state(epoch)
    writer.offer(found, found.model)


def reached(path):
    found = checkpoints.load(path, KEY)
    return found.epoch if found else 0


def wait_for(path, epoch):
    deadline = time.monotonic() + PATIENCE
    while reached(path) != epoch:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_newest_state_is_written_once_the_time_has_come(tmp_path):
    """Also if no other epoch ends until then."""
    path = tmp_path / "c"
    with CheckpointWriter(path, BY_LOSS, Timing(every=0.3)) as writer:
        for epoch in (1, 2, 3):
            offer(writer, epoch)
        assert reached(path) == 0
        wait_for(path, 3)
        offer(writer, 4)
        assert reached(path) == 3
    assert reached(path) == 4


def test_what_is_left_is_written_at_the_end_however_it_comes(tmp_path):
    path = tmp_path / "c"
    with pytest.raises(StoppedError), CheckpointWriter(path, BY_LOSS, SELDOM) as writer:
        offer(writer, 1)
        offer(writer, 2)
        raise StoppedError
    assert reached(path) == 2


def test_without_a_time_each_state_is_written_before_training_goes_on(tmp_path):
    path = tmp_path / "c"
    with CheckpointWriter(path, BY_LOSS) as writer:
        for epoch in (1, 2):
            offer(writer, epoch)
            assert reached(path) == epoch
        assert all(one.name != "checkpoint" for one in threading.enumerate())


def test_in_the_last_minute_of_a_walltime_each_state_is_written(tmp_path, monkeypatch):
    path = tmp_path / "c"
    monkeypatch.setattr(saving, "LAST_MINUTE", 1000.0)
    with CheckpointWriter(path, BY_LOSS, Timing(every=1e6, walltime=900.0)) as writer:
        for epoch in (1, 2):
            offer(writer, epoch)
            wait_for(path, epoch)
    path.unlink()
    with CheckpointWriter(path, BY_LOSS, Timing(every=1e6, walltime=-1.0)) as writer:
        offer(writer, 3)  # the walltime is over and the job goes on: it was none
        time.sleep(0.2)
        assert not path.exists()


def test_the_last_minute_is_that_of_the_job(tmp_path):
    """Which has read images for long before it trains."""
    path = tmp_path / "c"
    timing = Timing(every=1e6, walltime=900.0, began=time.time() - 870)
    with CheckpointWriter(path, BY_LOSS, timing) as writer:
        offer(writer, 1)
        wait_for(path, 1)
    passed = Timing.of_job({}, {"runtime": 1}).began - time.time()
    assert -PATIENCE < passed <= 0


def test_one_is_written_at_a_time_and_the_newest_waits(tmp_path, monkeypatch):
    done, busy, save = [], threading.Lock(), checkpoints.save

    def slow(path, found):
        assert busy.acquire(blocking=False), "two are written at once"
        time.sleep(0.1)
        save(path, found)
        done.append(found.epoch)
        busy.release()

    monkeypatch.setattr(checkpoints, "save", slow)
    with CheckpointWriter(tmp_path / "c", BY_LOSS, Timing(every=1e-6)) as writer:
        for epoch in range(1, 9):
            offer(writer, epoch)
            time.sleep(0.03)
    assert done == sorted(set(done))
    assert done[-1] == 8
    assert len(done) < 8


def test_one_state_waits_however_long_a_write_takes(tmp_path, monkeypatch):
    """Those between would fill the memory of a GPU whose epochs are short."""
    began, goes_on, seen = threading.Event(), threading.Event(), []

    def slow(*_):
        began.set()
        goes_on.wait(PATIENCE)

    monkeypatch.setattr(checkpoints, "save", slow)
    with CheckpointWriter(tmp_path / "c", BY_LOSS, Timing(every=1e-6)) as writer:
        for epoch in range(1, 11):
            found = state(epoch)
            seen.append(weakref.ref(found.model["weight"]))
            writer.offer(found, found.model)
            assert began.wait(PATIENCE)
        del found
        assert [number for number, one in enumerate(seen, 1) if one() is not None] == [1, 10]
        goes_on.set()


@pytest.mark.parametrize("timing", [Timing(), Timing(every=1e-6), SELDOM])
def test_an_error_of_writing_is_raised_where_training_goes_on(tmp_path, monkeypatch, timing):
    def full(*_):
        msg = "No space left on device"
        raise OSError(msg)

    monkeypatch.setattr(checkpoints, "save", full)
    with pytest.raises(OSError, match="No space left"):
        fit(problems.trainer(), *problems.parts(), checkpoint=tmp_path / "c", key=KEY, timing=timing)
    assert all(one.name != "checkpoint" for one in threading.enumerate())


def test_a_copy_stays_what_it_was():
    model = problems.network()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.rand(2, 1, 4, 4)).square().sum().backward()
    optimizer.step()
    before = copied({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    again = copied(before)
    optimizer.step()
    first, second = (one["optimizer"]["state"][0] for one in (before, again))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"])
    assert before["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]


def test_seldom_checkpoints_keep_the_same_epochs(tmp_path):
    paths = [tmp_path / name for name in ("often.safetensors", "seldom.safetensors")]
    for path, timing in zip(paths, (Timing(), SELDOM), strict=True):
        fit(test_selection.trainer(), *problems.parts(), checkpoint=path, key=KEY, timing=timing)
    assert_same_end(*paths)
    files = [sorted(KeptWeights.beside(path).folder.iterdir()) for path in paths]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


@pytest.mark.parametrize("at", [3, 6])
def test_stopped_between_two_checkpoints(tmp_path, at):
    """Kept epochs of after the last checkpoint are trained again, to the same bytes."""
    train, validation = problems.parts()
    whole, path = tmp_path / "whole.safetensors", tmp_path / "c.safetensors"
    fit(test_selection.trainer(), train, validation, checkpoint=whole, key=KEY)
    with pytest.raises(StoppedError):
        stop = Interrupted(train, at=at)
        fit(test_selection.trainer(), stop, validation, checkpoint=path, key=KEY, timing=SELDOM)
    done = fit(test_selection.trainer(), train, validation, checkpoint=path, key=KEY, timing=SELDOM)
    assert done.resumed == 1
    assert_same_end(whole, path)
    assert test_selection.kept_files(whole) == test_selection.kept_files(path)


@dataclass(frozen=True)
class Signalled:
    """Batches in the middle of which signals come: SIGUSR1 in an epoch, another one in a later epoch."""

    batches: problems.PatchBatches
    path: Path
    last: signal.Signals
    at: tuple[int, int] = (3, 5)

    def __len__(self):
        return len(self.batches)

    def drawn(self, number):
        for position, drawn in enumerate(self.batches.drawn(number)):
            if position == 1 and number in self.at:
                os.kill(os.getpid(), signal.SIGUSR1 if number == self.at[0] else self.last)
                wait_for(self.path, self.at[0])
            yield drawn

    def read(self, drawn):
        return self.batches.read(drawn)


def signalled(path, last):
    """Train until a signal ends the process."""
    torch.set_num_threads(1)
    train, validation = problems.parts()
    batches = Signalled(train, path, signal.Signals[last])
    fit(problems.trainer(**EPOCHS), batches, validation, checkpoint=path, key=KEY, timing=SELDOM)


def test_signals_and_kills_between_two_checkpoints(tmp_path):
    """SIGUSR1 has one written, SIGKILL loses what came after it, SIGTERM nothing that was done."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.training.test_saving"]
    running = {
        name: subprocess.Popen([*command, str(tmp_path / name), name], cwd=REPOSITORY, env=environment)
        for name in ("SIGKILL", "SIGTERM")
    }
    whole = tmp_path / "whole"
    fit(problems.trainer(**EPOCHS), *problems.parts(), checkpoint=whole, key=KEY)
    wanted = {"SIGKILL": (-signal.SIGKILL, 3), "SIGTERM": (128 + signal.SIGTERM, 5)}
    for name, process in running.items():
        status = process.wait(timeout=900)
        assert (status, reached(tmp_path / name)) == wanted[name]
        done = fit(
            problems.trainer(**EPOCHS), *problems.parts(), checkpoint=tmp_path / name, key=KEY, timing=SELDOM
        )
        assert done.resumed == 1
        assert_same_end(whole, tmp_path / name)


def test_a_signal_is_heard_while_the_main_thread_waits(tmp_path):
    """For a GPU, or for other processes; here for a pipe, in a call that no signal interrupts."""
    path, (told, tell) = tmp_path / "c", os.pipe()
    masked, written = threading.Event(), []

    def another():
        masked.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            wait_for(path, 1)
            written.append(True)
        finally:
            os.write(tell, b".")

    thread = threading.Thread(target=another)
    thread.start()
    with pytest.raises(SystemExit) as end, CheckpointWriter(path, BY_LOSS, SELDOM) as writer:
        offer(writer, 1)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        try:
            masked.set()
            os.read(told, 1)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    thread.join()
    assert written
    assert end.value.code == 128 + signal.SIGTERM


def test_another_sigterm_does_not_cut_off_what_is_being_written(tmp_path, monkeypatch):
    path, save = tmp_path / "c", checkpoints.save

    def disturbed(*arguments):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)
        save(*arguments)

    monkeypatch.setattr(checkpoints, "save", disturbed)
    with pytest.raises(StoppedError), CheckpointWriter(path, BY_LOSS, SELDOM) as writer:
        offer(writer, 1)
        raise StoppedError
    assert reached(path) == 1


def test_signals_are_handled_as_before_once_training_is_over(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    seen = []
    train, validation = problems.parts()

    class Looking(type(train)):
        def drawn(self, number):
            seen.append([signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGUSR1)])
            return super().drawn(number)

    looking = Looking(train.images, train.windows, train.batch_size)
    fit(problems.trainer(epochs=1), looking, validation, checkpoint=tmp_path / "c", key=KEY, timing=SELDOM)
    assert seen[0] != before == [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGUSR1)]
    fit(problems.trainer(epochs=1), looking, validation)
    assert seen[1] == before


if __name__ == "__main__":
    signalled(Path(sys.argv[1]), sys.argv[2])
