# SPDX-License-Identifier: MIT
"""Headers of image files, remembered from one run of the workflow to the next.

A study of 20,000 images has 40,000 files. Reading their headers takes long, looking at their sizes and times
a second; so what a header said is kept, by path, size and modification time. The readers of images are
imported when a header is asked for, not before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.faults import Fault
from microtome.files import finished_file
from microtome.io.errors import CubeError

if TYPE_CHECKING:
    from microtome.io.images import ImageHeader

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
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()


if TYPE_CHECKING:
    from microtome.config.study import Data
    from microtome.io.images import ImageHeader
    from microtome.study.sheet import Sample

OUTLINES = frozenset({".xml", ".geojson", ".json"})
"""Endings of label files that hold outlines of objects; these are checked when they are drawn."""
ENVI = ".hdr"
RGB = 3


@dataclass(frozen=True)
class _Size:
    """Rows and columns of a file; bands of a cube."""

    height: int
    width: int
    bands: int = 0


def check_files(samples: Iterable[Sample], sheet: Path, data: Data) -> list[Fault]:
    """Compare what the headers of the files say with the study and with one another.

    Args:
        samples: Samples with resolved paths.
        sheet: The sheet, for messages.
        data: What the study says of its data.

    Returns:
        A fault for each file that is absent, unreadable, of another size or with other channels; one fault
        for a file that several rows name.
    """
    faults = [
        (sample.row, fault)
        for sample in samples
        for fault in _check_sample(sample, f"{sheet}:{sample.row}", data)
    ]
    rows: dict[tuple[str, str, str], list[int]] = {}
    first: dict[tuple[str, str, str], Fault] = {}
    for row, fault in faults:
        key = (fault.where.rpartition(" ")[2], fault.found, fault.expected)
        rows.setdefault(key, []).append(row)
        first.setdefault(key, fault)
    return [_with_rows(first[key], found) for key, found in rows.items()]


def _with_rows(fault: Fault, rows: Sequence[int]) -> Fault:
    """A fault that stands in several rows."""
    if len(rows) == 1:
        return fault
    further = f"{fault.found} (also in {len(rows) - 1} further row{'s' * (len(rows) > 2)}, to row {rows[-1]})"
    return replace(fault, found=further)


def _check_sample(sample: Sample, where: str, data: Data) -> Iterator[Fault]:
    image = yield from _look_at_image(sample, where, data)
    label = (yield from _look_at_label(sample, f"{where} label")) if sample.label else None
    if label and label.channels != 1:
        found = f"{label.channels} channels in '{sample.label}'"
        yield Fault(f"{where} label", found, "one channel of class values; save the label as a grey image")
    if image and label and (image.height, image.width) != (label.height, label.width):
        sizes = [f"{header.height} x {header.width} pixels" for header in (label, image)]
        found, expected = f"a label of {sizes[0]} ('{sample.label}')", f"{sizes[1]}, the size of its image"
        yield Fault(f"{where} label", found, expected)
    yield from _check_cubes(sample, where, image)


def _look_at_image(
    sample: Sample, where: str, data: Data
) -> Generator[Fault, None, ImageHeader | _Size | None]:
    """The header of the image, which may be a cube that a colour picture is made from."""
    if is_envi(sample.image):
        if data.channels != RGB:
            expected = f"a picture of {data.channels} channels, or data.channels 3: what is rendered is RGB"
            yield Fault(f"{where} image", f"'{sample.image}', a cube", expected)
        return (yield from _look_at_cube(sample.image, f"{where} image"))
    image = yield from _look(sample.image, f"{where} image", sample.page)
    if image and image.channels != data.channels:
        found = f"{image.channels} channel{'s' * (image.channels > 1)} in '{sample.image}'"
        expected = f"{data.channels}, as data.channels says; convert the image, or change the study"
        yield Fault(f"{where} image", found, expected)
    return image


def _check_cubes(sample: Sample, where: str, image: ImageHeader | _Size | None) -> Iterator[Fault]:
    """The cube against its picture, the references against the cube."""
    cube = image if isinstance(image, _Size) else None
    if sample.cube and sample.cube != sample.image:
        cube = yield from _look_at_cube(sample.cube, f"{where} cube")
        if cube and image and (cube.height, cube.width) != (image.height, image.width):
            found = f"a cube of {cube.height} x {cube.width} pixels ('{sample.cube}')"
            expected = f"{image.height} x {image.width}, the size of its image"
            yield Fault(f"{where} cube", found, f"{expected}; register the two pictures first")
    for name in ("dark", "blank"):
        path = getattr(sample, name)
        if path and not sample.cube:
            yield Fault(
                f"{where} {name}", f"'{path}' without a cube", "the cube in column 'cube', or nothing"
            )
        elif path:
            reference = yield from _look_at_cube(path, f"{where} {name}")
            if cube and reference and not _fits(reference, cube):
                found = f"{_shape(reference)} in '{path}'"
                expected = f"{_shape(cube)} as in its cube, or a line, or one pixel, of as many bands"
                yield Fault(f"{where} {name}", found, f"{expected}; name the reference of this recording")


def is_envi(path: str) -> bool:
    """Whether a path is that of a cube's header.

    Example:
        >>> is_envi("scene.HDR"), is_envi("scene.tif")
        (True, False)
    """
    return Path(path).suffix.lower() == ENVI


def data_files(path: Path) -> list[Path]:
    """The data file of a cube whose header this is; none of other files, or where the header is unsound."""
    if not is_envi(path.name) or not path.is_file():
        return []
    from microtome.io.envi_header import read_header

    try:
        return [read_header(path).data]
    except CubeError:
        return []


def _fits(reference: _Size, cube: _Size) -> bool:
    sides = ((reference.height, cube.height), (reference.width, cube.width))
    return reference.bands == cube.bands and all(side in (1, of) for side, of in sides)


def _shape(cube: _Size) -> str:
    return f"{cube.bands} bands of {cube.height} x {cube.width} pixels"


def _look_at_cube(path: str, where: str) -> Generator[Fault, None, _Size | None]:
    """The size of a cube, None if it cannot be had; other files than ENVI headers are only looked for."""
    from microtome.io.envi_header import read_header

    file = Path(path)
    if not file.is_file():
        yield _absent(file, where, "a cube")
    elif file.stat().st_size == 0:
        yield Fault(where, f"'{path}', an empty file", "a cube; copy the file again")
    elif is_envi(path):
        try:
            found = read_header(file)
        except CubeError as error:
            yield Fault(
                where, f"{error.found} ('{error.path.as_posix()}')", f"{error.expected}; {error.remedy}"
            )
        except OSError as error:
            reason = f"'{path}', which cannot be read ({_reason(error, path)})"
            yield Fault(where, reason, "a header that can be read; copy the file again")
        else:
            return _Size(found.height, found.width, found.bands)
    return None


def _look_at_label(sample: Sample, where: str) -> Generator[Fault, None, ImageHeader | None]:
    """The header of a label image; None for outlines, of which only being there is checked."""
    if (file := Path(sample.label or "")).suffix.lower() not in OUTLINES:
        return (yield from _look(file.as_posix(), where, sample.page))
    if not file.is_file():
        yield _absent(file, where, "a file of outlines")
    elif file.stat().st_size == 0:
        yield Fault(where, f"'{sample.label}', an empty file", "outlines of objects; copy the file again")
    return None


def _absent(file: Path, where: str, wanted: str) -> Fault:
    found = f"'{file.as_posix()}', which {'is a folder' if file.is_dir() else 'does not exist'}"
    return Fault(where, found, f"{wanted}; correct the path in the sheet, or put the file there")


def _look(path: str, where: str, page: int) -> Generator[Fault, None, ImageHeader | None]:
    """The header of a file, None if it cannot be had."""
    from microtome.io.images import ImageError

    file = Path(path)
    if not file.is_file():
        yield _absent(file, where, "an image file")
        return None
    try:
        status = file.stat()
        found = header_of(path, status.st_mtime_ns, status.st_size)
    except (ImageError, OSError) as error:
        expected = "an image that can be read; copy the file again, or correct the path"
        yield Fault(where, f"'{path}', which cannot be read ({_reason(error, path)})", expected)
        return None
    if page >= found.pages:
        pages = f"{found.pages} page{'s' * (found.pages > 1)}"
        yield Fault(
            f"{where.split()[0]} page",
            f"page {page} of '{path}'",
            f"below {found.pages}; it has {pages}, from 0",
        )
    return found


def _reason(error: Exception, path: str) -> str:
    """What is wrong with a file, without its name and without the remedy."""
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return text.removeprefix(f"{path}: ").split("; expected")[0].split(", expected")[0].rstrip(".")
