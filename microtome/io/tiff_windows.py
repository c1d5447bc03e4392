# SPDX-License-Identifier: MIT
"""Windows of a TIFF page, decoding only the tiles needed. Used through :mod:`microtome.io.images`."""

import math
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from microtome.io.errors import ImageError
from microtome.io.jpeg_tiles import can_halve, check_end, half, is_jpeg, mode_of
from microtome.io.raster import EVERY, LOW_DIMENSIONS, TURNS, check_window
from microtome.io.tiff import (
    DAMAGE,
    PIXEL_AXES,
    damaged,
    locate,
    open_checked,
    orientation,
    shape_of,
    step_of,
)

ALPHA_SAMPLES = {1, 2}  # TIFF 6.0, ExtraSamples: associated and unassociated alpha
CACHE_BYTES = 64 * 2**20
COLOURS = tifffile.PHOTOMETRIC
READABLE = (COLOURS.MINISBLACK, COLOURS.RGB, COLOURS.YCBCR, COLOURS.PALETTE)
TURNED_TO_RGB = (6, 7, 34892, 33007)
"""Compressions (all JPEG) whose decoder makes RGB of YCbCr."""
YCBCR_OF_APERIO = 33003
"""JPEG 2000 of YCbCr, whatever the file says of its colours; OpenSlide turns it into RGB."""
PALETTES = ("refuse", "index", "colours")
COLOUR_TABLE = "a colour table", "grey or RGB", "save an image as RGB, a label as grey"
ALPHA = "an alpha channel", "grey or RGB", "save the image without alpha"
"""What is said of colour tables and of alpha channels: found, expected, remedy."""


@dataclass(frozen=True)
class Plane:
    """Which pixels of a TIFF with a pyramid are meant, and how they are decoded.

    Attributes:
        level: Of the pyramid of the page, 0 the finest.
        directory: Number of the directory of the file that holds the pixels, whatever its metadata say; None:
            as page and level say.
        half: JPEG tiles are decoded to half their size, so that the image has half its sides.
        interleaved: Windows lie in memory pixel by pixel, not channel by channel.
    """

    level: int = 0
    directory: int | None = None
    half: bool = False
    interleaved: bool = False


