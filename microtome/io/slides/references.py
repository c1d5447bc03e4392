# SPDX-License-Identifier: MIT
"""References to slides: small files that say which image of which slide is meant."""

import math
import os
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from microtome.files import write_json
from microtome.io.errors import ImageError
from microtome.io.slides.headers import SlideHeader, header
from microtome.io.slides.pyramid import Box, Lattice, Pair, Size, lattice

Decode = Literal["exact", "half"]
TOLERANCE = 0.05
COLOURS = (1, 3)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """An image of a slide: where the slide is, and how its pixels are laid over it.

    Attributes:
        path: The file that readers open.
        format: As `SlideHeader.format`.
        reader: As `SlideHeader.reader`.
        levels: Rows and columns of each level of the slide, finest first.
        level: The level that the image is made from.
        slide_mpp: Pixel size of level 0 in µm, of rows and columns.
        bounds: Row, column, height and width of what is shown, slide pixels on the canvas of the file; all
            annotations and boxes are relative to its corner.
        wanted: Pixel size that was asked for, µm.
        tolerance: Relative difference within which a level is read as it is.
        mpp: Pixel size of the image in µm, of rows and columns.
        shape: Rows and columns of the image.
        decode: `half` lets JPEG tiles be decoded to half their size where exactly that is wanted.
        quickhash: As `SlideHeader.quickhash`.
        size: Bytes of all files of the slide.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    path: Path
    format: str
    reader: str
    levels: tuple[Size, ...]
    level: int
    slide_mpp: Pair
    bounds: Box
    wanted: float
    tolerance: float
    mpp: Pair
    shape: Size
    decode: Decode
    quickhash: str
    size: int

    @property
    def scale(self) -> Pair:
        """Slide pixels in an image pixel, of rows and columns."""
        return self.mpp[0] / self.slide_mpp[0], self.mpp[1] / self.slide_mpp[1]

    @property
    def lattice(self) -> Lattice:
        """Where the pixels of the image lie in the level."""
        return lattice(self.path, self.levels, self.slide_mpp, self.bounds, self.wanted, self.tolerance)

    def at(self, mpp: float, *, tolerance: float = 0.0) -> "Reference":
        """The same slide at another pixel size, within the same bounds.

        Raises:
            ImageError: The slide is too coarse.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return _laid(values | {"wanted": mpp, "tolerance": tolerance})

    def write(self, path: Path) -> None:
        """Write the reference to a file of its own, JSON, with the slide as seen from there."""
        place = self.path if self.path.is_absolute() else Path(os.path.relpath(self.path, path.parent))
        write_json(path, {**asdict(self), "path": place.as_posix()})


def describe(
    path: Path | str,
    *,
    mpp: float,
    slide_mpp: float | Pair | None = None,
    tolerance: float = TOLERANCE,
    crop: bool = True,
    decode: Decode = "exact",
) -> Reference:
    """Describe the image of a slide at a pixel size.

    Args:
        path: The slide (any instance, or the folder, of a DICOM series), or a picture.
        mpp: Pixel size wanted, µm.
        slide_mpp: Pixel size of the slide in µm, one or of rows and columns; None: as the file says.
        tolerance: Relative difference within which a level is read as it is.
        crop: To what was scanned, where the file says so; else the whole canvas is shown.
        decode: `half` lets JPEG tiles be decoded to half their size where exactly that is wanted.

    Raises:
        ImageError: The slide cannot be read, has no pixel size, or one too coarse.
    """
    found = header(path)
    _check_pixels(found)
    pixel = slide_mpp if isinstance(slide_mpp, tuple) else (slide_mpp, slide_mpp) if slide_mpp else found.mpp
    if pixel is None:
        remedy = "write it into the column mpp of the sample sheet, or into data.mpp"
        raise ImageError(path, "a slide without a pixel size", "µm per pixel", remedy)
    values = _of_header(found) | {
        "slide_mpp": (float(pixel[0]), float(pixel[1])),
        "bounds": found.bounds if crop else Box(0, 0, *found.shape),
        "wanted": float(mpp),
        "tolerance": float(tolerance),
        "decode": decode,
    }
    return _laid(values)


def _check_pixels(found: SlideHeader) -> None:
    if found.dtype != "uint8" or found.channels not in COLOURS:
        told = f"{found.channels} channel{'s' * (found.channels > 1)} of type {found.dtype}"
        raise ImageError(found.path, told, "RGB or grey of 8 bits", "convert the slide to RGB of 8 bits")


def _of_header(found: SlideHeader) -> dict[str, Any]:
    names = ("format", "reader", "levels", "quickhash", "size")
    return {"path": Path(found.path)} | {name: getattr(found, name) for name in names}


def _laid(values: dict[str, Any]) -> Reference:
    """A reference with the pixels of its image laid out."""
    names = ("path", "levels", "slide_mpp", "bounds")
    found = lattice(*(values[name] for name in names), values["wanted"], values["tolerance"])
    shape = found.rows.length, found.columns.length
    return Reference(**values | {"level": found.level, "mpp": found.mpp, "shape": shape})


_ADAPTER = TypeAdapter(Reference)
LARGEST_SIDE = 2**31 - 1
"""Pixels; far above those of any slide, and such that products of two sides are numbers to every library."""
PIXEL_SIZES = (1e-6, 1e6)
"""Micrometres per pixel; those of all that is looked at lie between."""


def read_reference(path: Path | str) -> Reference:
    """Read a reference that `Reference.write` has written.

    Raises:
        ImageError: It is none.
    """
    path = Path(path)
    try:
        found = _ADAPTER.validate_json(path.read_bytes(), strict=True)
        _check(found)
        found = replace(found, path=Path(os.path.normpath(path.parent / found.path)))
    except (OSError, ValueError) as error:
        told = str(error.errors()[0]["msg"]) if isinstance(error, ValidationError) else str(error)
        remedy = "delete it; the workflow makes it anew"
        raise ImageError(path, f"no reference to a slide ({told})", "one", remedy) from error
    return found


def _check(found: Reference) -> None:
    """Refuse numbers that no slide has.

    Raises:
        ValueError: There is one.
    """
    sizes = [*found.levels, found.shape, found.bounds[2:]]
    positive = [*found.slide_mpp, *found.mpp, found.wanted, *(side for size in sizes for side in size)]
    if max((abs(number) for size in (*sizes, found.bounds) for number in size), default=0) > LARGEST_SIDE:
        msg = f"a side of more than {LARGEST_SIDE} pixels"
        raise ValueError(msg)
    if not found.levels or not all(0 < value < math.inf for value in positive):
        msg = "a size that is not positive"
        raise ValueError(msg)
    least, most = PIXEL_SIZES
    if not all(least <= mpp <= most for mpp in (*found.slide_mpp, *found.mpp, found.wanted)):
        msg = f"a pixel size that is not between {least:g} and {most:g} µm"
        raise ValueError(msg)
    if found.level not in range(len(found.levels)) or found.decode not in ("exact", "half"):
        msg = f"level {found.level} of {len(found.levels)}, decode {found.decode!r}"
        raise ValueError(msg)
