# SPDX-License-Identifier: MIT
"""Headers of image files, remembered from one run of the workflow to the next.

A study of 20,000 images has 40,000 files. Reading their headers takes long, looking at their sizes and times
a second; so what a header said is kept, by path, size and modification time. The readers of images are
imported when a header is asked for, not before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.faults import Fault
from microtome.files import finished_file

if TYPE_CHECKING:
    from microtome.io.images import ImageHeader

Key = tuple[str, int, int]
"""Path, modification time in nanoseconds, size in bytes."""
Values = tuple[Any, ...]
"""The fields of a header, in order."""
READERS = ("images", "tiff", "raster")
"""Modules of `io` whose change makes what is remembered worthless."""
READERS_FOLDER = Path(__file__).parents[1] / "io"
_known: dict[Key, Values] = {}


@dataclass(frozen=True)
class Size:
    """Rows, columns and channels of a file."""

    height: int
    width: int
    channels: int = 0


def header_of(path: str, mtime: int, size: int) -> ImageHeader:
    """The header of a file, read again when the file changes.

    Args:
        path: Image file.
        mtime: Its modification time, nanoseconds.
        size: Its size, bytes.

    Raises:
        ImageError: As `images.header`; errors are not remembered.
    """
    from microtome.io import images

    key = (path, mtime, size)
    if key not in _known:
        _known[key] = astuple(images.header(path))
    names = (field.name for field in fields(images.ImageHeader))
    return images.ImageHeader(**dict(zip(names, _known[key], strict=True)))


@contextmanager
def remembered(file: Path) -> Iterator[None]:
    """Begin with the headers in a file, and add to it those that are read inside.

    A file that is absent, damaged or of other readers is made anew; where none can be written, none is.
    """
    _known.update(_load(file))
    before = len(_known)
    try:
        yield
    finally:
        if len(_known) > before:
            with suppress(OSError):
                _save(file)


def _load(file: Path) -> dict[Key, Values]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["readers"] != _readers_digest():
            return {}
        return {(path, mtime, size): tuple(values) for path, mtime, size, *values in content["headers"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _save(file: Path) -> None:
    rows = [[*key, *values] for key, values in _latest().items()]
    with finished_file(file) as partial:
        text = json.dumps({"readers": _readers_digest(), "headers": rows})
        partial.write_text(text, encoding="utf-8")


def _latest() -> dict[Key, Values]:
    """One header for each path, the one that was read last."""
    last = {key[0]: key for key in _known}
    return {key: _known[key] for key in last.values()}


def _readers_digest() -> str:
    digest = hashlib.sha256()
    for name in READERS:
        digest.update((READERS_FOLDER / f"{name}.py").read_bytes())
    return digest.hexdigest()


def look(path: str, where: str, page: int) -> Generator[Fault, None, ImageHeader | None]:
    """The header of an image file, None if it cannot be had.

    Args:
        path: Image file.
        where: File, row and column, for the fault.
        page: Page of a multi-page TIFF, which has to be there.

    Yields:
        What is wrong with it.
    """
    from microtome.io.images import ImageError

    file = Path(path)
    if not file.is_file():
        yield absent(file, where, "an image file")
        return None
    try:
        status = file.stat()
        found = header_of(path, status.st_mtime_ns, status.st_size)
    except (ImageError, OSError) as error:
        expected = "an image that can be read; copy the file again, or correct the path"
        yield Fault(where, f"'{path}', which cannot be read ({reason(error, path)})", expected)
        return None
    if page >= found.pages:
        expected = f"below {found.pages}; it has {found.pages} page{'s' * (found.pages > 1)}, from 0"
        yield Fault(f"{where.split()[0]} page", f"page {page} of '{path}'", expected)
    return found


def missing(file: Path, where: str, wanted: str) -> Fault | None:
    """The fault of a file that is absent or empty, None of one that can be looked into."""
    if not file.is_file():
        return absent(file, where, wanted)
    if file.stat().st_size == 0:
        return Fault(where, f"'{file.as_posix()}', an empty file", f"{wanted}; copy the file again")
    return None


def absent(file: Path, where: str, wanted: str) -> Fault:
    """The fault of a file that is not there."""
    found = f"'{file.as_posix()}', which {'is a folder' if file.is_dir() else 'does not exist'}"
    return Fault(where, found, f"{wanted}; correct the path in the sheet, or put the file there")


def reason(error: Exception, path: str) -> str:
    """What is wrong with a file, without its name and without the remedy."""
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return text.removeprefix(f"{path}: ").split("; expected")[0].split(", expected")[0].rstrip(".")
