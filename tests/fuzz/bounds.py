# SPDX-License-Identifier: MIT
"""How many examples are tried, and the time and memory that one may take."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from hypothesis import HealthCheck, event, settings

VARIABLE = "MICROTOME_FUZZ_EXAMPLES"
"""Set by `make fuzz`: examples of each parser. Without it, the same few are tried each time."""
FEW = 100
MOST_SECONDS = 10.0
"""Of processor time."""
MOST_BYTES = 2 * 2**30
"""Beyond what the process has when a test begins."""
STATUS = Path("/proc/self/status")

fuzzed = settings(
    max_examples=int(os.environ.get(VARIABLE, FEW)),
    derandomize=VARIABLE not in os.environ,
    deadline=None,  # `bounded` watches the time: its limit also ends what would never return
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""Settings of every fuzz test."""


class TooSlowError(AssertionError):
    """An example took longer than `MOST_SECONDS`."""


@contextmanager
def bounded(*clear: type[Exception]) -> Iterator[None]:
    """Let an example be parsed or refused by one of the clear errors, in time; nothing else may come out.

    Args:
        clear: The errors that the parser documents.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TooSlowError(MOST_SECONDS)

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS)
    try:
        yield
        event("parsed")
    except clear as error:
        event("refused")
        assert str(error).strip(), "an error that says nothing"
        str(error).encode("utf-8")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def memory() -> Iterator[None]:
    """Let allocations fail beyond `MOST_BYTES` more than now, where the system can say what is in use."""
    if not STATUS.is_file():
        yield
        return
    lines = (line.split() for line in STATUS.read_text(encoding="utf-8").splitlines())
    used = next(int(words[1]) * 1024 for words in lines if words[0] == "VmData:")
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + MOST_BYTES
    resource.setrlimit(
        resource.RLIMIT_DATA, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
