# SPDX-License-Identifier: MIT
"""One job of the workflow: its options, its log, and errors a reader can act on."""

import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_UMASK = os.umask(0)
os.umask(_UMASK)
FILE_MODE = 0o666 & ~_UMASK
"""Mode of a new file; libraries that write to a temporary file of their own leave it to its owner alone."""


@contextmanager
def job(state: str, log: str) -> Iterator[dict[str, Any]]:
    """Run a job: log to a file, and turn an expected error into one clear message.

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
        yield json.loads(state)["options"]
    except (ValueError, OSError) as error:
        logging.getLogger(__name__).info("traceback\n%s", traceback.format_exc())
        handlers[0].stream.write(f"\nerror: {error}\n")
        sys.stderr.write(f"\nerror: {error}\n\n")
        raise SystemExit(1) from error
    except Exception:
        logging.getLogger(__name__).info("traceback\n%s", traceback.format_exc())
        raise
    finally:
        logging.captureWarnings(capture=False)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


@contextmanager
def finished_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which takes its final name only when everything in it is written.

    Raises:
        ValueError: Nothing was written.
    """
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    _remove(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
        if not any(partial.iterdir()):
            msg = f"nothing was written to {folder}; the job had no samples"
            raise ValueError(msg)
        _remove(folder)
        partial.replace(folder)
    finally:
        _remove(partial)


def _remove(folder: Path) -> None:
    """Delete a folder, if it is there."""
    if folder.is_dir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()


@contextmanager
def finished_file(path: Path) -> Iterator[Path]:
    """A file name to write to, which becomes `path` only when the writing succeeded."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.chmod(FILE_MODE)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically, keys in their order."""
    with finished_file(path) as partial:
        partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
