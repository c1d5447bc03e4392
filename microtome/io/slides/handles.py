# SPDX-License-Identifier: MIT
"""Open handles of OpenSlide: few at a time, one cache of tiles for all, dead ones replaced."""

import os
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import openslide
from numpy.typing import NDArray

from microtome.io.errors import ImageError

OPEN = 16
"""Handles that a process keeps open."""
CACHE_BYTES = 128 * 2**20
"""Upper bound of the decoded tiles that all handles of a process keep together."""
OPAQUE = 255
WHITE = 255
FAILURES = (openslide.OpenSlideError, OSError)
"""What OpenSlide raises of files that it cannot open or decode."""


class _Handles:
    """The handles of this process, the last used of them open.

    OpenSlide never leaves the state of error: a handle that failed once fails for ever, for whichever thread.
    A forked process shares the position in the files of its parent, so it opens its own.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[Path, openslide.OpenSlide] = OrderedDict()
        self._lock, self._process = threading.Lock(), os.getpid()
        self._cache: openslide.OpenSlideCache | None = None

    def get(self, path: Path) -> openslide.OpenSlide:
        """The handle of a slide, opened if need be."""
        with self._lock:
            if self._process != os.getpid():
                self._open.clear()
                self._process, self._cache = os.getpid(), None
            if path not in self._open:
                self._cache = self._cache or openslide.OpenSlideCache(CACHE_BYTES)
                handle = openslide.OpenSlide(path)
                handle.set_cache(self._cache)
                self._open[path] = handle
            self._open.move_to_end(path)
            while len(self._open) > OPEN:  # closed as soon as no thread reads from it
                self._open.popitem(last=False)
            return self._open[path]

    def drop(self, path: Path, handle: openslide.OpenSlide | None) -> None:
        """Forget a handle, unless another thread has replaced it already."""
        with self._lock:
            if self._open.get(path) is handle:
                self._open.pop(path, None)


_handles = _Handles()


def properties(path: Path) -> dict[str, str]:
    """All properties that OpenSlide has of a slide.

    Raises:
        ImageError: It cannot be opened.
    """
    return dict(_opened(path).properties)


def level_sizes(path: Path) -> tuple[tuple[int, int], ...]:
    """Rows and columns of each level, finest first.

    Raises:
        ImageError: It cannot be opened.
    """
    return tuple((height, width) for width, height in _opened(path).level_dimensions)


def downsamples(path: Path) -> tuple[float, ...]:
    """What OpenSlide divides a place by to find it in each level."""
    return tuple(map(float, _opened(path).level_downsamples))


def has_profile(path: Path) -> bool:
    """Whether the slide has a colour profile (ICC)."""
    return "openslide.icc-size" in properties(path)


def read_region(path: Path, place: tuple[int, int], level: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Pixels of a level, (height, width, 3), white where the slide is transparent.

    Args:
        path: The slide.
        place: Row and column of the corner among the pixels of level 0.
        level: Of the pyramid, 0 the finest.
        size: Height and width, pixels of the level.

    Raises:
        ImageError: A part of the file cannot be decoded, twice.
    """
    for is_last in (False, True):
        handle = None
        try:
            handle = _handles.get(path)
            region = handle.read_region(place[::-1], level, size[::-1])
            if region.getchannel("A").getextrema() == (OPAQUE, OPAQUE):
                return np.asarray(region.convert("RGB"))
            return on_white(np.asarray(region))
        except FAILURES as error:
            _handles.drop(path, handle)
            if is_last:
                found = f"a place that cannot be decoded, {size[0]} x {size[1]} pixels of level {level} at "
                found += f"row {place[0]}, column {place[1]} ({error})"
                raise ImageError(path, found, "a whole slide", "copy it again") from error
    raise AssertionError


def on_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (…, 4) with opacity last laid over white, (…, 3).

    Example:
        >>> on_white(np.array([[10, 20, 30, 255], [0, 0, 0, 0], [0, 0, 0, 51]], np.uint8)).tolist()
        [[10, 20, 30], [255, 255, 255], [204, 204, 204]]
    """
    opacity = pixels[..., 3:]
    colours = pixels[..., :3]
    opacity = opacity.astype(np.uint16)
    mixed = colours * opacity + WHITE * (OPAQUE - opacity)
    return ((mixed + OPAQUE // 2) // OPAQUE).astype(np.uint8)


def _opened(path: Path) -> openslide.OpenSlide:
    try:
        return _handles.get(path)
    except FAILURES as error:
        found = f"a slide that OpenSlide cannot open ({error})"
        raise ImageError(path, found, "a whole slide with all its files", "copy it again") from error
