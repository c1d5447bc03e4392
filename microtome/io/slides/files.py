# SPDX-License-Identifier: MIT
"""The files of a slide: which one a reader opens, and which belong to it."""

import re
from pathlib import Path

import openslide

from microtome.io.errors import ImageError

DICOM_MARK = slice(128, 132)
SERIES = re.compile(rb"\x20\x00\x0e\x00UI(..)([0-9.\x00]+)", re.DOTALL)
"""The identifier of a series in a file of DICOM (0020,000E), explicit little endian."""
HEAD_BYTES = 2**16
MIRAX, INDICES = ".mrxs", (".vms", ".vmu")
"""Endings of slides whose pixels lie in further files."""


def main_file(path: Path) -> Path:
    """The file of a slide that a reader opens: of a folder with a series of DICOM, its first instance.

    Raises:
        ImageError: There is no such file, nor can there be one, it is empty, or a folder holds no series or
            several.
    """
    try:
        is_folder, is_there = path.is_dir(), path.exists()
    except OSError as error:  # too long a name, for example
        found = f"a path that no file has ({error.strerror})"
        raise ImageError(path, found, "a slide", "check the path in the sample sheet") from error
    if is_folder:
        return _instance(path)
    if not is_there:
        raise ImageError(path, "nothing", "a slide", "check the path in the sample sheet")
    if path.stat().st_size == 0:
        raise ImageError(path, "an empty file (0 bytes)", "a slide", "copy it again")
    return path


def data_files(path: Path | str) -> list[Path]:
    """All files of a slide, itself among them, in order.

    A slide of MIRAX lies in a folder of its name, one of DICOM in the instances of its series, one of
    Hamamatsu (VMS, VMU) in the files that its index names; all others are one file.

    Raises:
        ImageError: There is no slide.
    """
    path = main_file(Path(path))
    if path.suffix.lower() == MIRAX:
        folder = path.with_suffix("")
        return [path, *sorted(file for file in folder.rglob("*") if file.is_file())]
    if path.suffix.lower() in INDICES:
        return [path, *_named(path)]
    if _is_dicom(path):
        return [file for file, series in _instances(path.parent) if series == _series(path)]
    return [path]


def _named(path: Path) -> list[Path]:
    """The files beside an index of Hamamatsu that it names."""
    text = path.read_text(encoding="utf-8", errors="replace")
    names = {line.partition("=")[2].strip() for line in text.splitlines() if "=" in line}
    return sorted(path.parent / name for name in names if name and (path.parent / name).is_file())


def _instance(folder: Path) -> Path:
    found = _instances(folder)
    series = {number for _, number in found}
    if len(series) == 1:
        return found[0][0]
    told = f"a folder with {len(series)} series of DICOM" if series else "a folder without instances of DICOM"
    remedy = "name a file of the series wanted" if series else "name the file of the slide"
    raise ImageError(folder, told, "a slide", remedy)


def _instances(folder: Path) -> list[tuple[Path, bytes]]:
    files = sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    return [(file, _series(file)) for file in files if _is_dicom(file)]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(DICOM_MARK.stop)[DICOM_MARK] == b"DICM"


def _series(path: Path) -> bytes:
    """The identifier of the series of an instance; empty where it stands nowhere near the head."""
    with path.open("rb") as file:
        match = SERIES.search(file.read(HEAD_BYTES))
    return match[2].rstrip(b"\0") if match else b""


def is_slide(path: Path) -> bool:
    """Whether OpenSlide knows a file."""
    return openslide.OpenSlide.detect_format(path) is not None
