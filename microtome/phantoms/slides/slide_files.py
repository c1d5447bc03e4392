# SPDX-License-Identifier: MIT
"""Whole-slide files: pyramids of JPEG tiles as generic TIFF, Aperio SVS and Leica SCN, written row by row.

Tiles come once each, and only a row of them is in memory beside what is compressed: the coarser levels, which
follow the finest in the file. Tiles without tissue are compressed once.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

SIDE = 256
"""Pixels of a tile's side."""
MULTIPLE = 64
"""Rows and columns of a scan are multiples of this, so that levels are whole fractions."""
LEAST = 512
"""A pyramid ends with the first level that has a side below twice this."""
CENTIMETRE = 1e4
CANVAS = (76_000.0, 26_000.0)
"""Height and width (µm) of a glass slide, of which Leica's scanners know all."""
PLACE = (9_000.0, 4_000.0)
"""Where (µm from its upper left corner) the scanned area of an SCN begins."""
Tile = NDArray[np.uint8]
TileSource = Callable[[int, int], Tile | None]


@dataclass(frozen=True)
class Scan:
    """What is written.

    Attributes:
        shape: Rows and columns, multiples of `MULTIPLE`.
        mpp: Micrometres per pixel.
        tile: Gives the tile ``(SIDE, SIDE, 3)`` in a row and column of tiles, None where it is glass.
        white: The colour of glass, ``(3,)`` uint8.
        quality: Of the JPEG compression.
    """

    shape: tuple[int, int]
    mpp: float
    tile: TileSource
    white: NDArray[np.uint8]
    quality: int = 85

    @property
    def power(self) -> float:
        """Of the objective, as scanners name it."""
        return 10 / self.mpp


def scanned_shape(height: float, width: float, mpp: float) -> tuple[int, int]:
    """Rows and columns of a scan of so many µm, with what is needed to make them multiples.

    Example:
        >>> scanned_shape(2000, 3600, 0.5)
        (4032, 7232)
    """
    return tuple(MULTIPLE * int(np.ceil(side / mpp / MULTIPLE)) for side in (height, width))


def write(path: Path, scan: Scan, kind: str) -> None:
    """Write a scan as `tiff`, `svs` or `scn`."""
    {"tiff": _write_tiff, "svs": _write_svs, "scn": _write_scn}[kind](path, scan)


def _write_tiff(path: Path, scan: Scan) -> None:
    """Levels are successive pages; the resolution says the pixel size."""
    pyramid = Pyramid(scan, factor=2)
    with tifffile.TiffWriter(path) as file:
        for level in range(len(pyramid.shapes)):
            file.write(**pyramid.page(level), **_resolution(scan, 2**level), description=None)


def _write_svs(path: Path, scan: Scan) -> None:
    """Aperio: pixel size and power in the description, a thumbnail in strips as the second page."""
    pyramid = Pyramid(scan, factor=4)
    (height, width), levels = scan.shape, len(pyramid.shapes)
    head = f"Aperio Image Library v12.0.15 \r\n{width}x{height} [0,0 {width}x{height}] ({SIDE}x{SIDE})"
    tail = f"JPEG/RGB Q={scan.quality}|AppMag = {scan.power:g}|MPP = {scan.mpp:.4f}"
    with tifffile.TiffWriter(path) as file:
        file.write(**pyramid.page(0), description=f"{head} {tail}")
        small = pyramid.thumbnail()
        options = {"compression": "jpeg", "photometric": "rgb", "rowsperstrip": 16, "metadata": None}
        file.write(small, **options, description=f"{head} -> {small.shape[1]}x{small.shape[0]} {tail}")
        for level in range(1, levels):
            rows, columns = pyramid.shapes[level]
            file.write(**pyramid.page(level), description=f"{head} -> {columns}x{rows} {tail}")


def _write_scn(path: Path, scan: Scan) -> None:
    """Leica: a BigTIFF whose XML says where on the glass slide the scanned area lies; last an overview."""
    pyramid = Pyramid(scan, factor=4)
    with tifffile.TiffWriter(path, bigtiff=True) as file:
        xml = _scn_xml(scan, pyramid.shapes)
        for level in range(len(pyramid.shapes)):
            of_level = {"description": xml if level == 0 else None, **_resolution(scan, 4**level)}
            file.write(**pyramid.page(level), **of_level)
        overview = np.full((_overview_side(0), _overview_side(1), 3), scan.white, np.uint8)
        options = {"compression": "jpeg", "photometric": "rgb", "tile": (SIDE, SIDE), "metadata": None}
        file.write(overview, **options)


def _overview_side(axis: int) -> int:
    return round(CANVAS[axis] / 100)


def _scn_xml(scan: Scan, shapes: list[tuple[int, int]]) -> str:
    """The description of an SCN file; lengths are nanometres."""
    size = [round(side * scan.mpp * 1e3) for side in scan.shape]
    start = [round(round(place / scan.mpp) * scan.mpp * 1e3) for place in PLACE]
    canvas = [
        max(round(whole * 1e3), first + side) for whole, first, side in zip(CANVAS, start, size, strict=True)
    ]
    settings = (
        "<scanSettings><objectiveSettings><objective>{}</objective></objectiveSettings><illuminationSettings>"
        "<numericalAperture>0.4</numericalAperture><illuminationSource>brightfield</illuminationSource>"
        "</illuminationSettings></scanSettings>"
    )
    levels = _dimensions(shapes, 0)
    overview = [(_overview_side(0), _overview_side(1))]
    view = '<view sizeX="{}" sizeY="{}" offsetX="{}" offsetY="{}"/>'
    return (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01" uuid="urn:uuid:'
        f'microtome-phantom"><collection name="phantom" sizeX="{canvas[1]}" sizeY="{canvas[0]}">'
        f'<image name="overview">{_dimensions(overview, len(shapes))}'
        f"{view.format(canvas[1], canvas[0], 0, 0)}{settings.format(1)}</image>"
        f'<image name="scan">{levels}{view.format(size[1], size[0], start[1], start[0])}'
        f"{settings.format(f'{scan.power:g}')}</image></collection></scn>"
    )


