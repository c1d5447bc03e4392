# SPDX-License-Identifier: MIT
"""Signals while a block runs: how they are handled, and that they are heard at once.

Python runs its handlers in the main thread, between two of its own instructions: not while that thread waits
for a GPU or for another process.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | signal.Handlers
SIGNALLED = 128
"""Exit status of a process that a signal ends, less the signal's number."""


def may_be_handled() -> bool:
    """Whether this is the main thread, where alone Python lets signals be handled.

    Example:
        >>> may_be_handled()
        True
    """
    return threading.current_thread() is threading.main_thread()


@contextmanager
def handled(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Have signals handled so while a block runs, and as before afterwards; nothing outside the main thread.

    Example:
        >>> seen = []
        >>> with handled({signal.SIGUSR1: lambda number, frame: seen.append(number)}):
        ...     os.kill(os.getpid(), signal.SIGUSR1)
        >>> seen == [signal.SIGUSR1]
        True
    """
    if not may_be_handled():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def heard(react: Callable[[], None]) -> Iterator[None]:
    """Have a thread call a function when a signal comes that Python handles, whatever the main thread does.

    In the main thread alone.

    Args:
        react: Called once a signal.
    """
    told, tell = os.pipe()
    os.set_blocking(tell, False)

    def listen() -> None:
        while os.read(told, 1):
            react()

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(tell)
        thread.join()
        os.close(told)
