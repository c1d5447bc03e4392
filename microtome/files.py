# SPDX-License-Identifier: MIT
"""Files on disk: written under a temporary name and renamed when whole, and named by their digests."""

import glob
import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

_UMASK = os.umask(0)
os.umask(_UMASK)
FILE_MODE = 0o666 & ~_UMASK
"""Mode of a new file; libraries that write to a temporary file of their own leave it to its owner alone."""
PARTIAL = "partial"
"""Mark in the name of a file or folder that is being written; the number of the process follows."""
UNFINISHED = "unfinished"
"""Mark in the name of a folder that later tries go on with; the key of its content follows."""
PROBE_BYTES = 2**16
"""What a folder must have room for before hours of work begin."""
DIGEST = 16
"""Characters of a hash that cards keep."""
MIRROR_VARIABLE = "MICROTOME_DATA"
"""Names the folder with copies of public data."""
WILDCARD = re.compile(r"\{\s*\w+\s*(,[^{}]*(\{[^{}]*\}[^{}]*)*)?\}")
"""What Snakemake takes for a wildcard in a path."""
LONGEST_PATH = 4000
LONGEST_NAME = 255
"""Bytes; what Linux and macOS take."""


def unfit_for_files(text: str) -> str:
    """Why no file can have this path; empty if one can.

    Example:
        >>> unfit_for_files("a/b.png"), unfit_for_files("a" * 300)
        ('', 'a name of more than 255 bytes')
        >>> unfit_for_files("scan{2}.png")
        "with '{2}' in braces, which Snakemake takes for a wildcard"
    """
    if not text.isprintable():
        return "which has characters that do not print"
    if braced := WILDCARD.search(text):
        return f"with '{braced[0]}' in braces, which Snakemake takes for a wildcard"
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in PurePosixPath(text).parts):
        return f"a name of more than {LONGEST_NAME} bytes"
    return f"a path of more than {LONGEST_PATH} bytes" if len(os.fsencode(text)) > LONGEST_PATH else ""


SEGMENTATIONS = (".png", ".tif", ".tiff", ".bmp", ".nrrd", ".nhdr", ".xml", ".json", ".geojson")
"""Endings of segmentations that other tools make."""


def files_by_name(path: Path, suffixes: Collection[str] = SEGMENTATIONS) -> dict[str, Path]:
    """The files of a folder, or the one file, by the name of their image: without the suffix, or `.ome.tif`.

    Raises:
        ValueError: Two files have one name.

    Example:
        >>> files_by_name(Path("no/such/folder"))
        {}
    """
    files = [path] if path.is_file() else sorted(path.iterdir()) if path.is_dir() else []
    found: dict[str, Path] = {}
    for file in files:
        if file.suffix.lower() in suffixes and not file.name.startswith("."):
            other = found.setdefault(file.stem.removesuffix(".ome"), file)
            if other != file:
                msg = f"{other} and {file.name} are of one name; expected one file for each image"
                raise ValueError(msg)
    return found


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
        _exchange(partial, folder, old)
    finally:
        _remove(partial)
        _remove(old)


@contextmanager
def resumable_folder(folder: Path, key: str) -> Iterator[Path]:
    """As `finished_folder`, but what was written to it before a kill or an error is in it at the next try.

    Only what has its final name is kept, so write each file with `finished_file`; the last file of a sample
    then says that the sample is done.

    Args:
        folder: The folder.
        key: Names what the content is made from, in characters for file names. What was left unfinished under
            another key is deleted.

    Raises:
        ValueError: Nothing was written.

    Example:
        >>> place = Path(tempfile.mkdtemp()) / "maps"
        >>> with suppress(KeyboardInterrupt), resumable_folder(place, "a1") as partial:
        ...     _ = (partial / "first.txt").write_text("1")
        ...     raise KeyboardInterrupt
        >>> with resumable_folder(place, "a1") as partial:
        ...     [path.name for path in partial.iterdir()]
        ['first.txt']
    """
    _remove_abandoned(folder)
    partial = folder.with_name(f".{folder.name}.{UNFINISHED}-{key}")
    for other in folder.parent.glob(f".{glob.escape(folder.name)}.{UNFINISHED}-*"):
        if other != partial:
            _remove(other)
    partial.mkdir(parents=True, exist_ok=True)
    _remove_begun(partial)
    old = folder.with_name(f".{folder.name}.{PARTIAL}-{os.getpid()}-old")
    try:
        yield partial
        _remove_begun(partial)
        _exchange(partial, folder, old)
    finally:
        _remove(old)


