# SPDX-License-Identifier: MIT
"""ENVI headers: parsed and checked before a byte of the data is read. Used through :mod:`microtome.io.envi`.

The format: a text that begins with ``ENVI``, then ``name = value`` lines, values in braces may run over
several lines, and a binary file beside it (NV5 Geospatial, "ENVI Header Files",
https://www.nv5geospatialsoftware.com/docs/enviheaderfiles.html).
"""

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from microtome.io.errors import EnviError

MAGIC = "ENVI"
LARGEST_HEADER = 16 * 2**20
"""Bytes; a header with the wavelengths of 2000 bands has 30 kB."""
REQUIRED = ("samples", "lines", "bands", "data type", "interleave", "byte order")
DATA_TYPES = {1: "uint8", 2: "int16", 3: "int32", 4: "float32", 5: "float64"}
DATA_TYPES |= {12: "uint16", 13: "uint32", 14: "int64", 15: "uint64"}
CODES = {name: code for code, name in DATA_TYPES.items()}
COMPLEX_TYPES = (6, 9)
INTERLEAVES = ("bsq", "bil", "bip")
ENDINGS = ("", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip", ".cube", ".bin")
LARGEST_SIDE = 2**31 - 1
DECIMALS = 9
"""Of wavelengths in nm."""
CUT = 40
"""Characters of the header that a message repeats."""
FRAME_OFFSETS = ("major frame offsets", "minor frame offsets")
REMEDIES = {
    "byte order": "add a line 'byte order = 0' (little-endian, as PCs write) or 'byte order = 1' (big)",
    "interleave": "add 'interleave = bsq', 'bil' or 'bip', as the camera's program says",
    "data type": "add 'data type = 12' (16-bit unsigned) or the code of the camera's type",
}
NANOMETRES = dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1.0) | dict.fromkeys(
    ("um", "µm", "μm", *(f"micro{name}{s}" for name in ("n", "meter", "metre") for s in ("", "s"))), 1000.0
)
UNKNOWN_UNITS = ("", "unknown")
NO_WAVELENGTHS = ("index",)
MICROMETRE_LIMIT = 100.0
"""Where the unit is unknown: below, wavelengths are micrometres; from here on, nanometres."""
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
    fields = parse(_text(path), path)
    header = checked(fields, path)
    return replace(header, data=_data_file(path, header))


def parse(text: str, path: Path) -> dict[str, str]:
    r"""Split the text of a whole header into its fields.

    Returns:
        Values as text without braces, by names in lower case with single spaces.

    Raises:
        EnviError: It is no ENVI header, a brace is not closed, or a field comes twice with two values.

    Example:
        >>> parse("ENVI\nlines = 3\nWavelength = {\n 550,\n 557.5}", Path("a.hdr"))
        {'lines': '3', 'wavelength': '550, 557.5'}
    """
    lines = iter(text.removeprefix("\ufeff").splitlines())
    first = next(lines, "").strip()
    if not first.startswith(MAGIC):
        raise EnviError(path, f"a first line {first[:CUT]!r}", f"{MAGIC!r}", "give the ENVI header (.hdr)")
    fields: dict[str, str] = {}
    for line in lines:
        if line.lstrip().startswith(";") or "=" not in line:
            continue
        key, _, value = line.partition("=")
        key, value = " ".join(key.split()).lower(), value.strip()
        if value.startswith("{"):
            value = _braced(value, lines, key, path)
        if fields.get(key, value) != value:
            found = f"the field '{key[:CUT]}' twice, as {fields[key][:CUT]!r} and {value[:CUT]!r}"
            raise EnviError(path, found, "it once", "delete the wrong line")
        fields[key] = value
    return fields


def checked(fields: Mapping[str, str], path: Path) -> Header:
    """Check the fields of a header (of `parse`).

    Returns:
        The header, whose data file is not looked for yet (`data` is the header itself).

    Raises:
        EnviError: A field is missing or has a value that is none.
    """
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
        wavelengths=_wavelengths(fields, bands, path),
        exposure=exposure_of(fields, path),
        metadata=dict(fields),
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
    value = _number(match[1]) * MILLISECONDS.get(match[2], math.nan) if match else math.nan
    if not 0 < value < math.inf:
        raise EnviError(path, f"{name} = {text[:CUT]}", "a time such as 20 ms", "correct or delete the field")
    return value


