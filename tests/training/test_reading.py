# SPDX-License-Identifier: MIT
"""Threads that work ahead: order, errors at their place, how far ahead, an early end."""

import threading
import time
from functools import partial

import numpy as np
import pytest

from microtome.training.reading import in_order


def late(number, seconds):
    time.sleep(seconds)
    return number


@pytest.mark.parametrize("threads", [0, 1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_results_come_in_the_order_of_the_calls(threads, count):
    seconds = np.random.default_rng(count).uniform(0, 2e-3, count)
    calls = (partial(late, number, wait) for number, wait in enumerate(seconds))
    assert list(in_order(calls, threads=threads)) == list(range(count))


def failing():
    msg = "the third"
    raise OSError(msg)


def calls_then(last):
    yield partial(late, 0, 0.02)
    yield partial(late, 1, 0)
    yield from last()


def of_a_call():
    yield failing
    yield partial(late, 3, 0)


def of_the_calls():
    failing()
    yield


@pytest.mark.parametrize("last", [of_a_call, of_the_calls])
@pytest.mark.parametrize("threads", [0, 1, 3])
def test_errors_are_raised_at_their_place(last, threads):
    found = []
    with pytest.raises(OSError, match="the third"):
        found.extend(in_order(calls_then(last), threads=threads))
    assert found == [0, 1]


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 1), (2, 3), (3, None)])
def test_no_more_is_made_than_so_many_ahead(threads, ahead):
    begun = []
    results = in_order((partial(begun.append, number) for number in range(30)), threads=threads, ahead=ahead)
    most = 0
    for taken, _ in enumerate(results, 1):
        time.sleep(1e-3)
        most = max(most, len(begun) - taken)
    assert most == (ahead or threads + 1)


def test_what_nobody_asks_for_is_not_begun():
    begun = []

    def call():
        begun.append(1)
        time.sleep(0.05)

    results = in_order(iter([call] * 100), threads=1, ahead=8)
    next(results)
    results.close()
    assert len(begun) < 6


def test_calls_are_asked_for_by_one_thread_and_made_by_several():
    asking, calling, together = set(), set(), threading.Barrier(2)

    def call():
        together.wait(timeout=5)  # two are in it at once
        calling.add(threading.get_ident())

    def calls():
        for _ in range(20):
            asking.add(threading.get_ident())
            yield call

    assert len(list(in_order(calls(), threads=2, ahead=4))) == 20
    assert len(asking) == 1
    assert len(calling) == 2
    assert not (asking | calling) & {threading.get_ident()}


def test_without_threads_each_is_made_when_it_is_asked_for():
    begun = []
    results = in_order((partial(begun.append, threading.get_ident()) for _ in range(3)), threads=0)
    assert begun == []
    next(results)
    assert begun == [threading.get_ident()]


@pytest.mark.parametrize("options", [{"threads": -1}, {"threads": 1, "ahead": 0}])
def test_numbers_that_make_no_sense(options):
    with pytest.raises(ValueError, match="expected threads from 0 and at least one result ahead"):
        in_order(iter([]), **options)
