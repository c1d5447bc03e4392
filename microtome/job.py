# SPDX-License-Identifier: MIT
"""One job of the workflow: its options, its log, and errors a reader can act on."""

import errno
import json
import logging
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from microtome.turns import turn

_UMASK = os.umask(0)
os.umask(_UMASK)
FILE_MODE = 0o666 & ~_UMASK
"""Mode of a new file; libraries that write to a temporary file of their own leave it to its owner alone."""
PARTIAL = "partial"
"""Mark in the name of a file or folder that is being written; the number of the process follows."""
PROBE_BYTES = 2**16
"""What a folder must have room for before hours of work begin."""
DISK_FULL = (
    "The disk is full: make room on it, or have `results` in config/config.yaml lie on another one. What is "
    "finished is kept; the same command then goes on from here."
)
READ_ONLY = (
    "That disk cannot be written to: make it writable, or have `results` in config/config.yaml lie on "
    "another one. What is finished is kept; the same command then goes on from here."
)
REMEDIES = {errno.ENOSPC: DISK_FULL, errno.EDQUOT: DISK_FULL, errno.EROFS: READ_ONLY}
"""What to do about errors of the file system, by their number."""
SHORT_WRITE = re.compile(r"No space left on device|\d+ requested and \d+ written")
"""What libraries say of a full disk, who do not tell the number."""


@contextmanager
def job(state: str, log: str) -> Iterator[dict[str, Any]]:
    """Run a job: log to a file, and turn an expected error into one clear message.

    If a process of the same job still runs, left over by a killed workflow, it is waited for.

    Args:
        state: The rule's canonical string (`microtome.provenance.state`).
        log: The log file. Warnings and errors also go to standard error.

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
        with turn(_lock_of(Path(log))):
            yield json.loads(state)["options"]
    except (ValueError, OSError) as error:
        logging.getLogger(__name__).info("traceback\n%s", traceback.format_exc())
        message = " ".join([str(error), *remedy(error)])
        with suppress(OSError):  # the log may be on the full disk that the message is about
            handlers[0].stream.write(f"\nerror: {message}\n")
        sys.stderr.write(f"\nerror: {message}\n\n")
        raise SystemExit(1) from error
    except Exception:
        logging.getLogger(__name__).info("traceback\n%s", traceback.format_exc())
        raise
    finally:
        logging.captureWarnings(capture=False)
        for handler in handlers:
            root.removeHandler(handler)
            with suppress(OSError):
                handler.close()


def remedy(error: BaseException) -> list[str]:
    """What to do about an error of the file system.

    Args:
        error: It, or what caused it, may be one.

    Returns:
        A text; nothing for other errors.

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


def _lock_of(log: Path) -> Path:
    """The lock file of a job. It is not the log itself, which Snakemake deletes before a job."""
    return log.with_name(f".{log.name}.lock")


@contextmanager
def finished_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its final name only when everything in it is written.

    Raises:
        ValueError: Nothing was written.
    """
    _remove_abandoned(folder)
    partial = folder.with_name(f".{folder.name}.{PARTIAL}-{os.getpid()}")
    _remove(partial)
    partial.mkdir(parents=True)
    old = partial.with_name(f"{partial.name}-old")
    try:
        yield partial
        if not any(partial.iterdir()):
            msg = f"nothing was written to {folder}; the job had no samples"
            raise ValueError(msg)
        with suppress(FileNotFoundError):
            folder.replace(old)  # not emptied in place: a folder under its final name is always whole
        partial.replace(folder)
    finally:
        _remove(partial)
        _remove(old)


def _remove(folder: Path) -> None:
    """Delete a folder, if it is there."""
    if folder.is_dir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.rmdir()


@contextmanager
def finished_file(path: Path) -> Iterator[Path]:
    """A file name to write to, which becomes `path` only when the writing succeeded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    partial = path.with_name(f".{path.name}.{PARTIAL}-{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.chmod(FILE_MODE)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Make a folder, if need be, and try to write to it.

    Raises:
        OSError: It cannot be written to, or its disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(PROBE_BYTES))


def _remove_abandoned(path: Path) -> None:
    """Delete what killed processes had begun to write under the temporary names of a file or folder."""
    begun = re.compile(rf"\.{re.escape(path.name)}\.{PARTIAL}-(\d{{1,9}})(-old)?(\.\w+)?")
    for found in list(path.parent.iterdir()) if path.parent.is_dir() else []:
        match = begun.fullmatch(found.name)
        if match and not _is_running(int(match[1])):
            _remove(found) if found.is_dir() else found.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, keys in their order."""
    with finished_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
