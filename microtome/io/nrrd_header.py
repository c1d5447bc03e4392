# SPDX-License-Identifier: MIT
"""Headers of NRRD files (teem, format versions 1 to 5), checked line by line; values are not read.

`pynrrd` takes sizes as they are announced, and opens whatever data file a header names; here a size is
compared with the file, and a data file lies in the folder of its header. Used through
:mod:`microtome.io.nrrd`.
"""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from microtome.files import unfit_for_files
from microtome.io.errors import VolumeError

MAGIC = b"NRRD000"
VERSIONS = ("1", "2", "3", "4", "5")
MOST_BYTES = 2**20
"""Of a header; one has some 500."""
MOST_AXES = 16
QUOTED = 60
"""Characters of a line that a message repeats."""
LINE = re.compile(r"([^:]+):(=?)\s*(.*)")
COUNT = re.compile(r"\d{1,18}")
VECTOR = re.compile(r"none|\([^()]*\)")
UNIT = re.compile(r'"([^"]*)"|\S+')
ALIASES = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}
TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(
        ("longlong", "long long", "long long int", "signed long long", "signed long long int"), "i8"
    ),
    **dict.fromkeys(("int64", "int64_t"), "i8"),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int"), "u8"),
    **dict.fromkeys(("uint64", "uint64_t"), "u8"),
    "float": "f4",
    "double": "f8",
}
"""NumPy's names of the types that the format knows; `block` holds no numbers."""
ENDIAN = {"little": "<", "big": ">"}
RAW, GZIP = ("raw",), ("gzip", "gz")
MICROMETRES = {"m": 1e6, "cm": 1e4, "mm": 1e3, "nm": 1e-3}
MICROMETRES |= dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "micrometers"), 1.0)
AGAIN = "export the label again, as one NRRD file"


@dataclass(frozen=True)
class NrrdHeader:
    """What the header of an NRRD file says.

    Attributes:
        sizes: Values along each axis, the fastest first.
        dtype: NumPy's text of their type, with its byte order, such as ``<u2``.
        is_packed: Whether they are compressed by gzip.
        data: The file that holds them.
        is_detached: Whether this is another file than the header's.
        begin: Byte of the file behind the header.
        lines: Lines from there on that are no values.
        skip: Bytes after these lines that are none; -1: the values are the last bytes of the file.
        steps: µm from one value to the next along each axis; None where this is not said.
    """

    sizes: tuple[int, ...]
    dtype: str
    is_packed: bool
    data: Path
    is_detached: bool
    begin: int
    lines: int
    skip: int
    steps: tuple[float | None, ...]


def read_header(path: Path) -> NrrdHeader:
    r"""Read the header of an NRRD file.

    Raises:
        VolumeError: It is damaged, lacks a field, or says what is not read here.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.nrrd"
        >>> text = "NRRD0004\ntype: uchar\ndimension: 2\nsizes: 3 2\nencoding: raw\n\n"
        >>> _ = file.write_bytes(text.encode() + bytes(6))
        >>> found = read_header(file)
        >>> found.sizes, found.dtype, found.begin
        ((3, 2), '|u1', 60)
    """
    fields, end = _fields(path)
    sizes = _sizes(path, fields)
    named = fields.get("data file")
    data = path if named is None else _data_file(path, named)
    packed = _is_packed(path, fields)
    lines, skipped = (_skip(path, fields, name) for name in ("line skip", "byte skip"))
    if packed and (lines or skipped):
        raise VolumeError(path, "a skip before compressed values", "none", AGAIN)
    return NrrdHeader(
        sizes=sizes,
        dtype=_dtype(path, fields),
        is_packed=packed,
        data=data,
        is_detached=named is not None,
        begin=end if named is None else 0,
        lines=lines,
        skip=skipped,
        steps=_steps(fields, len(sizes)),
    )


def data_file(path: Path) -> Path | None:
    """The file with the values of a header, if it lies apart and the header can be read."""
    try:
        found = read_header(path)
    except (VolumeError, OSError):
        return None
    return found.data if found.is_detached else None


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields of a header, and the byte after it."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES)
    if (
        not content.startswith(MAGIC)
        or content[len(MAGIC) : len(MAGIC) + 1].decode("latin-1") not in VERSIONS
    ):
        raise VolumeError(path, repr(content[:8]), "NRRD0001 to NRRD0005 at its beginning", AGAIN)
    fields: dict[str, str] = {}
    end = _after_line(content, 0)
    while end < len(content):
        start, end = end, _after_line(content, end)
        line = content[start:end].decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            return fields, end
        _take_line(path, line, fields)
    if "data file" in fields or len(content) < MOST_BYTES:
        return fields, end
    raise VolumeError(path, f"a header of {MOST_BYTES} bytes or more", "an empty line after it", AGAIN)


def _after_line(content: bytes, start: int) -> int:
    end = content.find(b"\n", start)
    return len(content) if end < 0 else end + 1


