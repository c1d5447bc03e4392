# SPDX-License-Identifier: MIT
"""A tiled, pyramidal OME-TIFF of any size, written part by part in little memory.

A tile is encoded as soon as its last pixel has come, and its mean of 2x2 pixels goes to the tile above it. So
neither a level nor the image ever lies in memory: only tiles that are not yet full, and these leave it for a
scratch file when there are many. Encoded tiles wait in a second scratch file until the places of all are
known; tifffile then writes the file, level after level.
"""

import hashlib
import math
import tempfile
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import DTypeLike, NDArray

from microtome.files import finished_file
from microtome.io.errors import ImageError
from microtome.io.tiff_writer import BIGTIFF_FROM, MICROMETRES_PER_CM, SOFTWARE, halve

STREAMABLE = ("uint8", "uint16", "float32")
TILE = 512
DEFLATE_LEVEL = 1
OPEN_BYTES = 64 * 2**20
"""What tiles that are not yet full may take of the memory."""
Key = tuple[int, int, int]
"""A tile: its level, its row and its column of tiles."""


class Place(NamedTuple):
    """Where some bytes lie in a scratch file."""

    offset: int
    size: int


class PyramidWriter:
    """Write an image part by part, in any order, each pixel at most once.

    The file appears under its name when the block ends, and not at all if an error ends it. Equal pixels give
    equal bytes, in whatever parts they come. What is never written is `fill`. The pyramid ends with the level
    whose sides have half those of a tile; a level is the mean of 2x2 pixels of the one before, rounded for
    whole numbers, or every second pixel of labels.

    Args:
        path: Target; its folder is made if missing.
        shape: Channels, rows, columns.
        dtype: ``uint8``, ``uint16`` or ``float32``.
        mpp: Pixel size, µm; two numbers are of y and x. None: unknown.
        channels: Names of the channels, for viewers.
        origin: Place of the upper left corner of the image (y, x) in its slide, µm; None: nothing is said.
        fill: Value of the pixels that are never written.
        labels: The values are labels, of which there is no mean.
        tile: Side of a tile, pixels, a multiple of 16.
        pyramid_from: Side from which on an image has further levels; 0: any that is larger than half a tile.
        open_bytes: Upper bound of the tiles in memory that are not yet full.

    Raises:
        ImageError: An option is out of range.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "map.tif"
        >>> with PyramidWriter(file, (1, 600, 700), np.uint8, mpp=0.5, channels=["tumor"]) as writer:
        ...     writer.write(100, np.full((1, 20, 700), 7, np.uint8))
        >>> with tifffile.TiffFile(file) as tiff:
        ...     [level.shape for level in tiff.series[0].levels], int(tiff.asarray()[119, 3])
        ([(600, 700), (300, 350), (150, 175)], 7)
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: DTypeLike,
        *,
        mpp: float | tuple[float, float] | None = None,
        channels: Sequence[str] | None = None,
        origin: tuple[float, float] | None = None,
        fill: float = 0,
        labels: bool = False,
        tile: int = TILE,
        pyramid_from: int = 0,
        open_bytes: int = OPEN_BYTES,
    ) -> None:
        self.path, self.shape, self.dtype, self.tile = path, shape, np.dtype(dtype), tile
        self.mpp = (mpp, mpp) if isinstance(mpp, int | float) else mpp
        self.channels, self.origin, self.labels = channels, origin, labels
        self._check()
        self.fill = self.dtype.type(fill)
        self.sizes = list(_level_sizes(shape[1:], tile)) if max(shape[1:]) >= pyramid_from else [shape[1:]]
        self._open_bytes, self._stack = open_bytes, ExitStack()
        self._encoded: list[dict[tuple[int, int], list[Place]]] = [{} for _ in self.sizes]
        self._constants: dict[bytes, Place] = {}

    def _check(self) -> None:
        problem = ""
        if self.dtype.name not in STREAMABLE:
            problem = f"found {self.dtype}, expected one of {', '.join(STREAMABLE)}; convert the pixels"
        elif len(self.shape) != 3 or min(self.shape) < 1:
            problem = f"found the shape {self.shape}, expected channels, rows and columns, each at least 1"
        elif self.mpp is not None and not all(0 < size < math.inf for size in self.mpp):
            problem = f"found mpp={self.mpp}, expected positive numbers of µm; leave it None if unknown"
        elif self.channels is not None and len(self.channels) != self.shape[0]:
            problem = f"found {len(self.channels)} names for {self.shape[0]} channels; give one each"
        elif self.tile < 16 or self.tile % 16:
            problem = f"found tile={self.tile}, expected a positive multiple of 16"
        if problem:
            msg = f"{self.path}: {problem}."
            raise ImageError(msg)

    def __enter__(self) -> Self:
        """Begin a file under a temporary name."""
        self._draft = self._stack.enter_context(finished_file(self.path))
        folder = self.path.parent
        self._spool = Scratch(folder, self._stack)
        tile = np.full((self.shape[0], self.tile, self.tile), self.fill)
        self._open = OpenTiles(tile, self._open_bytes, Scratch(folder, self._stack))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or remove what was begun of it."""
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._stack:
            for level in range(len(self.sizes)):
                for key in self._open.of_level(level):
                    self._close(key)
            self._write_file()

    def write(self, y: int, part: NDArray, x: int = 0) -> None:
        """Write a part (C, rows, columns) with its upper left corner at row `y`, column `x`.

        Raises:
            ImageError: It is of another type, is not inside the image, or was written before.
        """
        inside = part.ndim == 3 and part.shape[0] == self.shape[0] and min(y, x) >= 0
        inside = inside and y + part.shape[1] <= self.shape[1] and x + part.shape[2] <= self.shape[2]
        if not inside or part.dtype != self.dtype:
            found = f"a part {part.shape} of {part.dtype} at row {y}, column {x}"
            expected = f"one inside {self.shape} of {self.dtype}"
            raise ImageError(self.path, found, expected, "cut or convert it")
        self._put(0, y, x, part)

    def _put(self, level: int, y: int, x: int, part: NDArray) -> None:
        """Put a part of a level into its tiles; encode those that are full now."""
        for row in range(y // self.tile, (y + part.shape[1] - 1) // self.tile + 1):
            for column in range(x // self.tile, (x + part.shape[2] - 1) // self.tile + 1):
                key, top, left = (level, row, column), row * self.tile, column * self.tile
                if (row, column) in self._encoded[level]:
                    found = f"row {max(y, top)}, column {max(x, left)} of level {level} once more"
                    raise ImageError(self.path, found, "each pixel once", "write parts that do not overlap")
                rows = slice(max(top - y, 0), top + self.tile - y)
                columns = slice(max(left - x, 0), left + self.tile - x)
                piece = part[:, rows, columns]
                if self._open.paste(key, max(y - top, 0), max(x - left, 0), piece) == self._area(key):
                    self._close(key)

    def _inside(self, key: Key) -> tuple[int, int]:
        """Rows and columns of a tile that are inside its level."""
        height, width = self.sizes[key[0]]
        return min(self.tile, height - key[1] * self.tile), min(self.tile, width - key[2] * self.tile)

    def _area(self, key: Key) -> int:
        return math.prod(self._inside(key))

    def _close(self, key: Key) -> None:
        """Encode a tile, and put its mean of 2x2 pixels into the level above."""
        level, row, column = key
        tile = self._open.take(key)
        self._encoded[level][row, column] = [self._encode(plane) for plane in tile]
        if level + 1 < len(self.sizes):
            height, width = self._inside(key)
            side = self.tile // 2
            part = halve(tile[:, :height, :width], labels=self.labels)
            self._put(level + 1, row * side, column * side, part)
        self._open.give_back(tile)

    def _encode(self, plane: NDArray) -> Place:
        """Encode a tile of one channel; those of one value once each."""
        first = plane.flat[0]
        if (plane != first).any():
            return self._spool.append(_deflated(plane))
        known = self._constants.get(first.tobytes())
        if known is None:
            known = self._constants[first.tobytes()] = self._spool.append(_deflated(plane))
        return known

    def _tiles(self, level: int) -> Iterator[bytes]:
        """The encoded tiles of a level, channel after channel, row after row."""
        blank = self._spool.read(self._encode(np.full((self.tile, self.tile), self.fill)))
        rows, columns = (math.ceil(length / self.tile) for length in self.sizes[level])
        for channel in range(self.shape[0]):
            for place in np.ndindex(rows, columns):
                tile = self._encoded[level].get(place)
                yield blank if tile is None else self._spool.read(tile[channel])

    def _write_file(self) -> None:
        """Have tifffile write the levels, the coarser ones as SubIFDs of the finest."""
        options: dict[str, Any] = {
            "dtype": self.dtype,
            "tile": (self.tile, self.tile),
            "compression": "zlib",
            "photometric": "minisblack",
        }
        big = self._spool.size + 64 * sum(len(tiles) for tiles in self._encoded) > BIGTIFF_FROM
        with tifffile.TiffWriter(self._draft, ome=True, bigtiff=big) as tiff:
            for level, size in enumerate(self.sizes):
                if self.mpp is not None:
                    density = tuple(MICROMETRES_PER_CM / (side * 2**level) for side in self.mpp[::-1])
                    options |= {"resolution": density, "resolutionunit": "CENTIMETER"}
                of_level: dict[str, Any] = {"subfiletype": 1, "metadata": None, "software": False}
                if level == 0:
                    further = {"subifds": len(self.sizes) - 1, "metadata": self._metadata()}
                    of_level = {"software": SOFTWARE, **further}
                shape = (self.shape[0], *size)
                tiff.write(self._tiles(level), shape=shape, **options, **of_level)

    def _metadata(self) -> dict[str, Any]:
        """What OME-XML says of the image; its UUID is of the content."""
        said = f"{self.shape} {self.dtype.str} {self.mpp} {self.channels} {self.origin} {self.fill}"
        digest = hashlib.sha256(said.encode())
        for place, tile in sorted(self._encoded[0].items()):
            digest.update(str(place).encode())
            for channel in tile:
                digest.update(self._spool.read(channel))
        content = uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest())
        metadata: dict[str, Any] = {"axes": "CYX", "Creator": SOFTWARE, "UUID": f"urn:uuid:{content}"}
        for name, size in zip("YX", self.mpp or (), strict=False):
            metadata |= {f"PhysicalSize{name}": size, f"PhysicalSize{name}Unit": "µm"}
        if self.channels is not None:
            metadata["Channel"] = {"Name": list(self.channels)}
        if self.origin is not None:
            places = zip("YX", self.origin, strict=True)
            metadata["Plane"] = {f"Position{name}": [place] * self.shape[0] for name, place in places}
            metadata["Plane"] |= {f"Position{name}Unit": ["µm"] * self.shape[0] for name in "YX"}
        return metadata


class Scratch:
    """Bytes on disk that are gone with the process; plain writes, as pages of a memory map count as memory.

    Args:
        folder: On whose disk.
        stack: Closes the file.
    """

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._file = stack.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 (the stack closes it)
        self.size = 0

    def append(self, content: bytes) -> Place:
        """Write bytes behind all others."""
        return self.write(content, self.size)

    def write(self, content: bytes, offset: int) -> Place:
        """Write bytes at a place."""
        self._file.seek(offset)
        self._file.write(content)
        self.size = max(self.size, offset + len(content))
        return Place(offset, len(content))

    def read(self, place: Place) -> bytes:
        """Read bytes back."""
        self._file.seek(place.offset)
        return self._file.read(place.size)


class OpenTiles:
    """Tiles that are not yet full: the ones used last in memory, the others in a scratch file.

    Args:
        blank: A tile (C, rows, columns) without anything.
        limit: Bytes of tiles in memory.
        scratch: Where the others go.
    """

    def __init__(self, blank: NDArray, limit: int, scratch: Scratch) -> None:
        self._blank, self._scratch = blank, scratch
        self._limit = max(limit // blank.nbytes, 1)
        self._near: OrderedDict[Key, NDArray] = OrderedDict()
        self._far: dict[Key, int] = {}
        self._free: list[int] = []
        self._filled: dict[Key, int] = {}
        self._spare: list[NDArray] = []

    def of_level(self, level: int) -> list[Key]:
        """The tiles of a level, row by row."""
        return sorted(key for key in self._filled if key[0] == level)

    def paste(self, key: Key, y: int, x: int, part: NDArray) -> int:
        """Paste a part (C, rows, columns) into a tile; how many of its pixels have come so far."""
        tile = self._fetched(key)
        self._near[key] = tile
        tile[:, y : y + part.shape[1], x : x + part.shape[2]] = part
        self._filled[key] = self._filled.get(key, 0) + math.prod(part.shape[1:])
        while len(self._near) > self._limit:
            other, oldest = self._near.popitem(last=False)
            place = self._free.pop() if self._free else self._scratch.size
            self._far[other] = self._scratch.write(oldest.tobytes(), place).offset
            self.give_back(oldest)
        return self._filled[key]

    def take(self, key: Key) -> NDArray:
        """Take a tile out."""
        del self._filled[key]
        return self._fetched(key)

    def give_back(self, tile: NDArray) -> None:
        """Let another tile have the memory of one that was taken out.

        Tiles live long: new ones would come to lie where large arrays were, which then need room elsewhere.
        """
        self._spare.append(tile)

    def _empty(self) -> NDArray:
        """A tile without anything."""
        tile = self._spare.pop() if self._spare else np.empty_like(self._blank)
        np.copyto(tile, self._blank)
        return tile

    def _fetched(self, key: Key) -> NDArray:
        """A tile, which is in memory alone now and no longer in `_near`."""
        if key in self._near:
            return self._near.pop(key)
        if key not in self._far:
            return self._empty()
        place, tile = self._far.pop(key), self._empty()
        self._free.append(place)
        content = self._scratch.read(Place(place, self._blank.nbytes))
        np.copyto(tile, np.frombuffer(content, self._blank.dtype).reshape(self._blank.shape))
        return tile


def _level_sizes(size: tuple[int, int], tile: int) -> Iterator[tuple[int, int]]:
    """Rows and columns of each level, down to the one whose sides have half those of a tile."""
    yield size
    while max(size) > tile // 2:
        size = (math.ceil(size[0] / 2), math.ceil(size[1] / 2))
        yield size


def _deflated(plane: NDArray) -> bytes:
    """A tile as TIFF's compression 8 has it (RFC 1950)."""
    return imagecodecs.deflate_encode(np.ascontiguousarray(plane), DEFLATE_LEVEL)
