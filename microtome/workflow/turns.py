# SPDX-License-Identifier: MIT
"""Turns: of the processes of one job, one works at a time.

A workflow that is killed leaves its jobs running. The same command, given again, starts them anew: the second
process of a job waits here for the first, so that the two never write to the same files.
"""

import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.5
TAKEN = (errno.EAGAIN, errno.EACCES)
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of file systems that have no locks."""


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold a lock file while a block runs; wait, with a warning, for a process that holds it.

    The operating system lets go of the lock when the process ends, however it ends. On a file system without
    locks nothing is waited for.

    Args:
        path: The lock file; it is made, and stays. Whoever deletes it lets the one who waits go on.

    Raises:
        OSError: The file cannot be made.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, turn(Path(folder) / "job.lock"):
        ...     print((Path(folder) / "job.lock").stat().st_size > 0)
        True
    """
    file = _taken(path)
    try:
        with suppress(OSError):  # who holds it is said to be kind; a full disk must not matter here
            file.truncate(0)
            file.write(json.dumps({"host": socket.gethostname(), "pid": os.getpid()}))
            file.flush()
        yield
    finally:
        with suppress(OSError):
            file.close()


def _taken(path: Path) -> TextIO:
    """Open and lock the file, as soon as nobody else holds it."""
    warned = False
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            if _try(file) and _is_at(file, path):
                return file
        except OSError:
            file.close()
            raise
        if not warned:
            logger.warning("%s", _waiting(file, path))
            warned = True
        file.close()
        time.sleep(POLL_SECONDS)


def _try(file: TextIO) -> bool:
    """Lock a file if nobody else does; True also where there are no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in TAKEN:
            return False
        if error.errno not in WITHOUT_LOCKS:
            raise
        logger.info("the file system of %s has no locks; an earlier process is not waited for", file.name)
    return True


def _is_at(file: TextIO, path: Path) -> bool:
    """Whether the open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _waiting(file: TextIO, path: Path) -> str:
    file.seek(0)
    try:
        holder = json.loads(file.read())
        name = f"process {holder['pid']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        name = "another process"
    return (
        f"{name}, started earlier, still does this job (a killed workflow leaves its jobs running); waiting "
        f"for it to end. If you end it, this one goes on at once; if it is no more, delete {path}"
    )
