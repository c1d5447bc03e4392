# SPDX-License-Identifier: MIT
"""One job of the workflow: its options, its log, and errors a reader can act on."""

import errno
import json
import logging
import os
import re
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from microtome.workflow.gpus import held

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.5
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of file systems that have no locks."""
ELSEWHERE = (
    ", or have `results` in config/config.yaml lie on another one. What is finished is kept; the same "
    "command then goes on from here."
)
DISK_FULL = f"The disk is full: make room on it{ELSEWHERE}"
READ_ONLY = f"That disk cannot be written to: make it writable{ELSEWHERE}"
REMEDIES = {errno.ENOSPC: DISK_FULL, errno.EDQUOT: DISK_FULL, errno.EROFS: READ_ONLY}
"""What to do about errors of the file system, by their number."""
SHORT_WRITE = re.compile(r"No space left on device|\d+ requested and \d+ written")
"""What libraries say of a full disk, who do not tell the number."""


@contextmanager
def job(
    state: str, log: str, *, gpus: int = 0, instead: Callable[[str], None] | None = None
) -> Iterator[dict[str, Any]]:
    """Run a job: log to a file, and turn an expected error into one clear message.

    If a process of the same job still runs, left over by a killed workflow, it is waited for.

    Args:
        state: The rule's canonical string (`microtome.provenance.code.state`).
        log: The log file. Warnings and errors also go to standard error.
        gpus: How many it asked for; it gets its own of those of the machine (`microtome.workflow.gpus`).
        instead: Called with the message of an error, to write something in the place of what cannot be made;
            then the job has not failed. What another machine or attempt may mend (a full disk, too little
            memory) fails the job all the same.

    Yields:
        The options in the state.

    Raises:
        SystemExit: The job failed for a reason that its message explains; the message is on standard error,
            and the last line of the log, which Snakemake shows.
        Exception: A fault of the program. In both cases the traceback is in the log.
    """
    root = logging.getLogger()
    handlers = [logging.FileHandler(log, mode="w", encoding="utf-8"), logging.StreamHandler()]
    handlers[1].setLevel(logging.WARNING)
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)
    logging.getLogger("microtome").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    try:
        # the log itself is deleted before a job
        with turn(Path(log).with_name(f".{Path(log).name}.lock")), held(gpus):
            yield json.loads(state)["options"]
    except Exception as error:
        logger.info("traceback\n%s", traceback.format_exc())
        is_expected, is_mendable = isinstance(error, ValueError | OSError), not _is_of_machine(error)
        if not is_expected and (instead is None or not is_mendable):
            raise
        name = "" if is_expected else f"{type(error).__name__}: "
        message = name + " ".join([str(error), *remedy(error)])
        with suppress(OSError):  # the log may be on the full disk that the message is about
            handlers[0].stream.write(f"\nerror: {message}\n")
        sys.stderr.write(f"\nerror: {message}\n\n")
        if instead is None or not is_mendable:
            raise SystemExit(1) from error
        instead(message)
    finally:
        logging.captureWarnings(capture=False)
        for handler in handlers:
            root.removeHandler(handler)
            with suppress(OSError):
                handler.close()


def _is_of_machine(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or bool(remedy(error))


def remedy(error: BaseException) -> list[str]:
    """What to do about an error of the file system, or one that such an error caused; nothing for others.

    Example:
        >>> remedy(OSError(errno.ENOSPC, "No space left on device"))[0][:21]
        'The disk is full: mak'
        >>> remedy(ValueError("the mask is empty"))
        []
    """
    if isinstance(error, OSError):
        if SHORT_WRITE.search(str(error)):
            return [DISK_FULL]
        if error.errno in REMEDIES:
            return [REMEDIES[error.errno]]
    return remedy(error.__cause__) if error.__cause__ else []


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Hold a lock file while a block runs; wait, with a warning, for a process that holds it.

    A killed workflow leaves its jobs running, and the same command starts them anew: the second process of a
    job waits here. The operating system lets go of the lock when the process ends, however it ends. On a file
    system without locks nothing is waited for.

    Args:
        path: The lock file; it is made, and stays. Whoever deletes it lets the one who waits go on.

    Raises:
        OSError: The file cannot be made.
    """
    from filelock import FileLock, Timeout  # only jobs have it; what makes the DAG imports `remedy`

    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger.warning("%s", _waiting(path))
        lock.acquire(poll_interval=POLL_SECONDS)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in WITHOUT_LOCKS:
            raise
        logger.info("the file system of %s has no locks; an earlier process is not waited for", path)
    try:
        with suppress(OSError):  # who holds it is said to be kind; a full disk must not matter here
            path.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield
    finally:
        lock.release()


def _waiting(path: Path) -> str:
    try:
        holder = path.read_text(encoding="utf-8", errors="replace")[:200]
    except OSError:
        holder = ""
    return (
        f"{holder or 'another process'}, started earlier, still does this job (a killed workflow leaves its "
        "jobs running); waiting for it to end. If you end it, this one goes on at once; if it is no more, "
        f"delete {path}"
    )