def _text(path: Path) -> str:
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise EnviError(path, found, "an ENVI header", "check the path in the sample sheet")
    size = path.stat().st_size
    if size > LARGEST_HEADER:
        found = f"{size} bytes"
        raise EnviError(path, found, f"a header of at most {LARGEST_HEADER}", "give the .hdr, not the data")
    content = path.read_bytes()
    if b"\0" in content:
        raise EnviError(path, "a binary file", "a text header", "give the .hdr, not the data file")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _braced(value: str, lines: object, key: str, path: Path) -> str:
    """The text between braces, which may run over lines; comment lines within are left out."""
    parts = [value]
    while "}" not in parts[-1]:
        line = next(lines, None)
        if line is None:
            found = f"an open brace at '{key[:CUT]}'"
            raise EnviError(path, found, "a closing brace", "add '}' after the last value")
        if not line.lstrip().startswith(";"):
            parts.append(line.strip())
    text = " ".join(parts)
    return text[1 : text.index("}")].strip()


def _refuse(fields: Mapping[str, str], path: Path) -> None:
    """Refuse what the format allows and this program does not read."""
    if fields.get("file compression", "0") not in ("", "0"):
        raise EnviError(path, "a compressed data file", "a plain one", "save the cube without compression")
    for name in FRAME_OFFSETS:
        if any(_numbers(fields.get(name, ""), name, path)):
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


def _wavelengths(fields: Mapping[str, str], bands: int, path: Path) -> tuple[float, ...] | None:
    unit = fields.get("wavelength units", "").strip().lower()
    values = _numbers(fields.get("wavelength", ""), "wavelength", path)
    if not values or unit in NO_WAVELENGTHS:
        return None
    if unit not in NANOMETRES and unit not in UNKNOWN_UNITS:
        raise EnviError(path, f"wavelength units = {unit[:CUT]}", "nm or µm", "convert the wavelengths to nm")
    if len(values) != bands:
        found = f"{len(values)} wavelengths for {bands} bands"
        raise EnviError(path, found, "one for each band", "correct 'bands' or complete 'wavelength'")
    return ordered_nanometres(values, unit, path)


def ordered_nanometres(values: list[float], unit: str, path: Path) -> tuple[float, ...]:
    """Wavelengths in nm, one for each band, checked to be positive and in order.

    Where `unit` is none of `NANOMETRES`, small numbers are taken for micrometres.

    Raises:
        EnviError: A wavelength is not positive, comes twice, or stands out of order.
    """
    for band, value in enumerate(values):
        if not 0 < value < math.inf:
            found = f"wavelength {value} of band {band}"
            raise EnviError(path, found, "a positive number", "correct the header")
    factor = NANOMETRES.get(unit, 1000.0 if max(values) < MICROMETRE_LIMIT else 1.0)
    sign = -1 if values[0] > values[-1] else 1
    for band, (one, two) in enumerate(itertools.pairwise(values)):
        if one == two or (one < two) != (sign > 0):
            what = "twice" if one == two else "out of order"
            found = f"wavelength {two:g} of band {band + 1} {what} after {one:g}"
            remedy = "put bands and wavelengths into order and save the cube again"
            raise EnviError(path, found, "wavelengths that rise (or fall) from band to band", remedy)
    found = tuple(round(value * factor, DECIMALS) for value in values)
    if not 0 < min(found) <= max(found) < math.inf or len(set(found)) < len(found):
        remedy = "correct 'wavelength' or 'wavelength units'"
        stated = f"wavelengths from {min(values):g} to {max(values):g}"
        raise EnviError(path, stated, "nanometres or micrometres of light", remedy)
    return found


def _numbers(text: str, name: str, path: Path) -> list[float]:
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    values = [_number(part) for part in parts]
    wrong = next((part for part, value in zip(parts, values, strict=True) if math.isnan(value)), None)
    if wrong is not None:
        raise EnviError(path, f"{wrong[:CUT]!r} in '{name}'", "numbers", "correct the header")
    return values


def _number(text: str) -> float:
    """The number in a text, or NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan


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
