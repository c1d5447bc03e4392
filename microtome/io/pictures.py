# SPDX-License-Identifier: MIT
"""PNG, JPEG, JPEG 2000, BMP, as Pillow and imagecodecs decode them. Used by :mod:`microtome.io.images`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from microtome.io import heads
from microtome.io.errors import ImageError
from microtome.io.raster import EVERY, HIGH_DIMENSIONS, TURNS, Turn, check_window
from microtome.io.tiff_windows import ALPHA, COLOUR_TABLE

EIGHT = 8
FORMATS = ("PNG", "JPEG", "JPEG2000", "BMP")
MODES = ("1", "L", "I;16", "RGB")
ALPHA_MODES = ("LA", "RGBA")
PALETTE_MODES = ("P", "PA")


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture lazily; every failure inside the block becomes an ImageError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)  # of damaged EXIF
            with Image.open(path, formats=FORMATS) as image:
                yield image
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        msg = f"{path}: not an image this program reads; expected PNG, JPEG, JPEG 2000, BMP or TIFF."
        raise ImageError(msg) from error
    except Image.DecompressionBombError as error:
        msg = f"{path}: too large to decode as a whole ({error}); convert it to a tiled TIFF."
        raise ImageError(msg) from error
    except (OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError) as error:
        msg = f"{path}: damaged or truncated image ({error}); expected a complete file: copy it again."
        raise ImageError(msg) from error


def turn_of(path: Path) -> Turn:
    """What turns the stored picture upright."""
    with opened(path) as image:
        return TURNS[heads.orientation(path, image)]


def read(path: Path, *, palette: str) -> NDArray:
    """The values of a picture as stored, (H, W) or (H, W, C); of a colour table its indices, or nothing.

    Raises:
        ImageError: The file is damaged, or of colours that would need a choice.
    """
    with opened(path) as image:
        _check_mode(path, image, palette)
        bits, step = heads.depth(path)
        if not _is_exact(image, bits):
            return _decoded(path, step, channels=len(image.getbands()))
        return np.array(image.convert("L") if image.mode == "1" else image)


def read_colours(path: Path) -> NDArray:
    """The colours of a picture, those of its colour table included, with its alpha channel."""
    with opened(path) as image:
        bits, step = heads.depth(path)
        if image.mode in PALETTE_MODES or (image.mode in ALPHA_MODES and bits <= EIGHT):
            return np.array(image.convert("RGBA"))
        if bits > EIGHT:
            return _decoded(path, step)
    return read(path, palette="refuse")


@dataclass(frozen=True, eq=False)
class PictureSource:
    """A decoded picture as a raster; only the windows that are read are copied."""

    image: Image.Image

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        return len(self.image.getbands()), self.image.height, self.image.width

    @property
    def dtype(self) -> np.dtype:
        """Pixel type."""
        return np.dtype(np.uint16 if self.image.mode == "I;16" else np.uint8)

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window ``(C, height, width)`` at ``(y, x)``."""
        check_window(self.shape, y, x, height, width)
        part = self.image.crop((x, y, x + width, y + height))
        window = np.array(part.convert("L") if part.mode == "1" else part)
        whole = np.moveaxis(window, -1, 0) if window.ndim == HIGH_DIMENSIONS else window[None]
        return np.ascontiguousarray(whole[channels])


def open_upright(path: Path, *, palette: str) -> PictureSource | None:
    """Decode a picture for reading by windows; None where its values have to be turned or decoded otherwise.

    Raises:
        ImageError: As `read`.
    """
    with opened(path) as image:
        _check_mode(path, image, palette)
        bits, _ = heads.depth(path)
        if not _is_exact(image, bits) or heads.orientation(path, image) != 1:
            return None
        image.load()
        return PictureSource(image)


def _check_mode(path: Path, image: Image.Image, palette: str) -> None:
    if image.mode == "P" and palette == "refuse":
        raise ImageError(path, *COLOUR_TABLE)
    if image.mode in ALPHA_MODES:
        raise ImageError(path, *ALPHA)
    if image.mode not in MODES and image.mode != "P":
        raise ImageError(path, f"colour mode {image.mode}", "grey or RGB", "convert the file to RGB")


def _is_exact(image: Image.Image, bits: int) -> bool:
    """Whether Pillow gives the values as they are stored."""
    return not ((bits > EIGHT and image.mode != "I;16") or (image.format == "JPEG2000" and bits != EIGHT))


def _decoded(path: Path, step: int, *, channels: int | None = None) -> NDArray:
    """The values of a PNG or JPEG 2000 as stored, which Pillow would cut or spread to 8 or 16 bits.

    A colour that a PNG names as transparent makes a channel of its own, behind the `channels`.
    """
    import imagecodecs

    content = path.read_bytes()
    is_png = content.startswith(heads.PNG_MAGIC)
    array = imagecodecs.png_decode(content) if is_png else imagecodecs.jpeg2k_decode(content)
    array = array[..., :channels] if array.ndim == HIGH_DIMENSIONS else array
    array = array[..., 0] if array.ndim == HIGH_DIMENSIONS and array.shape[-1] == 1 else array
    return array * array.dtype.type(step)
