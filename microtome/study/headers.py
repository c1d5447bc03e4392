# SPDX-License-Identifier: MIT
"""The files of a study against the study and one another, by their headers, which are remembered.

A study of 20,000 images has 40,000 files. Reading their headers takes long, looking at their sizes and times
a second; so what a header said is kept, by path, size and modification time. The readers of images are
imported when a header is asked for, not before.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, fields, replace
from functools import cache
from math import isclose
from pathlib import Path
from posixpath import normpath
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from microtome.faults import Fault
from microtome.files import finished_file, sha256_of_bytes
from microtome.study import modalities
from microtome.study.sample import FULL

if TYPE_CHECKING:
    from microtome.config.study import Data
    from microtome.io.images import ImageHeader
    from microtome.study.sample import Sample

PICTURES = frozenset(
    {".png", ".tif", ".tiff", ".bmp"}
    | {".jpg", ".jpeg", ".jpe", ".jfif"}
    | {".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"}
)
"""Endings of the images that `microtome.io.images` reads."""
OUTLINES = frozenset({".xml", ".geojson", ".json"})
"""Endings of label files that hold outlines of objects; these are checked when they are drawn."""
SAME_MPP = 0.05
"""Pixel sizes of sheet and file differ by rounding, or by the calibration of an objective."""
COLOURED = (3, 4)
"""Channels of masks that are drawn in colours."""
T = TypeVar("T")
Key = tuple[str, int, int]
"""Path, modification time in nanoseconds, size in bytes."""
Values = tuple[Any, ...]
"""The fields of a header, in order."""
READERS = ("*.py", "*/*.py")
"""Modules of `io`, whose change makes what is remembered worthless."""
READERS_FOLDER = Path(__file__).parents[1] / "io"
_known: dict[Key, Values] = {}


@dataclass(frozen=True)
class Size:
    """Rows, columns and channels of a file."""

    height: int
    width: int
    channels: int = 0


def check_files(
    samples: Iterable[Sample], sheet: Path, data: Data, reader: ModuleType | None = None
) -> list[Fault]:
    """Compare what the headers of the files say with the study and with one another.

    Args:
        samples: Samples with resolved paths.
        sheet: The sheet, for messages.
        data: What the study says of its data.
        reader: The modality that reads all images (`modalities.reader`); None: each by its ending.

    Returns:
        A fault for each file that is absent, unreadable, of another size or with other channels; one fault
        for a file that several rows name.
    """
    found: dict[tuple[str, str, str], tuple[Fault, list[int]]] = {}
    for sample in samples:
        for fault in _check_sample(sample, f"{sheet}:{sample.row}", data, reader):
            key = (fault.where.rpartition(" ")[2], fault.found, fault.expected)
            found.setdefault(key, (fault, []))[1].append(sample.row)
    return [_with_rows(fault, rows) for fault, rows in found.values()]


def data_files(path: Path) -> list[Path]:
    """The further files that belong to a file of the sheet."""
    found = [file for more in modalities.ask("data_files") for file in more(path)]
    if path.suffix.lower() == ".nhdr":  # of NRRD, whose values lie in a file beside
        from microtome.io.nrrd_header import data_file

        found += filter(None, [data_file(path)])
    return found


def _with_rows(fault: Fault, rows: Sequence[int]) -> Fault:
    """A fault that stands in several rows."""
    if len(rows) == 1:
        return fault
    further = f"{fault.found} (also in {len(rows) - 1} further row{'s' * (len(rows) > 2)}, to row {rows[-1]})"
    return replace(fault, found=further)


def _check_sample(sample: Sample, where: str, data: Data, reader: ModuleType | None) -> Iterator[Fault]:
    look_at = reader.look_at_sample if reader else _look_at_image
    image = yield from look_at(sample, where, data)
    if image and min(image.height, image.width) < data.downsample:
        found = f"{image.height} x {image.width} pixels in '{sample.image}'"
        expected = f"at least {data.downsample} x {data.downsample}, which data.downsample makes one pixel"
        yield Fault(f"{where} image", found, expected)
    for column in ("label", FULL):
        if path := sample.cell(column):
            yield from _check_labels(replace(sample, label=path), f"{where} {column}", data, image)
    for check in modalities.ask("check_files"):
        yield from check(sample, where, image)


def _check_labels(sample: Sample, where: str, data: Data, image: Size | None) -> Iterator[Fault]:
    """The header of a sample's label, and whether it has the size of the image."""
    label = yield from _look_at_label(sample, where)
    if label:
        yield from _check_label(label, sample, where, data)
    if image and label and (image.height, image.width) != (label.height, label.width):
        sizes = [f"{header.height} x {header.width} pixels" for header in (label, image)]
        found, expected = f"a label of {sizes[0]} ('{sample.label}')", f"{sizes[1]}, the size of its image"
        yield Fault(where, found, expected)


