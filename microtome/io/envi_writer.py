# SPDX-License-Identifier: MIT
"""Writing ENVI cubes band by band, in any order and from several threads; visible only when complete."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from microtome.io.envi_header import CODES, plain_text
from microtome.io.errors import EnviError

DATA_ENDING = ".img"


class CubeWriter:
    """A BSQ cube that is being written, little-endian; use it in a `with` statement.

    The path is that of the header to make, ``.hdr``; the data get the ending ``.img``. Wavelengths are in nm,
    one a band; `metadata` are further fields of the header.

    Raises:
        EnviError: The name, the type or the size is none that ENVI knows.
    """

    def __init__(
        self,
        path: Path,
        *,
        height: int,
        width: int,
        dtype: np.dtype | type | str,
        wavelengths: Sequence[float] | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self._path, self._dtype = Path(path), np.dtype(dtype)
        if self._path.suffix != ".hdr" or self._dtype.name not in CODES or height < 1 or width < 1:
            found = f"{height}x{width} values of {self._dtype} for {self._path.name}"
            expected = f"a size of at least 1x1, one of {', '.join(CODES)}, and the ending .hdr"
            raise EnviError(path, found, expected, "convert the array or the name")
        self._height, self._width = height, width
        self._wavelengths, self._metadata = wavelengths, dict(metadata or {})
        self._stored = self._dtype.newbyteorder("<")
        self._rows: dict[int, dict[int, int]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> CubeWriter:
        """Make the draft of the data file."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        token = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._draft = self._path.with_name(f".{self._path.stem}.{token}{DATA_ENDING}")
        self._file = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        return self

    def write(self, band: int, row: int, values: NDArray) -> None:
        """Write rows (rows, W) of a band, both from 0, over those written before; threads may do so at once.

        Raises:
            EnviError: Type or width differ, or the rows lie outside.
        """
        rows, width = values.shape
        if values.dtype != self._dtype or width != self._width or not 0 <= row <= self._height - rows:
            found = f"rows {row} to {row + rows} of {width} columns of {values.dtype}"
            expected = f"rows of {self._height}, {self._width} columns of {self._dtype}"
            raise EnviError(self._path, found, expected, "write bands of one size and type")
        stored = np.ascontiguousarray(values, self._stored)
        offset = (band * self._height + row) * self._width * self._dtype.itemsize
        left = memoryview(stored).cast("B")
        while left:
            count = os.pwrite(self._file, left, offset)
            left, offset = left[count:], offset + count
        with self._lock:
            self._rows.setdefault(band, {})[row] = rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish both files, or remove the draft."""
        os.close(self._file)
        try:
            if kind is None:
                self._finish()
        finally:
            self._draft.unlink(missing_ok=True)

    def _finish(self) -> None:
        bands = len(self._rows)
        there = [sum(self._rows.get(band, {}).values()) for band in range(bands)]
        if {*there} != {self._height}:
            found, expected = f"{sum(there)} rows in {bands} bands", f"bands of {self._height} rows"
            raise EnviError(self._path, found, expected, "write every row of every band once")
        text = self._header(bands)
        header = self._draft.with_suffix(".hdr")
        header.write_text(text, encoding="utf-8")
        try:
            self._path.unlink(missing_ok=True)  # so that a header never stands beside data of another cube
            self._draft.replace(self._path.with_suffix(DATA_ENDING))
            header.replace(self._path)
        finally:
            header.unlink(missing_ok=True)

    def _header(self, bands: int) -> str:
        text = plain_text((bands, self._height, self._width), self._stored)
        fields: dict[str, str] = {}
        if self._wavelengths is not None:
            if len(self._wavelengths) != bands:
                found = f"{len(self._wavelengths)} wavelengths for {bands} bands"
                raise EnviError(self._path, found, "one for each", "give as many")
            waves = ", ".join(f"{value:.9g}" for value in self._wavelengths)
            fields = {"wavelength units": "nm", "wavelength": f"{{{waves}}}"}
        for name, value in self._metadata.items():
            if name not in fields and f"\n{name} = " not in text:
                given = " ".join(str(value).split())
                fields[name] = f"{{{given}}}" if "," in given else given
        return text + "".join(f"{name} = {value}\n" for name, value in fields.items())
