# SPDX-License-Identifier: MIT
"""ENVI headers: parsed and checked before a byte of the data is read. Used through :mod:`microtome.io.envi`.

The format: a text that begins with ``ENVI``, then ``name = value`` lines, values in braces may run over
several lines, and a binary file beside it (NV5 Geospatial, "ENVI Header Files",
https://www.nv5geospatialsoftware.com/docs/enviheaderfiles.html).
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from microtome.io.envi_numbers import number, numbers, with_point
from microtome.io.envi_text import CUT, MAGIC, parse, read_text
from microtome.io.envi_wavelengths import wavelengths
from microtome.io.errors import EnviError

REQUIRED = ("samples", "lines", "bands", "data type", "interleave", "byte order")
DATA_TYPES = {1: "uint8", 2: "int16", 3: "int32", 4: "float32", 5: "float64"}
DATA_TYPES |= {12: "uint16", 13: "uint32", 14: "int64", 15: "uint64"}
CODES = {name: code for code, name in DATA_TYPES.items()}
BYTES = "1"
"""The code of values of one byte, which have no order."""
COMPLEX_TYPES = (6, 9)
INTERLEAVES = ("bsq", "bil", "bip")
ENDINGS = ("", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip", ".cube", ".bin")
LARGEST_SIDE = 2**31 - 1
LARGEST = 1e12
"""Of gains and offsets, far above those of any instrument; larger ones end in infinities."""
FRAME_OFFSETS = ("major frame offsets", "minor frame offsets")
REMEDIES = {
    "byte order": "add a line 'byte order = 0' (little-endian, as PCs write) or 'byte order = 1' (big)",
    "interleave": "add 'interleave = bsq', 'bil' or 'bip', as the camera's program says",
    "data type": "add 'data type = 12' (16-bit unsigned) or the code of the camera's type",
}
MILLISECONDS = {"": 1.0, "ms": 1.0, "s": 1000.0, "sec": 1000.0, "us": 1e-3, "µs": 1e-3, "μs": 1e-3}
EXPOSURES = ("exposure", "exposure time", "integration time", "tint")
"""Names under which cameras write the exposure; the last is Specim's."""


@dataclass(frozen=True)
class Header:
    """What a sound header says."""

    path: Path
    data: Path
    bands: int
    height: int
    width: int
    dtype: np.dtype  # type of the values in the file, with its byte order
    interleave: str  # ``bsq``, ``bil`` or ``bip``
    offset: int  # bytes before the first value
    wavelengths: tuple[float, ...] | None  # of each band, nm; None where the header has none
    exposure: float | None = None  # ms, or the header's number where it names no unit
    metadata: Mapping[str, str] = field(default_factory=dict)  # all fields as text, names in lower case
    bad_bands: tuple[int, ...] = ()  # that the field `bbl` marks, from 0
    ignored: float | None = None  # stored value that stands for no measurement (`data ignore value`)
    gains: tuple[float, ...] | None = (
        None  # of each band; value = stored x gain + offset; None where all are 1
    )
    offsets: tuple[float, ...] | None = None  # of each band; None where all are 0
    scale: float | None = None  # value of a reflectance or transmittance of 1 (`reflectance scale factor`)


def plain_text(
    shape: tuple[int, int, int], dtype: np.dtype, *, interleave: str = "bsq", offset: int = 0
) -> str:
    """The fields of a header that say how the values (bands, rows, columns) lie in the data file.

    `dtype` has the byte order; `interleave` is ``bsq``, ``bil`` or ``bip``; `offset` bytes come first.
    """
    bands, height, width = shape
    fields = {
        "samples": width,
        "lines": height,
        "bands": bands,
        "header offset": offset,
        "file type": "ENVI Standard",
        "data type": CODES[dtype.name],
        "interleave": interleave,
        "byte order": int(dtype.str.startswith(">")),
    }
    return f"{MAGIC}\n" + "".join(f"{name} = {value}\n" for name, value in fields.items())


