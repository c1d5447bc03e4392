# SPDX-License-Identifier: MIT
"""What an image or a cube is before and after decoding: its header, and a raster that gives windows of it."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from microtome.io.errors import ImageError

LOW_DIMENSIONS = 2
HIGH_DIMENSIONS = 3
EVERY = slice(None)
"""All channels, or all bands."""
LOW_STEPS = {1: 255, 2: 85, 4: 17}
"""By the bits of a level of grey, what it counts among 0 to 255."""


class Turn(NamedTuple):
    """What turns a stored picture upright: rows and columns swapped first, then either axis reversed."""

    swap: bool
    rows: bool
    columns: bool

    def upright(self, array: NDArray) -> NDArray:
        """A view (H, W, …) of a stored array, turned.

        Example:
            >>> TURNS[6].upright(np.array([[1, 2], [3, 4]])).tolist()
            [[3, 1], [4, 2]]
        """
        turned = array.swapaxes(0, 1) if self.swap else array
        return turned[:: -1 if self.rows else 1, :: -1 if self.columns else 1]


TURNS = {
    1: Turn(False, False, False),
    2: Turn(False, False, True),
    3: Turn(False, True, True),
    4: Turn(False, True, False),
    5: Turn(True, False, False),
    6: Turn(True, False, True),
    7: Turn(True, True, True),
    8: Turn(True, True, False),
}
"""By the value of the tag Orientation of TIFF 6.0 and EXIF."""


@dataclass(frozen=True, kw_only=True)
class ImageHeader:
    """What is known of an image file without decoding its pixels.

    Attributes:
        height: Rows, pixels.
        width: Columns, pixels.
        channels: Values per pixel; 1 for grey images.
        dtype: NumPy name of the pixel type, e.g. ``uint8``.
        pages: Pages (slices) of the file, as :func:`microtome.io.images.read` numbers them.
        format: ``PNG``, ``JPEG``, ``JPEG2000``, ``BMP``, ``TIFF`` or ``OME-TIFF``.
        mpp: Pixel size in µm, or None if the file does not say or says different values per axis.
        palette: Whether the values are places in a colour table.
        step: What one level of grey counts among 0 to 255, of files with fewer than 8 bits (255 of one bit).
        turned: Whether the file says that its pixels are to be turned; sizes are of the upright picture.
        shapes: Rows, columns, channels and type of each page, where these are not alike (a thumbnail before
            the picture, levels of a pyramid); the header itself is of the picture, the largest of them.
    """

    height: int
    width: int
    channels: int
    dtype: str
    pages: int
    format: str
    mpp: float | None = None
    palette: bool = field(default=False, repr=False)
    step: int = field(default=1, repr=False)
    turned: bool = field(default=False, repr=False)
    shapes: tuple[tuple[int, int, int, str], ...] = field(default=(), repr=False)

    @property
    def shape(self) -> tuple[int, int, int, str]:
        """Rows, columns, channels and type."""
        return self.height, self.width, self.channels, self.dtype

    @property
    def pictures(self) -> tuple[int, ...]:
        """The pages that may be the picture: thumbnails and levels of a pyramid are none."""
        found = (page for page in range(self.pages) if not self.shapes or self.shapes[page] == self.shape)
        return tuple(found)

    @property
    def is_stack(self) -> bool:
        """Whether several pages may be the picture, so that one has to be named."""
        return len(self.pictures) > 1

    def of_page(self, page: int | None) -> "ImageHeader":
        """The header of a page that the file has; None: of the picture."""
        if page is None or not self.shapes or self.shapes[page] == self.shape:
            return self
        names = ("height", "width", "channels", "dtype")
        return replace(self, **dict(zip(names, self.shapes[page], strict=True)), mpp=None)


@runtime_checkable
class Raster(Protocol):
    """Anything that yields windows of one image or cube as ``(C, height, width)`` arrays.

    Files, arrays and stacks of them are rasters; whoever reads windows need not know which it is.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        ...

    @property
    def dtype(self) -> np.dtype:
        """Pixel type of the windows."""
        ...

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window with its upper left corner at ``(y, x)``; it must lie inside the image."""
        ...


@dataclass(frozen=True, eq=False)
class ArraySource:
    """An image in memory, ``(H, W)`` or ``(C, H, W)``, as a window source; the array is never written to.

    Raises:
        ImageError: If the array is empty or has another number of dimensions.

    Example:
        >>> ArraySource(np.arange(12).reshape(3, 4)).read(1, 2, 2, 2).tolist()
        [[[6, 7], [10, 11]]]
    """

    array: NDArray

    def __post_init__(self) -> None:
        check_image_array(self.array, name="ArraySource")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        height, width = self.array.shape[-2:]
        channels = self.array.shape[0] if self.array.ndim == HIGH_DIMENSIONS else 1
        return channels, height, width

    @property
    def dtype(self) -> np.dtype:
        """Pixel type."""
        return self.array.dtype

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return a copy of the window ``(C, height, width)`` at ``(y, x)``."""
        check_window(self.shape, y, x, height, width)
        whole = self.array if self.array.ndim == HIGH_DIMENSIONS else self.array[None]
        return np.array(whole[channels, y : y + height, x : x + width])