def _dimensions(shapes: list[tuple[int, int]], first: int) -> str:
    rows = "".join(
        f'<dimension sizeX="{columns}" sizeY="{rows}" r="{level}" ifd="{first + level}"/>'
        for level, (rows, columns) in enumerate(shapes)
    )
    return f'<pixels sizeX="{shapes[0][1]}" sizeY="{shapes[0][0]}">{rows}</pixels>'


def _resolution(scan: Scan, downsample: int) -> Mapping[str, Any]:
    each = CENTIMETRE / (scan.mpp * downsample)
    return {"resolution": (each, each), "resolutionunit": "CENTIMETER"}


@dataclass
class Pyramid:
    """Levels of a scan; while the first is written, the others are made."""

    scan: Scan
    factor: int
    shapes: list[tuple[int, int]] = field(init=False)
    _encoded: list[list[bytes]] = field(init=False)
    _waiting: list[list[Tile]] = field(init=False)
    _last: list[Tile] = field(init=False, default_factory=list)
    _glass: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.shapes = [self.scan.shape]
        while min(self.shapes[-1]) >= 2 * LEAST and len(self.shapes) < 6:
            self.shapes.append(tuple(-(-side // self.factor) for side in self.shapes[-1]))
        self._encoded = [[] for _ in self.shapes]
        self._waiting = [[] for _ in self.shapes]
        self._glass = self._encode(np.broadcast_to(self.scan.white, (SIDE, SIDE, 3)))

    def page(self, level: int) -> dict[str, Any]:
        """What `tifffile.TiffWriter.write` takes of a level, in the order of the levels."""
        return {
            "data": self.tiles(level),
            "shape": (*self.shapes[level], 3),
            "dtype": np.uint8,
            "tile": (SIDE, SIDE),
            "compression": "jpeg",
            "photometric": "rgb",
            "subfiletype": int(level > 0),
            "metadata": None,
        }

    def tiles(self, level: int) -> Iterator[bytes]:
        """The tiles of a level as JPEG, in reading order; those of the finest have to be taken first."""
        return self._finest() if level == 0 else iter(self._encoded[level])

    def thumbnail(self) -> Tile:
        """The slide once more reduced than the coarsest level."""
        rows, columns = (-(-side // self.factor) for side in self.shapes[-1])
        return np.concatenate(self._last)[:rows, :columns]

    def _finest(self) -> Iterator[bytes]:
        rows, columns = (-(-side // SIDE) for side in self.scan.shape)
        for row in range(rows):
            tiles = [self.scan.tile(row, column) for column in range(columns)]
            self._pass_on(1, self._reduced(tiles))
            for level in range(1, len(self.shapes) if row == rows - 1 else 0):
                self._flush(level)  # before the last tile, after which nobody asks for more
            for tile in tiles:
                yield self._glass if tile is None else self._encode(tile)

    def _reduced(self, tiles: list[Tile | None]) -> Tile:
        """A row of tiles as a band of the next level; what lies beyond the scan is glass."""
        side = SIDE // self.factor
        band = self._glass_band(side, len(tiles) * side)
        for column, tile in enumerate(tiles):
            if tile is not None:
                band[:, column * side : (column + 1) * side] = block_means(tile, self.factor)
        return band

    def _pass_on(self, level: int, band: Tile) -> None:
        """Take a band of a level; when enough came for a row of tiles, compress this."""
        if level == len(self.shapes):
            self._last.append(band)
            return
        self._waiting[level].append(band)
        if sum(len(part) for part in self._waiting[level]) >= SIDE:
            self._flush(level)

    def _flush(self, level: int) -> None:
        if not self._waiting[level]:
            return
        band = np.concatenate(self._waiting[level])
        self._waiting[level] = []
        columns = -(-self.shapes[level][1] // SIDE)
        whole = self._glass_band(SIDE, columns * SIDE)
        whole[: len(band), : min(band.shape[1], whole.shape[1])] = band[:, : whole.shape[1]]
        tiles = [whole[:, column * SIDE : (column + 1) * SIDE] for column in range(columns)]
        self._encoded[level] += [self._encode(tile) for tile in tiles]
        self._pass_on(level + 1, block_means(whole, self.factor))

    def _glass_band(self, rows: int, columns: int) -> Tile:
        return np.broadcast_to(self.scan.white, (rows, columns, 3)).copy()

    def _encode(self, tile: Tile) -> bytes:
        options = {"level": self.scan.quality, "colorspace": "RGB", "outcolorspace": "YCBCR"}
        return imagecodecs.jpeg8_encode(np.ascontiguousarray(tile), subsampling="420", **options)


def block_means(image: Tile, factor: int) -> Tile:
    """Means of square blocks of an image ``(H, W, 3)`` whose sides are multiples of the factor, rounded.

    Example:
        >>> block_means(np.array([[[0], [3]], [[4], [4]]], np.uint8), 2).tolist()
        [[[3]]]
    """
    total = sum(
        image[row::factor, column::factor].astype(np.uint16) for row, column in np.ndindex(factor, factor)
    )
    return ((total + factor**2 // 2) // factor**2).astype(np.uint8)