def _exchange(partial: Path, folder: Path, old: Path) -> None:
    """Give a filled folder its final name; what had it before is moved away.

    Raises:
        ValueError: Nothing is in it.
    """
    if not any(partial.iterdir()):
        msg = f"nothing was written to {folder}; the job had no samples"
        raise ValueError(msg)
    with suppress(FileNotFoundError):
        folder.replace(old)  # not emptied in place: a folder under its final name is always whole
    partial.replace(folder)


def _remove_begun(folder: Path) -> None:
    """Delete what lies below a folder under temporary names."""
    for path in sorted(folder.rglob(f".*.{PARTIAL}-*"), reverse=True):
        _remove(path) if path.is_dir() else path.unlink(missing_ok=True)


def _remove(folder: Path) -> None:
    """Delete a folder, if it is there."""
    if folder.is_dir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.rmdir()


def merge_folder(source: Path, target: Path) -> None:
    """Move every file below a folder to the same place below another on the same disk.

    A folder that is not there yet is moved as a whole, so that it is never there in part.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.is_dir() and (target / path.name).is_dir():
            merge_folder(path, target / path.name)
        else:
            path.replace(target / path.name)


@contextmanager
def finished_file(path: Path, *, is_shared: bool = False) -> Iterator[Path]:
    """A file name to write to, which becomes `path` only when the writing succeeded.

    Where jobs on several machines may write it at once (`is_shared`), none removes what another has begun.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = secrets.token_hex(8) if is_shared else str(os.getpid())
    if not is_shared:
        _remove_abandoned(path)
    partial = path.with_name(f".{path.name}.{PARTIAL}-{writer}{path.suffix}")
    try:
        yield partial
        partial.chmod(FILE_MODE)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def located(folder: Path | str, files: Iterable[Path | str]) -> Path:
    """Where a job has the files below a folder, which without a shared file system are copies elsewhere.

    Args:
        folder: The folder as the options name it.
        files: Inputs or outputs of the job, as it has them. Where one lies in the folder as it is named, that
            is its place; else the first that lies in a copy of it, or is one, tells.

    Returns:
        Its place; the folder itself where no file tells another.

    Example:
        >>> located("results/raw", [".snakemake/storage/s3/bucket/results/raw/a.tif"]).as_posix()
        '.snakemake/storage/s3/bucket/results/raw'
        >>> located("data/mine", ["data/mine/a.tif"]).as_posix(), located("/data", ["x/y.tif"]).as_posix()
        ('data/mine', '/data')
        >>> located("images", ["results/mine/images/test-0", "images/a/images/1.tif"]).as_posix()
        'images'
    """
    wanted, found = PurePosixPath(folder).parts, [PurePosixPath(file).parts for file in files]
    if any(parts[: len(wanted)] == wanted for parts in found):
        return Path(folder)
    for parts in found:
        for end in range(len(parts), len(wanted) - 1, -1):
            if parts[end - len(wanted) : end] == wanted:
                return Path(*parts[:end])
    return Path(folder)


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


def digest_of_options(options: Any) -> str:
    """Hash options: the first `DIGEST` characters of the SHA-256 of their JSON, keys sorted.

    Example:
        >>> digest_of_options({"a": 1, "b": 2}) == digest_of_options({"b": 2, "a": 1})
        True
    """
    return sha256_of_bytes(json.dumps(options, sort_keys=True).encode())[:DIGEST]


def sha256_of_bytes(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal.

    Example:
        >>> sha256_of_bytes(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read block by block.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mirror_folder(configured: Path | str | None = None) -> Path | None:
    """The folder that holds copies of public data sets and weights, one folder each.

    Args:
        configured: Folder from the configuration; None: the environment variable ``MICROTOME_DATA``, if set.

    Raises:
        NotADirectoryError: It is set but is no folder.
    """
    place = configured or os.environ.get(MIRROR_VARIABLE)
    if not place:
        return None
    if not Path(place).is_dir():
        msg = f"mirror folder '{place}' is not there; correct or unset {MIRROR_VARIABLE} (or the option)."
        raise NotADirectoryError(msg)
    return Path(place)
