# SPDX-License-Identifier: MIT
"""One door for hyperspectral cubes: ENVI (BSQ, BIL, BIP), MATLAB and TIFF in; ENVI out.

Whatever the file's layout, a cube is (bands, H, W) here and is read by bands, never whole unless asked for.
ENVI headers are checked before the data are opened: each fault is an :class:`EnviError`.
"""

import itertools
import re
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.io import images, matlab
from microtome.io.band_rows import ArrayRows, FileRows, Rows
from microtome.io.envi_header import Header, plain_text, read_header
from microtome.io.envi_values import StatedSource, occurring
from microtome.io.envi_wavelengths import ordered_nanometres
from microtome.io.envi_writer import CubeWriter
from microtome.io.errors import CubeError, EnviError
from microtome.io.raster import EVERY, ArraySource, Raster, StackedSource, check_window
from microtome.io.tiff import open_checked

__all__ = ["Cube", "CubeError", "CubeWriter", "EnviError", "cube_of", "open_cube", "write_cube"]

TIFF_ENDINGS = (".tif", ".tiff")
MAT_ENDING = ".mat"
WAVELENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(nm|[uµμ]m)")


class EnviSource:
    """The data file of a checked header: whole BSQ bands by plain reads, else mapped by Spectral Python."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._mapped: NDArray | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Pickle by path: the copy maps the file anew."""
        return {"_header": self._header, "_mapped": None}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""
        return self._header.bands, self._header.height, self._header.width

    @property
    def dtype(self) -> np.dtype:
        """Type of the values, native byte order."""
        return self._header.dtype.newbyteorder("=")

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray:
        """Return the window ``(bands, height, width)`` at ``(y, x)``, which must lie inside the cube."""
        check_window(self.shape, y, x, height, width)
        if self._header.interleave == "bsq" and (height, width) == self.shape[1:]:
            return self._read_bands(*channels.indices(self.shape[0])[:2])
        if self._mapped is None:
            self._mapped = map_envi(self._header)
        return np.array(self._mapped[channels, y : y + height, x : x + width], dtype=self.dtype, order="C")

    def rows(self, band: int) -> FileRows | None:
        """The rows of a band where it lies in one piece; None where bands are interleaved."""
        if self._header.interleave != "bsq":
            return None
        place = self._header.offset + band * self.shape[1] * self.shape[2] * self.dtype.itemsize
        return FileRows(self._header.data, self.shape[1:], self._header.dtype, place)

    def _read_bands(self, start: int, stop: int) -> NDArray:
        """Consecutive whole bands of a BSQ file: one read, nothing mapped."""
        path, dtype, plane = self._header.data, self._header.dtype, self.shape[1] * self.shape[2]
        count, offset = max(stop - start, 0) * plane, self._header.offset + start * plane * dtype.itemsize
        found = np.fromfile(path, dtype, count, offset=offset)
        if found.size < count:
            size, remedy = path.stat().st_size, "do not write to a cube that is being read; copy it again"
            raise CubeError(path, f"{size} bytes", "more", remedy)
        return found.reshape(-1, *self.shape[1:]).astype(self.dtype, copy=False)


def map_envi(header: Header) -> NDArray:
    """Map a data file through Spectral Python.

    It gets a header of the checked fields alone: of others it takes mixed case, UTF-8 and byte order marks
    amiss, and tells nobody.

    Returns:
        (bands, H, W), a read-only view of the file in its own byte order.
    """
    from spectral.io import envi

    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder, "plain.hdr")
        shape = (header.bands, header.height, header.width)
        text = plain_text(shape, header.dtype, interleave=header.interleave, offset=header.offset)
        plain.write_text(text, encoding="ascii")
        image = envi.open(str(plain), str(header.data.absolute()))
        image.fid.close()
        return image.open_memmap(interleave="bsq")


