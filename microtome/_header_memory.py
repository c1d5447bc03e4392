# SPDX-License-Identifier: MIT
"""Headers of image files, remembered from one run of the workflow to the next.

A study of 20,000 images has 40,000 files. Reading their headers takes long, looking at their sizes and times
a second; so what a header said is kept, by path, size and modification time. The readers of images are
imported when a header is asked for, not before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.job import finished_file

if TYPE_CHECKING:
    from microtome.images import ImageHeader

Key = tuple[str, int, int]
"""Path, modification time in nanoseconds, size in bytes."""
Values = tuple[Any, ...]
"""The fields of a header, in order."""
READERS = ("images", "_tiff", "_image_types")
"""Modules whose change makes what is remembered worthless."""
_known: dict[Key, Values] = {}


def header_of(path: str, mtime: int, size: int) -> ImageHeader:
    """The header of a file, read again when the file changes.

    Args:
        path: Image file.
        mtime: Its modification time, nanoseconds.
        size: Its size, bytes.

    Raises:
        ImageError: As `images.header`; errors are not remembered.
    """
    from microtome import images

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
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()