@dataclass(frozen=True, eq=False)
class StackedSource:
    """Several sources of one size as one, channel after channel.

    Raises:
        ImageError: If there is none, or their sizes differ.

    Example:
        >>> StackedSource((ArraySource(np.zeros((3, 4))), ArraySource(np.ones((3, 4))))).shape
        (2, 3, 4)
    """

    sources: tuple[Raster, ...]

    def __post_init__(self) -> None:
        sizes = {source.shape[1:] for source in self.sources}
        if len(sizes) != 1:
            found = f"images of the sizes {sorted(sizes)}"
            raise ImageError(type(self).__name__, found, "one size", "make them anew")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        return sum(source.shape[0] for source in self.sources), *self.sources[0].shape[1:]

    @property
    def dtype(self) -> np.dtype:
        """Pixel type that holds the values of all."""
        return np.result_type(*(source.dtype for source in self.sources))

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window ``(C, height, width)`` at ``(y, x)``; only sources of the channels are read."""
        start, stop, _ = channels.indices(self.shape[0])
        parts, first = [], 0
        for source in self.sources:
            last = first + source.shape[0]
            if first < stop and last > start:
                own = slice(max(start - first, 0), stop - first)
                parts.append(source.read(y, x, height, width)[own])
            first = last
        return np.concatenate(parts, dtype=self.dtype)


def check_image_array(array: NDArray, *, name: str) -> None:
    """Refuse what is not an image, ``(H, W)`` or ``(C, H, W)``; `name` is the subject of the message.

    Raises:
        ImageError: If it has no pixels or not two or three dimensions.
    """
    if array.ndim not in (LOW_DIMENSIONS, HIGH_DIMENSIONS) or array.size == 0:
        remedy = "turn an image with channels last with as_channels_first()"
        expected = "a non-empty (H, W) or (C, H, W)"
        raise ImageError(name, f"an array of shape {array.shape}", expected, remedy)


def check_window(shape: tuple[int, int, int], y: int, x: int, height: int, width: int) -> None:
    """Refuse a window that is empty or reaches beyond an image of this shape (channels, rows, columns).

    Raises:
        ImageError: If the window is empty or not inside the image.
    """
    inside = 0 <= y <= shape[1] - height and 0 <= x <= shape[2] - width
    if height < 1 or width < 1 or not inside:
        found = f"window of {height}x{width} at row {y}, column {x} is empty or not inside the image"
        msg = f"{found} of {shape[1]}x{shape[2]}; use read_mirrored() for windows that reach over the border."
        raise ImageError(msg)


def reflected(start: int, count: int, length: int) -> NDArray[np.intp]:
    """Return image positions for ``count`` positions from ``start`` on, mirrored at the borders.

    The border pixel is not repeated (NumPy's ``reflect``), and reflection goes on for any distance: `start`
    may be negative or beyond the image, which has `length` pixels along this axis.

    Example:
        >>> reflected(-2, 7, 3).tolist()
        [2, 1, 0, 1, 2, 1, 0]
        >>> reflected(-2, 4, 1).tolist()
        [0, 0, 0, 0]
    """
    period = max(2 * (length - 1), 1)
    position = np.arange(start, start + count) % period
    return np.minimum(position, period - position) if length > 1 else np.zeros(count, np.intp)


def read_mirrored(source: Raster, y: int, x: int, height: int, width: int) -> NDArray:
    """Read a window that may reach beyond the image, continued there by reflection.

    Works at any distance and for images smaller than the window; only the pixels needed are read.

    Returns:
        Array ``(C, height, width)`` of the source's dtype.

    Raises:
        ImageError: If the window is empty.

    Example:
        >>> read_mirrored(ArraySource(np.array([[1, 2, 3]])), 0, -1, 1, 5).tolist()
        [[[2, 1, 2, 3, 2]]]
    """
    if height < 1 or width < 1:
        msg = f"a window of {height}x{width} pixels is empty; ask for at least 1x1."
        raise ImageError(msg)
    if 0 <= y <= source.shape[1] - height and 0 <= x <= source.shape[2] - width:
        return source.read(y, x, height, width)
    rows, columns = reflected(y, height, source.shape[1]), reflected(x, width, source.shape[2])
    top, left = int(rows.min()), int(columns.min())
    window = source.read(top, left, int(rows.max()) - top + 1, int(columns.max()) - left + 1)
    return np.take(np.take(window, rows - top, axis=1), columns - left, axis=2)