@dataclass(frozen=True)
class Cube:
    """An open cube."""

    path: Path  # the file it was opened by
    source: Raster  # its values
    wavelengths: tuple[float, ...] | None = None  # of each band, nm, rising or falling; None if unknown
    exposure: float | None = None  # ms, or the file's number where it names no unit
    metadata: Mapping[str, str] = field(default_factory=dict)  # fields of the header as text, names lower
    bad_bands: tuple[int, ...] = ()  # bands of the file that are left out, from 0
    ignored: float | None = None  # stored value that is NaN here, as it stands for no measurement
    scale: float | None = None  # value of a transmittance of 1, where the file says it
    line: tuple[tuple[float, ...], tuple[float, ...]] | None = (
        None  # gain and offset that were applied, by band
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, rows, columns."""
        return self.source.shape

    @property
    def bands(self) -> int:
        """Number of bands."""
        return self.shape[0]

    @property
    def height(self) -> int:
        """Rows."""
        return self.shape[1]

    @property
    def width(self) -> int:
        """Columns."""
        return self.shape[2]

    @property
    def dtype(self) -> np.dtype:
        """Type of the values, native byte order."""
        return self.source.dtype

    @property
    def is_interleaved(self) -> bool:
        """Whether the values of one pixel lie together in the file, so that bands are best read in groups."""
        return self.metadata.get("interleave", "").lower() == "bip"

    def value_of(self, band: int, stored: float) -> float:
        """What a stored value of a band is here, with the gain and offset of the file."""
        return stored if self.line is None else self.line[0][band] * stored + self.line[1][band]

    def read_band(self, index: int) -> NDArray:
        """Read one band, (H, W).

        Raises:
            IndexError: There is no such band.
        """
        return self.read_bands(index, index + 1)[0]

    def read_bands(self, start: int, stop: int) -> NDArray:
        """Read the bands from `start` up to `stop`, (stop - start, H, W).

        Raises:
            IndexError: Some of them are not there.
        """
        if not 0 <= start < stop <= self.bands:
            msg = f"{self.path}: asked for bands {start} to {stop}, expected some of 0 to {self.bands}"
            raise IndexError(msg)
        return self.source.read(0, 0, self.height, self.width, slice(start, stop))

    def rows(self, index: int) -> Rows:
        """The rows of a band, read when they are asked for where the file allows it."""
        found = self.source.rows(index) if isinstance(self.source, EnviSource) else None
        return found or ArrayRows(self.read_band(index))

    def read(self) -> NDArray:
        """Read everything, (bands, H, W)."""
        return self.read_bands(0, self.bands)


def open_cube(path: Path | str, *, bad_bands: Collection[int] = ()) -> Cube:
    """Open a cube.

    What an ENVI header says of its values is heard: bands that ``bbl`` marks as bad are left out, pixels of
    the ``data ignore value`` are NaN, ``data gain values`` and ``data offset values`` are applied. The
    ``reflectance scale factor`` is `Cube.scale`; the values are not divided by it.

    Args:
        path: ENVI header (or its data file), MATLAB file of version 7 or older with one variable rows x
            columns x bands, or TIFF with one channel or page a band.
        bad_bands: Further bands of an ENVI file to leave out, from 0.

    Returns:
        The cube; its values are read when asked for.

    Raises:
        EnviError: The header lacks a field or contradicts itself or the data file.
        CubeError: Another file holds no cube.
        ImageError: A TIFF cannot be read.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "cube.hdr"
        >>> write_cube(file, np.arange(12, dtype=np.uint16).reshape(2, 2, 3), wavelengths=[550, 557.5])
        >>> cube = open_cube(file)
        >>> cube.shape, cube.wavelengths, cube.read_band(1).tolist()
        ((2, 2, 3), (550.0, 557.5), [[6, 7, 8], [9, 10, 11]])
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending in (*TIFF_ENDINGS, MAT_ENDING):
        if not path.is_file():
            raise CubeError(path, "nothing", "a cube", "check the path in the sample sheet")
        return _of_matlab(path) if ending == MAT_ENDING else _of_tiff(path)
    header = read_header(_header_of(path))
    return _stated(header, {*header.bad_bands, *bad_bands})


def _stated(header: Header, left_out: Collection[int]) -> Cube:
    """The cube of a header, with what it says of its values."""
    kept = [band for band in range(header.bands) if band not in left_out]
    source: Raster = EnviSource(header)
    ignored = header.ignored if occurring(header.ignored, source.dtype) is not None else None
    line = None
    if header.gains or header.offsets:
        pair = (header.gains or (1.0,) * header.bands, header.offsets or (0.0,) * header.bands)
        line = tuple(tuple(values[band] for band in kept) for values in pair)
    if len(kept) < header.bands or ignored is not None or line:
        source = StatedSource(source, kept, ignored, line)
    return Cube(
        header.path,
        source,
        header.wavelengths and tuple(header.wavelengths[band] for band in kept),
        header.exposure,
        header.metadata,
        bad_bands=tuple(sorted(left_out)),
        ignored=ignored,
        scale=header.scale,
        line=line,
    )


def cube_of(array: NDArray, *, wavelengths: Sequence[float] | None = None, name: str = "array") -> Cube:
    """Give an array (bands, H, W) the face of a cube; wavelengths are in nm, `name` is the path in messages.

    Raises:
        CubeError: The array has other dimensions or no values.
    """
    if array.ndim != 3 or not array.size:
        raise CubeError(name, f"shape {array.shape}", "(bands, H, W)", "move the bands to the front")
    waves = None if wavelengths is None else tuple(map(float, wavelengths))
    return Cube(Path(name), ArraySource(array), waves)


def write_cube(
    path: Path | str,
    bands: NDArray | Iterable[NDArray],
    *,
    wavelengths: Sequence[float] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a cube as ENVI BSQ, band by band; both files appear only when complete.

    Args:
        path: The header, ``.hdr``; the data get the ending ``.img``.
        bands: (bands, H, W), or bands (H, W) one after the other, all of one size and type (as a rule
            float32 or uint16).
        wavelengths: Of each band, nm.
        metadata: Further fields of the header, such as ``exposure``.

    Raises:
        EnviError: There is no band, sizes, types or numbers of wavelengths differ, or ENVI has no such type.
    """
    bands = iter(bands)
    first = next(bands, None)
    if first is None or np.ndim(first) != 2:
        found = "no band" if first is None else f"a band of shape {np.shape(first)}"
        raise EnviError(path, found, "bands (H, W)", "give at least one")
    height, width = first.shape
    options = {"wavelengths": wavelengths, "metadata": metadata}
    with CubeWriter(Path(path), height=height, width=width, dtype=first.dtype, **options) as writer:
        for index, band in enumerate(itertools.chain([first], bands)):
            writer.write(index, 0, band)


def _of_matlab(path: Path) -> Cube:
    array, wavelengths = matlab.read_cube(path)
    return Cube(path, ArraySource(array), wavelengths)


def _of_tiff(path: Path) -> Cube:
    """A TIFF with a channel or page for each band; OME channel names such as ``550 nm`` give wavelengths."""
    pages = range(images.header(path).pages)
    source = StackedSource(tuple(images.open_source(path, page=page) for page in pages))
    if source.shape[0] < 2:
        raise CubeError(path, "one band", "a cube of two bands or more", "give a cube")
    with open_checked(path) as tiff:
        description = tiff.ome_metadata
    return Cube(path, source, _named_wavelengths(path, description, source.shape[0]))


def _named_wavelengths(path: Path, description: str | None, bands: int) -> tuple[float, ...] | None:
    """Wavelengths in the channel names of an OME-XML; None unless each channel names one."""
    if not description or "<!DOCTYPE" in description or "<!ENTITY" in description:
        return None
    try:
        root = ET.fromstring(description)
    except ET.ParseError:
        return None
    names = [item.get("Name", "") for item in root.iter() if item.tag.endswith("}Channel")]
    found = [WAVELENGTH.fullmatch(name.strip()) for name in names]
    if not found or not all(found) or len({match[2] for match in found}) > 1:
        return None
    if len(found) != bands:
        wrong = f"{len(found)} channels named by wavelengths, and {bands} bands in the pages"
        raise CubeError(path, wrong, "as many", "save the cube again, a page or a channel for each band")
    return ordered_nanometres([float(match[1]) for match in found], found[0][2], path)


def _header_of(path: Path) -> Path:
    """The header of a data file; a header as it is."""
    if path.suffix.lower() == ".hdr":
        return path
    beside = (path.with_suffix(".hdr"), path.with_name(f"{path.name}.hdr"), path.with_suffix(".HDR"))
    return next((header for header in beside if header.is_file()), path)
