# SPDX-License-Identifier: MIT
"""Writing behind the network: in order, bounded, whole or not at all, with errors where they can be seen."""

import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from microtome.inference.write_behind import WriteBehind

PATIENCE = 60


class Files:
    """Files in memory: bands by name; a file is there when it was finished."""

    def __init__(self, *, fails_at=None, gate=None):
        self.finished, self.begun, self.thrown, self.threads = {}, [], [], set()
        self.fails_at, self.gate = fails_at, gate

    @contextmanager
    def open(self, name):
        bands = []
        self.begun.append(name)

        def store(band):
            self.threads.add(threading.current_thread())
            if self.gate is not None:
                assert self.gate.wait(PATIENCE)
            if (name, band) == self.fails_at:
                raise OSError(28, "No space left on device")
            bands.append(int(band))

        try:
            yield store
        except BaseException:
            self.thrown.append(name)
            raise
        self.finished[name] = bands


def write(behind, files, name, bands):
    with behind.file(lambda: files.open(name)) as put:
        for band in bands:
            put(np.int64(band))


def test_files_are_written_in_order_by_one_other_thread():
    files = Files()
    with WriteBehind() as behind:
        for name in "abcdefgh":
            write(behind, files, name, range(7))
    assert list(files.finished.items()) == [(name, list(range(7))) for name in "abcdefgh"]
    assert len(files.threads) == 1
    assert threading.current_thread() not in files.threads


def test_the_caller_goes_on_until_so_many_bands_wait():
    """All files together: a fifth band of 8 bytes waits for the first to be written."""
    gate, given = threading.Event(), []
    files = Files(gate=gate)

    def give():
        with WriteBehind(most=32) as behind:
            for number in range(6):
                write(behind, files, str(number), [number])
                given.append(number)

    caller = threading.Thread(target=give)
    caller.start()
    deadline = time.monotonic() + PATIENCE
    while len(given) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    caller.join(0.3)
    assert given == [0, 1, 2, 3]
    assert not files.finished
    gate.set()
    caller.join(PATIENCE)
    assert files.finished == {str(number): [number] for number in range(6)}


def test_what_goes_wrong_is_raised_at_the_next_band_and_nothing_is_written_after_it():
    files, given = Files(fails_at=("b", 1)), 0
    with pytest.raises(OSError, match="No space left"), WriteBehind(most=16) as behind:
        write(behind, files, "a", range(3))
        with behind.file(lambda: files.open("b")) as put:
            for band in range(1000):
                put(np.int64(band))
                given += 1
    assert given <= 1 + 1 + 2 + 1, "what waits, what is being written, and what came before"
    assert files.finished == {"a": [0, 1, 2]}
    assert files.thrown == ["b"]


def test_a_band_larger_than_all_that_may_wait_is_written_all_the_same():
    files = Files()
    with WriteBehind(most=1) as behind:
        write(behind, files, "a", range(5))
    assert files.finished == {"a": [0, 1, 2, 3, 4]}


def test_what_goes_wrong_with_the_last_band_is_raised_at_the_end():
    files = Files(fails_at=("a", 0))
    with pytest.raises(OSError, match="No space left"), WriteBehind() as behind:
        write(behind, files, "a", [0])
    assert not files.finished


def test_a_file_whose_bands_do_not_all_come_is_not_finished():
    files = Files()
    with WriteBehind() as behind:
        with pytest.raises(ValueError, match="NaN"), behind.file(lambda: files.open("a")) as put:
            put(np.int64(0))
            raise ValueError("NaN in the prediction")
        write(behind, files, "b", [1])
    assert files.finished == {"b": [1]}
    assert files.thrown in (["a"], [])


def test_the_error_of_the_block_is_the_one_that_is_told():
    files = Files(fails_at=("a", 0))
    with pytest.raises(KeyboardInterrupt), WriteBehind() as behind:
        write(behind, files, "a", [0])
        raise KeyboardInterrupt
