# SPDX-License-Identifier: MIT
"""What an ENVI header says of its values, applied on reading. Used through :mod:`microtome.io.envi`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from microtome.io.raster import EVERY, Raster

SHORT = 2
"""Bytes; integers as short as this are exact in float32."""


class StatedSource:
    """A cube without its bad bands, its ignored values NaN, gains and offsets applied.

    Args:
        source: The stored values.
        kept: Bands of the file that are shown, rising.
        ignored: Stored value that stands for no measurement.
        line: Gain and offset of each band that is shown.
    """

    def __init__(
        self,
        source: Raster,
        kept: Sequence[int],
        ignored: float | None,
        line: tuple[Sequence[float], Sequence[float]] | None,
    ) -> None:
        self._source, self._kept = source, np.array(kept, int)
        self._ignored = occurring(ignored, source.dtype)
        self._line = None if line is None else np.array(line)
        wide = source.dtype == np.float64 or (source.dtype.kind != "f" and source.dtype.itemsize > SHORT)
        changed = np.dtype(np.float64 if wide else np.float32)
        self.dtype = source.dtype if self._line is None and self._ignored is None else changed

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands that are shown, rows, columns."""
        return len(self._kept), *self._source.shape[1:]

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window ``(bands, height, width)`` at ``(y, x)``, which must lie inside the cube."""
        kept = self._kept[channels]
        runs = np.split(kept, np.flatnonzero(np.diff(kept) != 1) + 1) if kept.size else []
        read = [self._source.read(y, x, height, width, slice(run[0], run[-1] + 1)) for run in runs]
        stored = read[0] if len(read) == 1 else np.concatenate(read)
        if self._line is None and self._ignored is None:
            return stored
        values = stored.astype(self.dtype)
        if self._line is not None:
            gain, offset = self._line[:, channels, None, None]
            with np.errstate(over="ignore", invalid="ignore"):  # of a file that holds infinities or almost
                values = (values * gain + offset).astype(self.dtype)
        if self._ignored is not None:
            values[stored == self._ignored] = np.nan
        return values


def occurring(ignored: float | None, dtype: np.dtype) -> np.generic | None:
    """The ignored value in the type of the file; None where that type cannot hold it.

    Example:
        >>> occurring(-9999.0, np.dtype("uint16")), int(occurring(0.0, np.dtype("uint16")))
        (None, 0)
    """
    if ignored is None:
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return dtype.type(ignored)
    limits = np.iinfo(dtype)
    holds = limits.min <= ignored <= limits.max and float(ignored).is_integer()
    return dtype.type(int(ignored)) if holds else None
