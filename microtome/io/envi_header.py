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
BYTES = "1"
"""The code of values of one byte, which have no order."""
COMPLEX_TYPES = (6, 9)
INTERLEAVES = ("bsq", "bil", "bip")
ENDINGS = ("", ".img", ".dat", ".raw", ".bsq", ".bil", ".bip", ".cube", ".bin")
LARGEST_SIDE = 2**31 - 1
DECIMALS = 9
"""Of wavelengths in nm."""
LARGEST = 1e12
"""Of gains and offsets, far above those of any instrument; larger ones end in infinities."""
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
NANOMETRES |= dict.fromkeys(("angstrom", "angstroms", "å"), 0.1)
UNKNOWN_UNITS = ("", "unknown")
NO_WAVELENGTHS = ("index",)
MICROMETRE_LIMIT = 100.0
"""Where the unit is unknown: below, wavelengths are micrometres; from here on, nanometres."""
LIGHT = (100.0, 30_000.0)
"""nm; what lies outside, from far ultraviolet to thermal infrared, is no wavelength of a camera."""
WIDE_STARTS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"E\0N\0": "utf-16-le", b"\0E\0N": "utf-16-be"}
"""First bytes of headers with two bytes a character."""
FILLING = "\0\x1a"
"""What programs write behind the text, up to the size that they reserved."""
BRACE_BELOW = re.compile(r"^([ \t]*[^;=\s][^=\n]*=)[ \t]*\n(?:\s*;[^\n]*\n)*\s*\{", re.MULTILINE)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:e[+-]?\d+)?", re.IGNORECASE)
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
    whole = "\n".join(text.removeprefix("\ufeff").splitlines())
    lines = iter(BRACE_BELOW.sub(r"\1 {", whole).splitlines())
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
        wavelengths=_wavelengths(fields, bands, path),
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
    value = _number(match[1]) * MILLISECONDS.get(match[2], math.nan) if match else math.nan
    if not 0 < value < math.inf:
        remedy = _with_point(text) or "correct or delete the field"
        raise EnviError(path, f"{name} = {text[:CUT]}", "a time such as 20 ms", remedy)
    return value


def _bad_bands(fields: Mapping[str, str], bands: int, path: Path) -> tuple[int, ...]:
    marks = _numbers(fields.get("bbl", ""), "bbl", path, bands)
    if marks and (len(marks) != bands or not set(marks) <= {0.0, 1.0}):
        found, expected = f"{len(marks)} values in 'bbl'", f"{bands}, 0 for a bad band and 1 for a good one"
        raise EnviError(path, found, expected, "correct or delete the field")
    if marks and not any(marks):
        raise EnviError(path, "every band marked bad in 'bbl'", "a good one", "correct or delete the field")
    return tuple(band for band, mark in enumerate(marks) if mark == 0)


def _by_band(
    fields: Mapping[str, str], name: str, bands: int, path: Path, *, neutral: float
) -> tuple[float, ...] | None:
    values = _numbers(fields.get(name, ""), name, path, bands)
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
    value = _number(text)
    if math.isnan(value):
        remedy = _with_point(text) or "correct or delete the field"
        raise EnviError(path, f"{name} = {text[:CUT]}", "a number", remedy)
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
    wide = next((coding for start, coding in WIDE_STARTS.items() if content.startswith(start)), None)
    text = _decoded(content, wide, path).rstrip(FILLING)
    if "\0" not in text:
        return text
    if text.startswith(MAGIC):
        found = f"a zero byte in the text, after {text.index(chr(0))} characters"
        raise EnviError(path, found, "none before its end", "write the header again as plain text")
    raise EnviError(path, "a binary file", "a text header", "give the .hdr, not the data file")


def _decoded(content: bytes, wide: str | None, path: Path) -> str:
    """A header's text; what is neither UTF-16 nor UTF-8 is Latin-1, in which every byte is a character."""
    try:
        return content.decode(wide or "utf-8")
    except UnicodeDecodeError as error:
        if wide is None:
            return content.decode("latin-1")
        found = "UTF-16 that is cut short or damaged"
        raise EnviError(path, found, "an ENVI header", "save it again, encoded as UTF-8") from error


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
    values = _numbers(fields.get("wavelength", ""), "wavelength", path, bands)
    if not values or unit in NO_WAVELENGTHS:
        return None
    if unit not in NANOMETRES and unit not in UNKNOWN_UNITS:
        raise EnviError(path, f"wavelength units = {unit[:CUT]}", "nm or µm", "convert the wavelengths to nm")
    if len(values) != bands:
        found = f"{len(values)} wavelengths for {bands} bands"
        raise EnviError(path, found, "one for each band", "correct 'bands' or complete 'wavelength'")
    return ordered_nanometres(values, unit, path)


