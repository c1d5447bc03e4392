# SPDX-License-Identifier: MIT
"""Bits and orientation, as the heads of PNG, JPEG and JPEG 2000 files say them. Used through :mod:`.images`.

Pillow gives grey of 1, 2 and 4 bits as 0 to 255, cuts colours of more than 8 bits to 8, and decodes a PNG to
look for its EXIF.
"""

import struct
import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from microtome.io.errors import ImageError
from microtome.io.raster import LOW_STEPS, TURNS
from microtome.io.tiff import ORIENTATION

PNG_MAGIC, PNG_HEAD, PNG_GREY = b"\x89PNG\r\n\x1a\n", 33, 0
JP2_MAGIC, CODESTREAM = b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"
DEEPEST = 16
COMPONENTS_AT = 40
"""Bytes from the start of a JPEG 2000 codestream to the number of its components."""
EXIF_MARK = b"Exif\0\0"
DAMAGED_EXIF = (OSError, SyntaxError, ValueError, LookupError, TypeError, EOFError, struct.error)


def depth(path: Path) -> tuple[int, int]:
    """Bits of a value, and what one level of grey counts among 0 to 255 where there are fewer than 8.

    Raises:
        ImageError: Of JPEG 2000, values that are signed, of several depths, or of a depth that is not read.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> Image.new("1", (8, 8)).save(file)
        >>> depth(file)
        (1, 255)
    """
    with path.open("rb") as file:
        head = file.read(PNG_HEAD)
        if head.startswith(PNG_MAGIC) and len(head) == PNG_HEAD:
            bits, colours = head[24:26]
            return bits, LOW_STEPS.get(bits, 1) if colours == PNG_GREY else 1
        if head.startswith((JP2_MAGIC, CODESTREAM)):
            return _jpeg2000_depth(path, file)
    return 8, 1


def orientation(path: Path, image: Image.Image) -> int:
    """How an opened picture is to be turned, a key of `TURNS`; what it cannot say counts as upright."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of damaged EXIF
            value = _exif(path, image).get(ORIENTATION, 1)
    except DAMAGED_EXIF:
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


def _exif(path: Path, image: Image.Image) -> Image.Exif:
    if image.format != "PNG":
        return image.getexif()
    exif = Image.Exif()
    exif.load(_png_exif(path) or image.info.get("exif") or EXIF_MARK)
    return exif


def _png_exif(path: Path) -> bytes | None:
    """The EXIF of a PNG, which may stand behind its pixels."""
    with path.open("rb") as file:
        file.seek(len(PNG_MAGIC))
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"eXIf":
                return EXIF_MARK + file.read(size)
            file.seek(size + 4, 1)
    return None


def _jpeg2000_depth(path: Path, file: BinaryIO) -> tuple[int, int]:
    file.seek(_codestream_at(file) + COMPONENTS_AT)
    (count,) = struct.unpack(">H", file.read(2).rjust(2, b"\0"))
    found = set(file.read(3 * count)[::3])
    bits = (found.pop() + 1) if len(found) == 1 else 0
    if not (bits in LOW_STEPS or 8 <= bits <= DEEPEST):
        what = "signed values, or channels of several depths" if not 0 < bits <= 38 else f"{bits} bits"
        expected = f"1, 2, 4 or 8 to {DEEPEST} bits without sign in all channels"
        raise ImageError(path, f"JPEG 2000 with {what}", expected, "save it as TIFF")
    return bits, LOW_STEPS.get(bits, 1)


def _codestream_at(file: BinaryIO) -> int:
    """Where the codestream of a JPEG 2000 file begins: at once, or in the box for it."""
    file.seek(0)
    at = 0
    while len(head := file.read(16)) == 16:
        size, kind, large = struct.unpack(">I4sQ", head)
        if head.startswith(CODESTREAM):
            return at
        if kind == b"jp2c":
            return at + (16 if size == 1 else 8)
        step = large if size == 1 else size
        if step < 8:
            break
        at += step
        file.seek(at)
    return at