def _take_line(path: Path, line: str, fields: dict[str, str]) -> None:
    """Put a field among the others; comments and key/value pairs say nothing of the values."""
    if line.startswith("#"):
        return
    found = LINE.fullmatch(line)
    if found is None:
        raise VolumeError(path, f"the line {line[:QUOTED]!r}", "lines such as 'sizes: 400 300'", AGAIN)
    name, is_key, value = found.groups()
    name = " ".join(name.lower().split())
    name = ALIASES.get(name, name)
    if is_key:
        return
    if name in fields:
        raise VolumeError(path, f"the field '{name[:QUOTED]}' a second time", "each field once", AGAIN)
    fields[name] = value.strip()


def _needed(path: Path, fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise VolumeError(path, f"no field '{name}'", "a whole NRRD header", AGAIN)
    return fields[name]


def _sizes(path: Path, fields: Mapping[str, str]) -> tuple[int, ...]:
    axes, said = _needed(path, fields, "dimension"), _needed(path, fields, "sizes").split()
    if not COUNT.fullmatch(axes) or not 1 <= int(axes) <= MOST_AXES:
        raise VolumeError(path, f"dimension {axes[:QUOTED]!r}", f"1 to {MOST_AXES}", AGAIN)
    if len(said) != int(axes) or not all(COUNT.fullmatch(one) and int(one) for one in said):
        found, expected = f"sizes {' '.join(said)[:QUOTED]!r}", f"{axes} whole numbers from 1 on"
        raise VolumeError(path, found, expected, AGAIN)
    return tuple(map(int, said))


def _dtype(path: Path, fields: Mapping[str, str]) -> str:
    said = " ".join(_needed(path, fields, "type").lower().split())
    if said not in TYPES:
        raise VolumeError(path, f"values of type {said[:QUOTED]!r}", "a type of numbers", AGAIN)
    if TYPES[said].endswith("1"):
        return f"|{TYPES[said]}"
    order = _needed(path, fields, "endian").lower()
    if order not in ENDIAN:
        raise VolumeError(path, f"endian {order[:QUOTED]!r}", "little or big", AGAIN)
    return ENDIAN[order] + TYPES[said]


def _is_packed(path: Path, fields: Mapping[str, str]) -> bool:
    said = _needed(path, fields, "encoding").lower()
    if said not in RAW + GZIP:
        raise VolumeError(path, f"the encoding {said[:QUOTED]!r}", "raw or gzip", "save it so")
    return said in GZIP


def _skip(path: Path, fields: Mapping[str, str], name: str) -> int:
    """Lines or bytes before the values; -1 bytes means that these end the file."""
    said = fields.get(name, "0")
    if said == "-1" and name == "byte skip":
        return -1
    if not COUNT.fullmatch(said):
        raise VolumeError(path, f"{name} {said[:QUOTED]!r}", "a whole number", AGAIN)
    return int(said)


def _data_file(path: Path, said: str) -> Path:
    """The data file that a header names, which lies in the folder of the header or below."""
    if not said or said.split()[0] == "LIST" or re.search(r"%\d*d", said):
        raise VolumeError(path, f"the data files {said[:QUOTED]!r}", "one data file", AGAIN)
    unfit, folder = unfit_for_files(said), os.path.abspath(path.parent)  # noqa: PTH100 (links stay)
    place = os.path.abspath(path.parent / said)  # noqa: PTH100
    if unfit or os.path.commonpath([folder, place]) != folder or place == folder:
        found = f"the data file {said[:QUOTED]!r}" + (
            f", {unfit}" if unfit else ", which leads out of its folder"
        )
        raise VolumeError(path, found, "a file beside the header, or below", "put it there")
    if not Path(place).is_file():
        found = f"the data file {said[:QUOTED]!r}, which does not exist"
        raise VolumeError(path, found, "a file beside the header, or below", "put it there")
    return path.parent / said


def _steps(fields: Mapping[str, str], axes: int) -> tuple[float | None, ...]:
    """µm from one value to the next along each axis, as far as a unit is said."""
    units = [found.group(1) for found in UNIT.finditer(fields.get("units", ""))]
    if "spacings" in fields:
        steps = [_number(said) for said in fields["spacings"].split()]
    else:
        vectors = VECTOR.findall(fields.get("space directions", ""))
        steps = [_norm(vector) for vector in vectors]
        of_space = {found.group(1) for found in UNIT.finditer(fields.get("space units", ""))}
        units = [of_space.pop()] * axes if len(of_space) == 1 else []
    if len(steps) != axes or len(units) != axes:
        return (None,) * axes
    factors = [MICROMETRES.get(unit or "") for unit in units]
    return tuple(
        step * factor if step and step > 0 and factor else None
        for step, factor in zip(steps, factors, strict=True)
    )


def _norm(vector: str) -> float | None:
    """The length of a vector such as `(0.5,0,0)`; None of `none`, and of what is no vector."""
    parts = [_number(said) for said in vector.strip("()").split(",")]
    return None if None in parts else math.hypot(*filter(None, parts))


def _number(said: str) -> float | None:
    """A finite number; None of `nan` (an axis without a spacing) and of what is none."""
    try:
        value = float(said)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