def image_bytes(sample: Sample, data: Data) -> tuple[int, int] | None:
    """Pixels and bytes of a sample's image once it is imported; None where no sound header is there.

    Args:
        sample: Sample with resolved paths.
        data: What the study says of its data.
    """
    looked = _look_at_image(sample, "", data)
    try:
        while True:
            next(looked)
    except StopIteration as end:
        size = end.value
    if size is None:
        return None
    plain = modalities.of_suffix(sample.image) is None
    dtype = (data.dtype or header_of(sample.image).dtype) if plain else "uint8"
    bits = int("".join(filter(str.isdigit, dtype)) or 8)
    pixels = (size.height // data.downsample) * (size.width // data.downsample)
    return pixels, pixels * data.channels * -(-bits // 8)


def _check_label(label: ImageHeader, sample: Sample, where: str, data: Data) -> Iterator[Fault]:
    """The channels of a label: colours where classes have some, one channel of values otherwise."""
    found = f"{label.channels} channel{'s' * (label.channels > 1)} in '{sample.label}'"
    if not data.colors and label.channels != 1:
        expected = "one channel of class values; save the label as a grey image"
        if label.channels in COLOURED:
            expected += ", or say in data.colors which colour is which class"
        yield Fault(where, found, expected)
    elif data.colors and label.format == "JPEG":
        expected = "PNG or TIFF, as JPEG changes colours; export the mask again"
        yield Fault(where, f"'{sample.label}', a JPEG", expected)
    elif data.colors and label.channels not in COLOURED and not label.palette:
        expected = "3 or 4 channels, or a colour table, as data.colors is given; or delete data.colors"
        yield Fault(where, found, expected)


def _look_at_image(sample: Sample, where: str, data: Data) -> Generator[Fault, None, Size | None]:
    """The size of the image, which may be a file that a modality reads."""
    modality = modalities.of_suffix(sample.image)
    if modality is not None:
        return (yield from modality.look_at_image(sample.image, f"{where} image", data))
    image = yield from look(sample.image, f"{where} image", sample.page)
    if image and image.channels != data.channels:
        found = f"{image.channels} channel{'s' * (image.channels > 1)} in '{sample.image}'"
        expected = f"{data.channels}, as data.channels says; convert the image, or change the study"
        yield Fault(f"{where} image", found, expected)
    both = image and image.mpp and sample.mpp and data.mpp_from is None
    if both and not isclose(image.mpp, sample.mpp, rel_tol=SAME_MPP):
        found = f"{sample.mpp:g} µm per pixel, where '{sample.image}' says {image.mpp:g} µm"
        expected = "the same; or say which is right by data.mpp_from: sheet, or file"
        yield Fault(f"{where} mpp", found, expected)
    return image and Size(image.height, image.width, image.channels)


def _look_at_label(sample: Sample, where: str) -> Generator[Fault, None, ImageHeader | None]:
    """The header of a label image; None for outlines, of which only being there is checked."""
    if (file := Path(sample.label or "")).suffix.lower() not in OUTLINES:
        return (yield from look(file.as_posix(), where, sample.page))
    if not file.is_file():
        yield absent(file, where, "a file of outlines")
    elif wrong := missing(file, where, "outlines of objects"):
        yield wrong
    return None


def look(path: str, where: str, page: int | None) -> Generator[Fault, None, ImageHeader | None]:
    """The header of an image file, None if it cannot be had; yields what is wrong with it.

    Args:
        path: Image file.
        where: File, row and column, for the fault.
        page: Page of the file, which has to be there, and be named where it has several.
    """
    from microtome.io.errors import ImageError, VolumeError

    if not Path(path).is_file():
        yield absent(Path(path), where, "an image file")
        return None
    try:
        found = header_of(path)
    except (ImageError, OSError) as error:
        wrong = f"which cannot be read ({reason(error, path)})"
        expected = "an image that can be read; copy the file again, or correct the path"
        if isinstance(error, VolumeError):
            wrong, expected = error.found, f"{error.expected}; {error.remedy}"
        yield Fault(where, f"'{path}', {wrong}", expected)
        return None
    if page is None:
        if found.is_stack:
            expected = "the page of each image in the column `page`, from 0 (one row for each)"
            yield Fault(
                f"{where.rpartition(' ')[0]} page", f"nothing, for {found.pages} pages in '{path}'", expected
            )
        return found
    if page >= found.pages:
        expected = f"below {found.pages}; it has {found.pages} page{'s' * (found.pages > 1)}, from 0"
        yield Fault(f"{where.rpartition(' ')[0]} page", f"page {page} of '{path}'", expected)
        return found
    return found.of_page(page)


def named_twice(samples: Iterable[Sample], column: str, sheet: Path) -> Iterator[Fault]:
    """Refuse a file of a modality that stands beside two images; pages of it are told apart.

    Args:
        samples: All of a sheet.
        column: Of files that belong to one image each.
        sheet: The sheet, for messages.
    """
    first: dict[tuple[str, int], Sample] = {}
    for sample in samples:
        path = sample.more.get(column)
        other = first.setdefault((normpath(path), sample.page or 0), sample) if path else sample
        if other is not sample:
            found = f"'{path}', also in row {other.row}"
            yield Fault(f"{sheet}:{sample.row} {column}", found, f"a {column} of its own for each image")


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
    if alike := _alike(file):
        return Fault(where, found, f"{wanted}; {alike}")
    return Fault(where, found, f"{wanted}; correct the path in the sheet, or put the file there")


def _alike(file: Path) -> str:
    """What to do where a file or folder of nearly this name is there; empty where there is none."""
    first = next((place for place in (*reversed(file.parents), file) if not place.exists()), file)
    there = _names(first.parent).get(_composed(first.name).casefold(), first.name)
    if there == first.name:
        return ""
    if _composed(there) != _composed(first.name):
        return f"there is '{there}', whose capitals differ; write the name as it is there"
    forms = [
        "composed (NFC)" if unicodedata.is_normalized("NFC", name) else "decomposed (NFD)"
        for name in (there, first.name)
    ]
    found = f"a name that looks the same is there in another Unicode form, {forms[0]} for {forms[1]}"
    return f"{found}; copy the name from the folder into the sheet, or rename the file"


@cache
def _names(folder: Path) -> dict[str, str]:
    """The names in a folder by what they are in composed Unicode and small letters."""
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    return {_composed(path.name).casefold(): path.name for path in there}


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def reason(error: Exception, path: str) -> str:
    """What is wrong with a file, without its name and without the remedy."""
    text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
    return text.removeprefix(f"{path}: ").split("; expected")[0].split(", expected")[0].rstrip(".")


def header_of(path: str) -> ImageHeader:
    """The header of an image file, read again when the file changes.

    Raises:
        ImageError: As `images.header`; errors are not remembered.
        OSError: There is no such file.
    """
    from microtome.io import images

    status = Path(path).stat()
    key = (path, status.st_mtime_ns, status.st_size)
    if key not in _known:
        _known[key] = astuple(images.header(path))
    names = (field.name for field in fields(images.ImageHeader))
    return images.ImageHeader(**dict(zip(names, _known[key], strict=True)))


def recalled(kind: str, path: str, read: Callable[[Path], T], made: type[T]) -> T:
    """What a reader of a modality says of a file, read again when the file changes.

    Args:
        kind: Name of the reader; what one said is not taken for what another did.
        path: The file, or a folder.
        read: Reads the header, a dataclass whose fields JSON can hold; its errors are not remembered.
        made: The dataclass.
    """
    status = Path(path).stat()
    key = (f"{kind} of {path}", status.st_mtime_ns, status.st_size)
    if key not in _known:
        _known[key] = astuple(read(Path(path)))
    names = (field.name for field in fields(made))
    return made(**dict(zip(names, _known[key], strict=True)))


def names_of(path: str, where: str) -> Generator[Fault, None, dict[tuple[str, str], int]]:
    """The names and object types in a file of outlines, with their numbers; yields what is wrong with it.

    A file that is not there has none; that is a fault of its own.
    """
    from microtome.io.annotations import AnnotationError, read_names

    try:
        status = Path(path).stat()
        key = (f"names of {path}", status.st_mtime_ns, status.st_size)
        if key not in _known:
            _known[key] = tuple((*names, count) for names, count in read_names(path).items())
    except AnnotationError as error:
        expected = "a complete file of outlines; export or copy it again"
        yield Fault(where, f"'{path}', which cannot be read ({reason(error, path)})", expected)
        return {}
    except OSError:
        return {}
    return {(name, kind): count for name, kind, count in _known[key]}


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
        return {(path, mtime, size): _values(values) for path, mtime, size, *values in content["headers"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _values(cells: list[Any]) -> Values:
    """The fields of a header; JSON knows no tuples."""
    return tuple(_values(cell) if isinstance(cell, list) else cell for cell in cells)


def _save(file: Path) -> None:
    """Keep one header for each path, the one that was read last."""
    last = {key[0]: key for key in _known}
    rows = [[*key, *_known[key]] for key in last.values()]
    with finished_file(file) as partial:
        text = json.dumps({"readers": _readers_digest(), "headers": rows})
        partial.write_text(text, encoding="utf-8")


def _readers_digest() -> str:
    files = sorted(file for pattern in READERS for file in READERS_FOLDER.glob(pattern))
    return sha256_of_bytes(b"".join(file.read_bytes() for file in files))
