# SPDX-License-Identifier: MIT
"""Writing maps behind the network: a thread stores bands while the next ones are predicted."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from queue import SimpleQueue
from threading import Condition
from types import TracebackType
from typing import Any, Self

Store = Callable[..., object]
"""Takes what is to be written of a file, band by band."""
Opened = Callable[[], AbstractContextManager[Store]]
"""Opens a file; it is finished when the block ends, and not there at all if an error ends it."""
WAITING = 32 * 2**20
"""Bytes of bands that wait at most, of all files together; of larger bands one."""
Bands = SimpleQueue[tuple[Any, ...] | None]
"""The bands of a file; then an empty one, or None if it is abandoned."""


class _AbandonedError(Exception):
    """The bands of a file end before it is whole."""


class WriteBehind:
    """A thread that writes files one after another, each band by band, in the order in which they are given.

    What goes wrong with a file is raised where the next band is given, or at the end of the block; nothing is
    written after it. An error of the block ends what is begun.

    Args:
        most: Bytes of bands that wait, at most, but always one; whoever gives more waits himself.

    Example:
        >>> written = []
        >>> @contextmanager
        ... def opened():
        ...     yield written.append
        >>> with WriteBehind() as writer:
        ...     for name in "ab":
        ...         with writer.file(opened) as put:
        ...             put(name)
        >>> written
        ['a', 'b']
    """

    def __init__(self, most: int = WAITING) -> None:
        self._most, self._held, self._room = most, 0, Condition()
        self._error: BaseException | None = None
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write-behind")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until everything is written."""
        self._pool.shutdown()
        if error is None:
            self._raise_failed()

    @contextmanager
    def file(self, opened: Opened) -> Iterator[Store]:
        """A function that takes the bands of a file, whose arrays must stay as they are.

        The file is finished some time after the block.

        Raises:
            Exception: What went wrong with this or an earlier file.
        """
        self._raise_failed()
        bands: Bands = SimpleQueue()
        self._pool.submit(self._write, opened, bands)

        def put(*band: Any) -> None:
            self._raise_failed()
            self._take_room(_size(band))
            bands.put(band)

        end: tuple[()] | None = None
        try:
            yield put
            end = ()
        finally:
            bands.put(end)

    def _write(self, opened: Opened, bands: Bands) -> None:
        """Write a file as its bands come; after an error take them all the same, so that nobody waits."""
        taken = self._taken(bands)
        with suppress(_AbandonedError):
            try:
                if self._error is None:
                    with opened() as store:
                        for band in taken:
                            store(*band)
            except _AbandonedError:
                raise
            except Exception as error:  # noqa: BLE001 (it is raised where the next band is given)
                self._error = error
            for _ in taken:
                pass

    def _taken(self, bands: Bands) -> Iterator[tuple[Any, ...]]:
        """The bands of a file, until its end.

        Raises:
            _AbandonedError: It ended before it was whole.
        """
        while band := bands.get():
            yield band
            with self._room:
                self._held -= _size(band)
                self._room.notify()
        if band is None:
            raise _AbandonedError

    def _take_room(self, size: int) -> None:
        """Wait until there is room for a band."""
        with self._room:
            self._room.wait_for(lambda: not self._held or self._held + size <= self._most)
            self._held += size

    def _raise_failed(self) -> None:
        if self._error is not None:
            raise self._error


def _size(band: tuple[Any, ...]) -> int:
    """Bytes of the arrays of a band."""
    return sum(getattr(part, "nbytes", 0) for part in band)
