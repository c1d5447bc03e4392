# SPDX-License-Identifier: MIT
"""One door for images: PNG, JPEG, BMP, (OME-)TIFF, planes of NRRD and MATLAB in; OME-TIFF and PNG out.

Files keep their customary layout, ``(H, W)`` or ``(H, W, C)``; inside the package images are
``(C, H, W)`` (:func:`as_channels_first`). Whatever cannot be read or written exactly raises an
:class:`ImageError` that names the file, what was found, what was expected and the remedy; nothing is
converted silently.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from microtome.files import finished_file
from microtome.io import colours, heads, pictures, tiff, volumes
from microtome.io.errors import ImageError
from microtome.io.raster import (
    HIGH_DIMENSIONS,
    LOW_STEPS,
    TURNS,
    ArraySource,
    ImageHeader,
    Raster,
    check_image_array,
)
from microtome.io.tiff_windows import CACHE_BYTES, PALETTES, TiffSource
from microtome.io.tiff_writer import COMPRESSIONS, TILE_MULTIPLE, WRITABLE, write_ome

Palette = Literal["refuse", "index", "colours"]

TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAGIC_BYTES = 4
MAX_CHANNELS_LAST = 4
PNG_TYPES = ("uint8", "uint16")
SLIDE = ".slide"
"""Ending of references to slides."""
SCANS = (".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide", ".dcm")
"""Endings of slides that are no TIFF of pages to other readers; OpenSlide is asked."""


def header(path: Path | str) -> ImageHeader:
    """Describe the picture of a PNG, JPEG, JPEG 2000, BMP, TIFF, NRRD or MATLAB file without decoding it.

    Raises:
        ImageError: If the file is missing, empty, damaged or no image.
    """
    if _is_slide(path := Path(path)):
        return _of_slide(path)
    path = _checked_path(path)
    if (planes := volumes.reader(path)) is not None:
        return planes.header(path)
    if is_tiff(path):
        with tiff.open_checked(path) as file:
            return tiff.header(path, file)
    with pictures.opened(path) as image:
        bits, step = heads.depth(path)
        turn = heads.orientation(path, image)
        size = image.size[:: 1 if TURNS[turn].swap else -1]
        return ImageHeader(
            height=size[0],
            width=size[1],
            channels=len(image.getbands()),
            dtype="uint16" if bits > pictures.EIGHT else "uint8",
            step=LOW_STEPS[1] if image.mode == "1" else step,
            turned=turn != 1,
            pages=1,
            format=str(image.format),
            palette=image.mode in pictures.PALETTE_MODES,
        )


def channel_names(path: Path | str) -> tuple[str, ...]:
    """The names that an OME-TIFF gives its channels; empty for other files and for channels without names.

    Raises:
        ImageError: If the file is missing, empty or damaged.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "map.tif"
        >>> write(file, np.zeros((2, 40, 50), np.float32), channels=["membrane", "cell"])
        >>> channel_names(file)
        ('membrane', 'cell')
    """
    path = _checked_path(path)
    if not is_tiff(path):
        return ()
    with tiff.open_checked(path) as file:
        return tiff.channel_names(file)


def read(path: Path | str, *, page: int | None = None, palette: Palette = "refuse") -> NDArray:
    """Read one page of an image file completely.

    Args:
        path: PNG, JPEG, JPEG 2000, BMP, TIFF, NRRD or MATLAB file.
        page: Page of a TIFF, from 0; None: the picture, the (first) largest page. Where metadata name axes
            (OME, ImageJ, …), pages are counted along all but rows, columns and channels, one image of the
            file after the other; elsewhere they are the pages of the file, thumbnails among them.
        palette: ``refuse`` a colour table, return its ``index`` (label images), or its ``colours``
            (masks); with ``colours``, an alpha channel is left out if it is opaque.

    Returns:
        ``(H, W)`` or ``(H, W, C)`` in the type of the file (16 bits stay 16 bits; grey of 1, 2
        or 4 bits is spread over 0 to 255, see `ImageHeader.step`), turned upright as EXIF and tag 274 say.

    Raises:
        ImageError: If the file is missing, damaged, no image, or of a colour model that would need a choice.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "grey.png"
        >>> write_png(file, np.array([[0, 255]], np.uint8))
        >>> read(file).tolist()
        [[0, 255]]
    """
    path = _checked_path(path)
    if palette not in PALETTES:
        raise ImageError(path, f"palette={palette!r}", f"one of {', '.join(PALETTES)}", "choose one")
    if _is_slide(path):
        source = open_source(path)
        return np.ascontiguousarray(np.moveaxis(source.read(0, 0, *source.shape[1:]), 0, -1))
    if is_tiff(path):
        source = TiffSource(path, page=page, palette=palette, cache_bytes=0)
        array = source.read(0, 0, *source.shape[1:])
        array = array[0] if len(array) == 1 else np.ascontiguousarray(np.moveaxis(array, 0, -1))
        return colours.as_rgb(path, array, source.colour_table) if palette == "colours" else array
    if page:
        found = f"a file of one page, asked for page {page}"
        raise ImageError(path, found, "page 0", "check the sample sheet")
    if (planes := volumes.reader(path)) is not None:
        source = planes.open_plane(path)
        return source.read(0, 0, *source.shape[1:])[0]
    turn = pictures.turn_of(path)
    if palette == "colours":
        return np.ascontiguousarray(turn.upright(colours.as_rgb(path, pictures.read_colours(path))))
    return np.ascontiguousarray(turn.upright(pictures.read(path, palette=palette)))


def as_channels_first(array: NDArray) -> NDArray:
    """Turn an image as read from a file, ``(H, W)`` or ``(H, W, C)``, into a view ``(C, H, W)``.

    Raises:
        ImageError: If the array is empty or has another number of dimensions.

    Example:
        >>> as_channels_first(np.zeros((4, 5, 3))).shape
        (3, 4, 5)
    """
    check_image_array(array, name="as_channels_first")
    return np.moveaxis(array, -1, 0) if array.ndim == HIGH_DIMENSIONS else array[None]


def open_source(
    path: Path | str, *, page: int | None = None, palette: Palette = "refuse", cache_bytes: int = CACHE_BYTES
) -> Raster:
    """Open an image, or a page (slice) of a multi-page TIFF, for reading by windows.

    TIFFs decode only the tiles or strips a window needs and keep the last ``cache_bytes`` of them; planes of
    NRRD and MATLAB read the rows, or columns, that it needs; a reference to a slide (`microtome.io.slides`)
    is read as the image that it describes, RGB uint8; other formats are decoded once as a whole. The source
    holds no open file: it can be pickled, forked and shared.

    Raises:
        ImageError: As :func:`read`.
    """
    if _is_slide(path := Path(path)):
        from microtome.io import slides  # OpenSlide is loaded where there are slides alone

        return (
            slides.open_reference(path, cache_bytes=cache_bytes)
            if path.suffix == SLIDE
            else slides.open_finest(path)
        )
    path = _checked_path(path)
    if is_tiff(path):
        return TiffSource(path, page=page, palette=palette, cache_bytes=cache_bytes)
    if not page and (planes := volumes.reader(path)) is not None:
        return planes.open_plane(path)
    decoded = None if page or palette == "colours" else pictures.open_upright(path, palette=palette)
    return decoded or ArraySource(as_channels_first(read(path, page=page, palette=palette)))


def write(
    path: Path | str,
    array: NDArray,
    *,
    mpp: float | None = None,
    compression: str = "zlib",
    tile: int | None = 256,
    channels: Sequence[str] | None = None,
    labels: bool = False,
) -> None:
    """Write an OME-TIFF, tiled as a rule, with a pyramid if a side has 4096 pixels or more.

    The file appears under its name only when complete; equal input gives equal bytes. Three channels of
    uint8 or uint16 are stored as RGB, anything else as one page per channel.

    Args:
        path: Target; its folder is made if missing.
        array: ``(H, W)`` or ``(C, H, W)``.
        mpp: Pixel size, µm.
        compression: ``zlib``, ``lzw``, ``zstd`` or ``none``.
        tile: Tile side, pixels, a multiple of 16; None: row after row, which without compression is one block
            that windows of are read from without decoding anything.
        channels: Names of the channels, for viewers.
        labels: The values are labels: smaller pyramid levels pick pixels instead of averaging them
            (always so for 32-bit integers).

    Raises:
        ImageError: If the array is empty or of a type TIFF readers do not know, or an option is out of range.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "map.tif"
        >>> write(file, np.zeros((2, 40, 50), np.float32), mpp=0.5)
        >>> header(file)
        ImageHeader(height=40, width=50, channels=2, dtype='float32', pages=1, format='OME-TIFF', mpp=0.5)
    """
    path, array = Path(path), np.asarray(array)
    check_image_array(array, name=str(path))
    _check_writing(path, array, mpp, compression, tile, channels)
    with finished_file(path) as draft:
        write_ome(draft, array, mpp=mpp, compression=compression, tile=tile, channels=channels, labels=labels)


def write_png(path: Path | str, array: NDArray) -> None:
    """Write a preview PNG atomically: ``(H, W)`` uint8/uint16 or uint8 RGB, channels first or last.

    Raises:
        ImageError: If the array is empty or of another type or shape.
    """
    path, array = Path(path), np.asarray(array)
    check_image_array(array, name=str(path))
    if array.ndim == HIGH_DIMENSIONS and array.shape[-1] != len("RGB"):
        array = np.moveaxis(array, 0, -1)
    array = array[..., 0] if array.ndim == HIGH_DIMENSIONS and array.shape[-1] == 1 else array
    grey = array.ndim != HIGH_DIMENSIONS and array.dtype.name in PNG_TYPES
    rgb = array.ndim == HIGH_DIMENSIONS and array.shape[-1] == len("RGB") and array.dtype == np.uint8
    if not grey and not rgb:
        found, remedy = f"{array.dtype} of shape {array.shape}", "scale the values to 0..255 and convert them"
        raise ImageError(path, found, "grey uint8/uint16 or RGB uint8", remedy)
    with finished_file(path) as draft:
        Image.fromarray(np.ascontiguousarray(array)).save(draft, format="PNG")


def read_on_white(path: Path | str) -> NDArray[np.uint8]:
    """Read a PNG, JPEG, JPEG 2000 or BMP of 8 bits as RGB (H, W, 3), white where it is transparent.

    Raises:
        ImageError: If the file is missing, damaged or no image.
    """
    path = _checked_path(path)
    turn = pictures.turn_of(path)
    with pictures.opened(path) as image:
        layered = Image.new("RGBA", image.size, "white")
        layered.alpha_composite(image.convert("RGBA"))
        return np.ascontiguousarray(turn.upright(np.asarray(layered.convert("RGB"))))


def _is_slide(path: Path) -> bool:
    """Whether a file is a reference to a slide, or a slide that OpenSlide alone reads."""
    return path.is_file() and path.suffix.lower() in (SLIDE, *SCANS)


def _of_slide(path: Path) -> ImageHeader:
    """The header of the image that a reference to a slide describes, or of a slide at its finest level."""
    from microtome.io import slides

    if path.suffix == SLIDE:
        found = slides.read_reference(path)
        (height, width), dtype = found.shape, "uint8"
    else:
        found = slides.header(path)
        (_, _, height, width), dtype = found.bounds, found.dtype
    mpp = found.mpp[1] if found.mpp and np.isclose(*found.mpp, rtol=1e-2) else None
    told = {"height": height, "width": width, "dtype": dtype, "mpp": mpp}
    return ImageHeader(channels=3, pages=1, format=found.format, **told)


def _checked_path(path: Path | str) -> Path:
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise ImageError(path, found, "an image file", "check the path in the sample sheet")
    if path.stat().st_size == 0:
        raise ImageError(path, "an empty file (0 bytes)", "an image", "copy or fetch it again")
    return path


def _start(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def is_tiff(path: Path) -> bool:
    """Whether a file begins as a TIFF does."""
    return _start(path, MAGIC_BYTES) in TIFF_MAGIC


def _check_writing(
    path: Path,
    array: NDArray,
    mpp: float | None,
    compression: str,
    tile: int | None,
    channels: Sequence[str] | None,
) -> None:
    planes = array.shape[0] if array.ndim == HIGH_DIMENSIONS else 1
    problem = None
    if array.dtype.name not in WRITABLE:
        problem = f"found {array.dtype}, expected one of {', '.join(WRITABLE)}; convert it with .astype()"
    elif array.ndim == HIGH_DIMENSIONS and array.shape[2] <= MAX_CHANNELS_LAST < min(array.shape[:2]):
        problem = f"shape {array.shape} looks like (H, W, C), expected (C, H, W); use as_channels_first()"
    elif mpp is not None and not 0 < mpp < np.inf:
        problem = f"found mpp={mpp}, expected a positive number of µm; leave it None if unknown"
    elif compression not in COMPRESSIONS:
        problem = f"found compression={compression!r}, expected one of {', '.join(COMPRESSIONS)}"
    elif tile is not None and (tile < TILE_MULTIPLE or tile % TILE_MULTIPLE):
        problem = f"found tile={tile}, expected a positive multiple of {TILE_MULTIPLE}"
    elif channels is not None and len(channels) != planes:
        problem = f"found {len(channels)} channel names for {planes} channels; give one each"
    if problem:
        msg = f"{path}: {problem}."
        raise ImageError(msg)