def read_header(path: Path) -> Header:
    """Read and check a header, find its data file and compare its size.

    Raises:
        EnviError: Naming the file, the field, and the remedy.
    """
    fields = parse(read_text(path), path)
    header = checked(fields, path)
    return replace(header, data=_data_file(path, header))


def checked(fields: Mapping[str, str], path: Path) -> Header:
    """Check the fields of a header (of `parse`).

    Returns:
        The header, whose data file is not looked for yet (`data` is the header itself).

    Raises:
        EnviError: A field is missing or has a value that is none.
    """
    fields = {"byte order": "0", **fields} if fields.get("data type") == BYTES else fields
    for name in REQUIRED:
        if not fields.get(name):
            remedy = REMEDIES.get(name, f"add '{name} = …', as the camera's program says")
            raise EnviError(path, f"no field '{name}'", "one in the header", remedy)
    _refuse(fields, path)
    bands, height, width = (_count(fields, name, path, 1) for name in ("bands", "lines", "samples"))
    offset = _count(fields, "header offset", path, 0) if fields.get("header offset") else 0
    interleave = fields["interleave"].lower()
    if interleave not in INTERLEAVES:
        found, expected = f"interleave = {interleave[:CUT]}", ", ".join(INTERLEAVES)
        raise EnviError(path, found, expected, REMEDIES["interleave"])
    return Header(
        path=path,
        data=path,
        bands=bands,
        height=height,
        width=width,
        dtype=_dtype(fields, path),
        interleave=interleave,
        offset=offset,
        wavelengths=wavelengths(fields, bands, path),
        exposure=exposure_of(fields, path),
        metadata=dict(fields),
        bad_bands=_bad_bands(fields, bands, path),
        ignored=_scalar(fields, "data ignore value", path),
        gains=_by_band(fields, "data gain values", bands, path, neutral=1.0),
        offsets=_by_band(fields, "data offset values", bands, path, neutral=0.0),
        scale=_scale(fields, path),
    )


def exposure_of(fields: Mapping[str, str], path: Path) -> float | None:
    """The exposure a header states, ms (see `Header.exposure`).

    Raises:
        EnviError: The field is there but is no positive time.
    """
    name = next((name for name in EXPOSURES if fields.get(name)), None)
    if name is None:
        return None
    text = fields[name].strip()
    match = re.fullmatch(r"([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*([a-zµμ]*)", text)
    value = number(match[1]) * MILLISECONDS.get(match[2], math.nan) if match else math.nan
    if not 0 < value < math.inf:
        remedy = with_point(text) or "correct or delete the field"
        raise EnviError(path, f"{name} = {text[:CUT]}", "a time such as 20 ms", remedy)
    return value


def _bad_bands(fields: Mapping[str, str], bands: int, path: Path) -> tuple[int, ...]:
    marks = numbers(fields.get("bbl", ""), "bbl", path, bands)
    if marks and (len(marks) != bands or not set(marks) <= {0.0, 1.0}):
        found, expected = f"{len(marks)} values in 'bbl'", f"{bands}, 0 for a bad band and 1 for a good one"
        raise EnviError(path, found, expected, "correct or delete the field")
    if marks and not any(marks):
        raise EnviError(path, "every band marked bad in 'bbl'", "a good one", "correct or delete the field")
    return tuple(band for band, mark in enumerate(marks) if mark == 0)


def _by_band(
    fields: Mapping[str, str], name: str, bands: int, path: Path, *, neutral: float
) -> tuple[float, ...] | None:
    values = numbers(fields.get(name, ""), name, path, bands)
    if values and (len(values) != bands or not all(map(math.isfinite, values)) or (neutral and 0 in values)):
        found, expected = f"{len(values)} values in '{name}'", f"a finite one for each of {bands} bands"
        raise EnviError(path, found, f"{expected}{', not 0' if neutral else ''}", "correct the header")
    if values and max(map(abs, values)) > LARGEST:
        raise EnviError(
            path, f"{max(values, key=abs):g} in '{name}'", f"{LARGEST:g} at most", "correct the header"
        )
    return tuple(values) if set(values) - {neutral} else None


