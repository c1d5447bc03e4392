# SPDX-License-Identifier: MIT
"""What a table or a figure was made from: runs, data, options, code and environment, with digests.

It stands in the sidecar under ``provenance``, and nowhere else: the table itself is the same for the same
inputs. Paths are relative to the sidecar's folder, so that a results folder can be moved::

    {
      "files":       {"table_II.tsv": "<sha256>", ...},
      "config":      "<digest of the options>",
      "code":        {"script": "scripts/tabulate.py", "digest": "...",
                       "modules": ["microtome.tables.kinds.loss"]},
      "runs":        [{"run": "dice", "split": "main", "seed": 0, "folder": "../runs/main/dice/seed-0",
                       "files": {"card.json": "<sha256>", ...}}],
      "inputs":      [{"path": "../samples.tsv", "sha256": "..."},
                      {"path": "../targets/test-0", "files": 6, "bytes": 98304, "sha256": "..."}],
      "environment": {"versions": {...}, "platform": {...}, "git_commit": {...}}
    }

`microtome.provenance.trace` reads it back and checks it.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.files import digest_of_options, sha256_of_file
from microtome.provenance import environment
from microtome.provenance.cards import CARD_NAME, HISTORY_NAME, METRICS_NAME
from microtome.provenance.runs import RunRecord

RUN_FILES = (CARD_NAME, METRICS_NAME, HISTORY_NAME)
WHOLE_BYTES = 64 << 20
"""Folders up to this size are hashed whole; of larger ones, the names and sizes of files."""


def record(
    options: Mapping[str, Any],
    *,
    script: str,
    code: str,
    runs: Sequence[RunRecord],
    inputs: Iterable[Path],
    home: Path,
) -> dict[str, Any]:
    """Describe what a table or a figure is made from.

    Args:
        options: The rule's options (see `states.products.entry`); `modules` are those chosen by name.
        script: The rule's script, relative to the repository.
        code: Digest of the code behind the rule (`microtome.provenance.code.code_digest`).
        runs: The runs.
        inputs: Files and folders that the rule reads; those of the runs' folders in `RUN_FILES` are told
            with the runs.
        home: Folder of the sidecar.

    Returns:
        The record without ``files``; see this module. JSON-serialisable.

    Raises:
        OSError: An input cannot be read.
    """
    told = {run.folder / name for run in runs for name in RUN_FILES}
    others = dict.fromkeys(path for path in inputs if path not in told)
    return {
        "config": digest_of_options(options),
        "code": {"script": script, "modules": list(options.get("modules", ())), "digest": code},
        "runs": [_of_run(run, home) for run in runs],
        "inputs": [of_path(path, home) for path in others],
        "environment": {
            "versions": environment.versions(),
            "platform": environment.system(),
            "git_commit": environment.git_state(),
        },
    }


def of_path(path: Path, home: Path) -> dict[str, Any]:
    """Describe a file or a folder, as seen from `home`.

    Returns:
        ``path`` and ``sha256``; of a folder also ``files`` and ``bytes``, and the digest is of names, sizes
        and, up to `WHOLE_BYTES`, contents.

    Raises:
        OSError: It cannot be read.
    """
    name = {"path": relative(path, home)}
    return name | (of_folder(path) if path.is_dir() else {"sha256": sha256_of_file(path)})


def of_folder(folder: Path) -> dict[str, Any]:
    """The count, the bytes and the digest of the files in a folder and below; hidden ones do not count.

    Raises:
        OSError: A file cannot be read.
    """
    names = sorted(path.relative_to(folder) for path in folder.rglob("[!.]*") if path.is_file())
    sizes = [(folder / name).stat().st_size for name in names]
    is_whole, digest = sum(sizes) <= WHOLE_BYTES, hashlib.sha256()
    for name, size in zip(names, sizes, strict=True):
        content = sha256_of_file(folder / name) if is_whole else ""
        digest.update(f"{name.as_posix()}\0{size}\0{content}\n".encode())
    return {"files": len(names), "bytes": sum(sizes), "sha256": digest.hexdigest()}


def relative(path: Path, home: Path) -> str:
    """A path as seen from a folder; links are left as they are.

    Example:
        >>> relative(Path("results/demo/mini/samples.tsv"), Path("results/demo/mini/tables"))
        '../samples.tsv'
    """
    return Path(os.path.relpath(path, home)).as_posix()


def _of_run(run: RunRecord, home: Path) -> dict[str, Any]:
    """A run and the digests of its record's files."""
    there = [name for name in RUN_FILES if (run.folder / name).is_file()]
    return {
        "run": run.run,
        "split": run.split,
        "seed": run.seed,
        "folder": relative(run.folder, home),
        "files": {name: sha256_of_file(run.folder / name) for name in there},
    }
