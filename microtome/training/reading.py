# SPDX-License-Identifier: MIT
"""Work done by threads ahead of who needs it, in order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
END = object()


def in_order(
    calls: Iterator[Callable[[], Result]], *, threads: int, ahead: int | None = None
) -> Iterator[Result]:
    """Yield the results of calls in the order of the calls, made by threads while the caller works.

    An error, of a call or of the iterator of calls, is raised at its place, after the results before it; what
    was begun beyond it is waited for, what was not begun is dropped.

    Args:
        calls: What is to be called; one thread alone asks for the next, in order.
        threads: That call; 0: each is called when its result is asked for.
        ahead: Results that are being made or wait at most, beside the one that the caller has; None: one more
            than there are threads.

    Raises:
        ValueError: `threads` is below 0, or `ahead` below 1.

    Example:
        >>> list(in_order(iter([lambda: 1, lambda: 2, lambda: 3]), threads=2))
        [1, 2, 3]
    """
    ahead = threads + 1 if ahead is None else ahead
    if threads < 0 or ahead < 1:
        msg = f"found threads={threads}, ahead={ahead}, expected threads from 0 and at least one result ahead"
        raise ValueError(msg)
    return _threaded(calls, threads, ahead) if threads else (call() for call in calls)


def _threaded(calls: Iterator[Callable[[], Result]], threads: int, ahead: int) -> Iterator[Result]:
    with (
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="next") as asking,
        ThreadPoolExecutor(max_workers=threads, thread_name_prefix="read") as calling,
    ):

        def begin() -> Future:
            return calling.submit(_made, asking.submit(next, calls, END))

        waiting = deque(begin() for _ in range(ahead))
        try:
            while (result := waiting.popleft().result()) is not END:
                waiting.append(begin())
                yield result
        finally:
            for future in waiting:
                future.cancel()


def _made(asked: Future) -> object:
    """The result of a call that is yet to come; `END` if none comes."""
    call = asked.result()
    return END if call is END else call()