def _scale(fields: Mapping[str, str], path: Path) -> float | None:
    name = "reflectance scale factor"
    scale = _scalar(fields, name, path)
    if scale is not None and not 0 < scale < math.inf:
        raise EnviError(path, f"{name} = {scale:g}", "a positive number", "correct or delete the field")
    return scale


def _scalar(fields: Mapping[str, str], name: str, path: Path) -> float | None:
    """The number of a field; None where it is missing, or states `nan`."""
    text = fields.get(name, "").strip()
    if text.lower() in ("", "nan"):
        return None
    value = number(text)
    if math.isnan(value):
        remedy = with_point(text) or "correct or delete the field"
        raise EnviError(path, f"{name} = {text[:CUT]}", "a number", remedy)
    return value


def _refuse(fields: Mapping[str, str], path: Path) -> None:
    """Refuse what the format allows and this program does not read."""
    if fields.get("file compression", "0") not in ("", "0"):
        raise EnviError(path, "a compressed data file", "a plain one", "save the cube without compression")
    for name in FRAME_OFFSETS:
        if any(numbers(fields.get(name, ""), name, path)):
            raise EnviError(path, f"'{name}'", "values without gaps", "save the cube again as plain BSQ")
    if "spectral library" in fields.get("file type", "").lower():
        raise EnviError(path, "a spectral library", "an image", "give the header of a cube")


def _count(fields: Mapping[str, str], name: str, path: Path, least: int) -> int:
    text = fields[name]
    if not (text.isascii() and text.isdigit() and len(text) < 16 and least <= int(text) <= LARGEST_SIDE):
        expected = f"a whole number from {least} to {LARGEST_SIDE}"
        raise EnviError(path, f"{name} = {text[:CUT]}", expected, "correct the header")
    return int(text)


def _dtype(fields: Mapping[str, str], path: Path) -> np.dtype:
    code, order = fields["data type"], fields["byte order"]
    known = {str(number): name for number, name in DATA_TYPES.items()}
    if code not in known:
        kind = " (complex)" if code in map(str, COMPLEX_TYPES) else ""
        expected = "one of " + ", ".join(f"{number} ({name})" for number, name in known.items())
        found = f"data type = {code[:CUT]}{kind}"
        raise EnviError(path, found, expected, "save the cube as uint16 or float32")
    if order not in ("0", "1"):
        found = f"byte order = {order[:CUT]}"
        raise EnviError(path, found, "0 (little-endian) or 1 (big-endian)", REMEDIES["byte order"])
    return np.dtype(known[code]).newbyteorder("<" if order == "0" else ">")


def _data_file(path: Path, header: Header) -> Path:
    """The data file beside a header, with the size the header says."""
    stem = path.with_suffix("") if path.suffix.lower() == ".hdr" else path
    names = [f"{stem.name}{ending}" for ending in (*ENDINGS, *(ending.upper() for ending in ENDINGS[1:]))]
    there = [place for place in map(stem.with_name, names) if place != path and place.is_file()]
    if not there:
        expected = f"one of {', '.join(names[: len(ENDINGS)])}"
        raise EnviError(path, "no data file beside the header", expected, "copy it there or rename it")
    expected = header.offset + header.bands * header.height * header.width * header.dtype.itemsize
    sizes = {name: name.stat().st_size for name in there}
    for name, size in sizes.items():
        if size == expected:
            return name
    name, size = next(iter(sizes.items()))
    shape = f"{header.bands} bands, {header.height} lines, {header.width} samples of {header.dtype.name}"
    what, remedy = "too long with", "correct lines, samples, bands or data type in the header"
    if size < expected:
        what, remedy = "cut short at", "copy the file again"
    found = f"a data file {what} {size} bytes"
    raise EnviError(name, found, f"{expected} ({shape}, offset {header.offset})", remedy)