def ordered_nanometres(values: list[float], unit: str, path: Path) -> tuple[float, ...] | None:
    """Wavelengths in nm, one for each band, checked to be positive, in order, and light.

    Where `unit` is none of `NANOMETRES`, small numbers are taken for micrometres; 1, 2, 3 and so on, to the
    number of bands, are numbers of bands, and None comes back.

    Raises:
        EnviError: A wavelength is not positive, comes twice, stands out of order, or is none of light.
    """
    for band, value in enumerate(values):
        if not 0 < value < math.inf:
            found = f"wavelength {value} of band {band}"
            raise EnviError(path, found, "a positive number", "correct the header")
    if unit not in NANOMETRES and len(values) > 1 and values == list(range(1, len(values) + 1)):
        return None
    factor = NANOMETRES.get(unit, 1000.0 if max(values) < MICROMETRE_LIMIT else 1.0)
    sign = -1 if values[0] > values[-1] else 1
    for band, (one, two) in enumerate(itertools.pairwise(values)):
        if one == two or (one < two) != (sign > 0):
            what = "twice" if one == two else "out of order"
            found = f"wavelength {two:g} of band {band + 1} {what} after {one:g}"
            remedy = "put bands and wavelengths into order and save the cube again"
            raise EnviError(path, found, "wavelengths that rise (or fall) from band to band", remedy)
    found = tuple(round(value * factor, DECIMALS) for value in values)
    if not LIGHT[0] <= min(found) <= max(found) <= LIGHT[1] or len(set(found)) < len(found):
        named = unit if unit in NANOMETRES else "no unit"
        stated = f"wavelengths from {min(values):g} to {max(values):g} with {named}"
        expected = f"nanometres or micrometres of light ({LIGHT[0]:g} to {LIGHT[1]:g} nm)"
        raise EnviError(path, stated, expected, _unit_remedy(values))
    return found


def _unit_remedy(values: list[float]) -> str:
    """The unit in which wavelengths would be those of light."""
    for name, factor in (("nm", 1.0), ("Micrometers", 1000.0)):
        if LIGHT[0] <= min(values) * factor <= max(values) * factor <= LIGHT[1]:
            return f"correct the unit: 'wavelength units = {name}'"
    return "correct 'wavelength' or 'wavelength units'"


def _numbers(text: str, name: str, path: Path, count: int = 0) -> list[float]:
    """The numbers of a braced field, of which `count` are expected (0: any number)."""
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    values = [_number(part) for part in parts]
    wrong = next((part for part, value in zip(parts, values, strict=True) if math.isnan(value)), None)
    if wrong is None and len(values) == count:
        return values
    if count and _has_decimal_commas(text, parts, count):
        found, expected = (
            f"decimal commas in '{name}' ({text[:CUT]} …)",
            f"{count} numbers with decimal points",
        )
        raise EnviError(path, found, expected, "write 450.1 for 450,1, and commas between the numbers alone")
    if wrong is not None:
        raise EnviError(path, f"{wrong[:CUT]!r} in '{name}'", "numbers", "correct the header")
    return values


def _has_decimal_commas(text: str, parts: list[str], count: int) -> bool:
    """Whether a list makes sense once commas between digits are decimal points."""
    if len(parts) == 2 * count and all(part.lstrip("+-").isdigit() for part in parts) and "," in text:
        return True
    loose = [part for part in re.split(r"\s*;\s*|,?\s+", text.strip(" ;,")) if part]
    return len(loose) == count and any(map(DECIMAL_COMMA.fullmatch, loose))


def _with_point(text: str) -> str:
    """What to write for a number with a decimal comma; nothing where there is none."""
    found = DECIMAL_COMMA.search(text)
    return f"write it with a decimal point, {found[0].replace(',', '.')[:CUT]}" if found else ""


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