class TiffSource:
    """One page of a TIFF as a window source.

    The file is opened for each read, so that a source can be shared by threads, forked and pickled.

    Args:
        path: TIFF file.
        page: Page of the file, see :func:`microtome.io.images.read`; None: the picture.
        palette: ``refuse`` a colour table, read its ``index``, or leave the ``colours`` to who asks for them
            (`colour_table`), alpha included.
        cache_bytes: Upper bound of the decoded segments kept in memory.
        plane: Which pixels of a pyramid, and how they are decoded; None: the picture as it is.

    Raises:
        ImageError: If the file is damaged, or the page or its colour model is not there or not supported.
    """

    def __init__(
        self,
        path: Path,
        *,
        page: int | None = None,
        palette: str = "refuse",
        cache_bytes: int = CACHE_BYTES,
        plane: Plane | None = None,
    ) -> None:
        self._options = {"page": page, "palette": palette, "cache_bytes": cache_bytes, "plane": plane}
        self._path, self._cache_bytes = path, cache_bytes
        self._cache: OrderedDict[tuple[int, int], NDArray | None] = OrderedDict()
        self._cached, self._lock = 0, threading.Lock()
        with open_checked(path) as tiff:
            try:
                self._adopt(tiff, page=page, palette=palette, plane=plane or Plane())
            except ImageError:
                raise
            except DAMAGE as error:
                raise damaged(path, str(error)) from error

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        """Pickle by path: the copy opens the file anew, with an empty cache."""
        return partial(TiffSource, **self._options), (self._path,)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        return self._shape

    @property
    def dtype(self) -> np.dtype:
        """Pixel type of the windows, in native byte order."""
        return self._dtype

    @property
    def segment_rows(self) -> int:
        """Rows that are decoded together; whoever reads so many at a time decodes each tile once."""
        if self._mapping is not None:
            return 1
        if self._turn.swap:
            return self._shape[1]
        rows = self._key.tilelength if self._key.is_tiled else self._key.rowsperstrip
        return max(min(rows, self._key.imagelength) // self._parts, 1)

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window ``(C, height, width)`` at ``(y, x)``, which must lie inside the image.

        Raises:
            ImageError: If the window is not inside, or a segment of the file cannot be decoded.
        """
        check_window(self._shape, y, x, height, width)
        try:
            with self._path.open("rb") as file:
                stored = self._stored_window(file, *self._stored_place(y, x, height, width))
        except DAMAGE as error:
            raise damaged(self._path, str(error)) from error
        if self._step > 1:
            stored = stored.astype(np.uint8) * np.uint8(self._step)
        elif stored.dtype == np.bool_:
            stored = stored.astype(np.uint8) * np.uint8(255)
        return np.moveaxis(self._turn.upright(np.moveaxis(stored[channels], 0, -1)), -1, 0)

    def _stored_place(self, y: int, x: int, height: int, width: int) -> tuple[int, int, int, int]:
        """Where an upright window lies in the stored picture: row, column, height, width."""
        y = self._shape[1] - y - height if self._turn.rows else y
        x = self._shape[2] - x - width if self._turn.columns else x
        return (x, y, width, height) if self._turn.swap else (y, x, height, width)

    def _adopt(self, tiff: tifffile.TiffFile, *, page: int | None, palette: str, plane: Plane) -> None:
        series, place = _series(tiff, self._path, page, plane)
        height, width, channels, dtype = shape_of(series)
        key = series.keyframe
        _check_colours(self._path, key, palette=palette)
        self._key, self._decode = key, key.decode
        self._plane, self._parts = plane, 2 if plane.half else 1
        self.colour_table = key.colormap if key.photometric == COLOURS.PALETTE else None
        self._native, self._dtype = series.dtype.newbyteorder("="), np.dtype(dtype)
        self._shape = (channels, height // self._parts, width // self._parts)
        self._turn, self._step = TURNS[orientation(key)], step_of(key)
        self._mapping = _contiguous(tiff, series, page=place, size=self._shape)
        self._frames = [] if self._mapping else list(_frames(series, place))
        self._tables = [frame.jpegtables for frame in self._frames]
        self.can_halve = can_halve(key)
        self._is_jpeg, self._mode = is_jpeg(key), mode_of(key) if plane.half else ""
        self._check_extents(tiff.filehandle.size)

    def _check_extents(self, size: int) -> None:
        ends = [0] if self._mapping is None else [self._mapping["offset"] + self._mapping["bytes"]]
        for frame in self._frames:
            ends += [
                start + count for start, count in zip(frame.dataoffsets, frame.databytecounts, strict=True)
            ]
        if max(ends) > size:
            raise damaged(self._path, f"its pixels reach to byte {max(ends)}, the file has {size}")

    def _stored_window(self, file: BinaryIO, y: int, x: int, height: int, width: int) -> NDArray:
        if self._mapping is not None:
            mapped = {name: self._mapping[name] for name in ("dtype", "offset", "shape")}
            whole = np.memmap(file, mode="r", **mapped)
            window = np.moveaxis(whole, self._mapping["order"], (0, 1, 2))[:, y : y + height, x : x + width]
            return window.astype(self._native)
        stored = self._room(height, width)
        for number in range(len(self._frames)):
            for index in self._segments(y, x, height, width):
                self._paste(stored[number:], file, number, index, (y, x))
        return stored

    def _room(self, height: int, width: int) -> NDArray:
        """An empty window (C, height, width), in memory as tiles are where it is of one frame."""
        if self._plane.interleaved and len(self._frames) == 1:
            return np.moveaxis(np.zeros((height, width, self._shape[0]), self._native), -1, 0)
        return np.zeros((self._shape[0], height, width), self._native)

    def _segments(self, y: int, x: int, height: int, width: int) -> Iterator[int]:
        key = self._key
        rows, columns = min(key.rowsperstrip, key.imagelength), key.imagewidth
        if key.is_tiled:
            rows, columns = key.tilelength, key.tilewidth
        across, down = math.ceil(key.imagewidth / columns), math.ceil(key.imagelength / rows)
        rows, columns = rows // self._parts, columns // self._parts
        separate = key.planarconfig == tifffile.PLANARCONFIG.SEPARATE and key.samplesperpixel > 1
        for plane in range(key.samplesperpixel if separate else 1):
            for row in range(y // rows, (y + height - 1) // rows + 1):
                for column in range(x // columns, (x + width - 1) // columns + 1):
                    yield (plane * down + row) * across + column

    def _paste(self, out: NDArray, file: BinaryIO, number: int, index: int, corner: tuple[int, int]) -> None:
        segment, (plane, _, top, left, _) = self._segment(file, number, index)
        if segment is None:  # a sparse tile: nothing stored means zero
            return
        rows = slice(max(corner[0], top), min(corner[0] + out.shape[1], top + segment.shape[0]))
        columns = slice(max(corner[1], left), min(corner[1] + out.shape[2], left + segment.shape[1]))
        part = segment[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        target = out[plane : plane + part.shape[2], rows.start - corner[0] : rows.stop - corner[0]]
        target[:, :, columns.start - corner[1] : columns.stop - corner[1]] = part.transpose(2, 0, 1)

    def _segment(self, file: BinaryIO, number: int, index: int) -> tuple[NDArray | None, tuple[int, ...]]:
        """Return a decoded segment ``(rows, columns, samples)`` and its place, from the cache if there."""
        with self._lock:
            found = self._cache.get((number, index))
            if found is not None:
                self._cache.move_to_end((number, index))
                return found
        frame = self._frames[number]
        file.seek(frame.dataoffsets[index])
        data = file.read(frame.databytecounts[index]) or None
        if data is not None and self._is_jpeg:
            check_end(data)
        entry = self._halved(data, index) if self._plane.half else self._decoded(data, number, index)
        self._remember((number, index), entry)
        return entry

    def _decoded(self, data: bytes | None, number: int, index: int) -> tuple[NDArray | None, tuple[int, ...]]:
        segment, place, shape = self._decode(data, index, jpegtables=self._tables[number])
        return None if segment is None else segment[0, : shape[1], : shape[2]], place

    def _halved(self, data: bytes | None, index: int) -> tuple[NDArray | None, tuple[int, ...]]:
        """A tile at half size, and its place among halved pixels; half pixels at far ends are left out."""
        _, (plane, depth, top, left, sample), shape = self._decode(None, index)
        place = plane, depth, top // 2, left // 2, sample
        if data is None:
            return None, place
        size = self._key.tilelength // 2, self._key.tilewidth // 2
        halved = half(data, self._tables[0], size=size, mode=self._mode)
        return halved[: shape[1] // 2, : shape[2] // 2], place

    def _remember(self, key: tuple[int, int], entry: tuple[NDArray | None, tuple[int, ...]]) -> None:
        size = 0 if entry[0] is None else entry[0].nbytes
        if size > self._cache_bytes:
            return
        with self._lock:
            if key not in self._cache:
                self._cached += size
            self._cache[key] = entry
            while self._cached > self._cache_bytes:
                _, (oldest, _) = self._cache.popitem(last=False)
                self._cached -= 0 if oldest is None else oldest.nbytes


def _series(
    tiff: tifffile.TiffFile, path: Path, page: int | None, plane: Plane
) -> tuple[tifffile.TiffPageSeries, int]:
    """The pages that hold a plane, and the place among them."""
    if plane.directory is not None:
        found = tiff.pages[plane.directory].aspage()
        return tifffile.TiffPageSeries([found], shape=found.shape, dtype=found.dtype, axes=found.axes), 0
    series, place = locate(tiff, path, page)
    return series.levels[plane.level], place


def _check_colours(path: Path, page: tifffile.TiffPage, *, palette: str) -> None:
    colours = COLOURS(page.photometric)
    if colours == COLOURS.MINISWHITE:
        found = "white stored as zero, which not all readers turn over"
        raise ImageError(path, found, "black as zero", "save it so")
    if page.compression == YCBCR_OF_APERIO and page.samplesperpixel > 1:
        colours = COLOURS.YCBCR
    if colours not in READABLE or (colours == COLOURS.YCBCR and page.compression not in TURNED_TO_RGB):
        raise ImageError(path, f"{colours.name} colours", "grey or RGB", "convert the file to RGB")
    if colours == COLOURS.PALETTE and palette == "refuse":
        raise ImageError(path, *COLOUR_TABLE)
    if set(page.extrasamples) & ALPHA_SAMPLES and palette != "colours":
        raise ImageError(path, *ALPHA)


def _frames(series: tifffile.TiffPageSeries, page: int) -> Iterator[tifffile.TiffFrame]:
    """Yield the stored pages that make up one page of the series, in the order of its channels."""
    axes = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
    sizes = [size for _, size in axes]
    numbers = np.arange(math.prod(sizes)).reshape(sizes or (1,))
    if any(axis == "C" for axis, _ in axes):
        numbers = np.moveaxis(numbers, [axis for axis, _ in axes].index("C"), -1)
    else:
        numbers = numbers[..., None]
    for number in numbers.reshape(-1, numbers.shape[-1])[page] if sizes else [0]:
        yield series.pages[int(number)]


def _contiguous(
    tiff: tifffile.TiffFile, series: tifffile.TiffPageSeries, *, page: int, size: tuple[int, int, int]
) -> dict[str, Any] | None:
    """Describe a page of an uncompressed series stored as one block, or None.

    ImageJ and others write large stacks with a single page entry; the other pages exist only as an offset.
    """
    outer = [axis for axis in series.axes if axis not in PIXEL_AXES]
    leading = series.axes[: len(outer)] == "".join(outer)
    if series.dataoffset is None or not leading or ("S" in series.axes and "C" in series.axes):
        return None
    inner = series.axes[len(outer) :]
    shape = series.shape[len(outer) :]
    if len(shape) == LOW_DIMENSIONS:
        inner, shape = f"C{inner}", (1, *shape)
    order = tuple(inner.index(axis) for axis in ("C" if "C" in inner else "S", "Y", "X"))
    count = math.prod(size) * series.dtype.itemsize
    offset = series.dataoffset + page * count
    dtype = series.dtype.newbyteorder(tiff.byteorder)
    return {"dtype": dtype, "offset": offset, "shape": shape, "order": order, "bytes": count}
