# SPDX-License-Identifier: MIT
"""TIFF headers: whole or damaged, shape, pages, pixel size. Used through :mod:`microtome.io.images`."""

import logging
import math
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tifffile

from microtome.io.errors import ImageError
from microtome.io.raster import LOW_STEPS, TURNS, ImageHeader

DAMAGE = (tifffile.TiffFileError, OSError, RuntimeError, ValueError, IndexError, KeyError, struct.error)
DAMAGE += (TypeError, ArithmeticError, AttributeError, MemoryError)
"""What tifffile raises of damaged tags, beside its own error."""
PIXEL_AXES = "YXSC"
WITH_AXES = ("shaped", "lsm", "mmstack", "ome", "imagej", "ndtiff", "fluoview", "stk", "scanimage", "avs")
"""Kinds of TIFF whose metadata say what the pages are (names of tifffile)."""
ORIENTATION = 274
"""The tag of TIFF 6.0, also in EXIF, that says how a picture is to be turned."""
Place = tuple[tifffile.TiffPageSeries, int]
Size = tuple[int, int]
"""Columns and rows as stored, pixels."""
DOCUMENT_TYPE = "<!DOCTYPE"
LARGEST_MPP = 100.0
COARSEST_TAG = 10.0
"""µm; a coarser resolution tag is a printer's or a screen's: 72 dpi are 353 µm, 2400 dpi 10.6 µm."""
MICROMETRES = {"m": 1e6, "cm": 1e4, "mm": 1e3, "nm": 1e-3, "Å": 1e-4}
MICROMETRES |= dict.fromkeys(("µm", "um", "micron", "microns"), 1.0)
RESOLUTION_UNITS = {2: 25_400.0, 3: 10_000.0}  # TIFF ResolutionUnit inch, centimetre, in µm


def open_checked(path: Path) -> tifffile.TiffFile:
    """Open a TIFF and check that its chain of pages is whole.

    Raises:
        ImageError: If it is no TIFF, has no pages or is cut off.
    """
    logger = logging.getLogger("tifffile")
    logger.addFilter(_quiet)
    try:
        tiff = tifffile.TiffFile(path, _multifile=False)  # never opens other files that OME-XML names
        try:
            _check_chain(tiff, path)
            _check_description(tiff, path)
        except BaseException:
            tiff.close()
            raise
    except DAMAGE as error:
        if isinstance(error, ImageError):
            raise
        raise damaged(path, str(error)) from error
    finally:
        logger.removeFilter(_quiet)
    return tiff


def _quiet(_: logging.LogRecord) -> bool:
    """Hold back what tifffile logs about damage: the same is raised as an error here."""
    return False


def damaged(path: Path, finding: str) -> ImageError:
    """Return the error for a file that ends too early or cannot be decoded."""
    return ImageError(
        f"{path}: damaged or truncated TIFF ({finding}); expected a complete file: copy it again."
    )


def _check_chain(tiff: tifffile.TiffFile, path: Path) -> None:
    if len(tiff.pages) == 0:
        raise damaged(path, "it has no pages")
    layout, handle = tiff.tiff, tiff.filehandle
    handle.seek(tiff.pages[-1].offset)
    (tags,) = struct.unpack(layout.tagnoformat, handle.read(layout.tagnosize))
    handle.seek(tags * layout.tagsize, 1)
    (following,) = struct.unpack(layout.offsetformat, handle.read(layout.offsetsize))
    if following != 0:
        finding = f"page {len(tiff.pages)} is announced at byte {following} of {handle.size}, not there"
        raise damaged(path, finding)


def _check_description(tiff: tifffile.TiffFile, path: Path) -> None:
    """Refuse document types, without which XML has no entities, before anything parses the description."""
    if DOCUMENT_TYPE in _description(tiff):
        found = f"XML metadata with a document type ({DOCUMENT_TYPE}>)"
        raise ImageError(path, found, "plain OME-XML", "save the image without it")


def _description(tiff: tifffile.TiffFile) -> str:
    tags = tiff.pages[0].tags
    return str(tags["ImageDescription"].value) if "ImageDescription" in tags else ""


def channel_names(tiff: tifffile.TiffFile) -> tuple[str, ...]:
    """The names of the channels that the OME-XML of an open TIFF gives; none if one has no name."""
    if not tiff.is_ome:
        return ()
    try:
        found = _pixels_of(_description(tiff), _stored_size(tiff))
    except ET.ParseError:
        return ()
    names = [
        item.get("Name", "")
        for pixels in found[:1]
        for item in pixels
        if item.tag.rpartition("}")[2] == "Channel"
    ]
    return tuple(names) if all(names) else ()


def _stored_size(tiff: tifffile.TiffFile) -> Size:
    page = picture(tiff, Path(tiff.filehandle.path)).keyframe
    return page.imagewidth, page.imagelength


def _pixels_of(xml: str, size: Size) -> list[ET.Element]:
    """What OME-XML says of the images of this size, which need not be its first; else of the first image."""
    every = [item for item in ET.fromstring(xml).iter() if item.tag.rpartition("}")[2] == "Pixels"]
    wanted = [str(side) for side in size]
    return [item for item in every if [item.get("SizeX"), item.get("SizeY")] == wanted] or every[:1]


def header(path: Path, tiff: tifffile.TiffFile) -> ImageHeader:
    """Describe the picture of an open TIFF (see :func:`microtome.io.images.header`)."""
    try:
        return _header(path, tiff)
    except ImageError:
        raise
    except DAMAGE as error:
        raise damaged(path, str(error)) from error


def _header(path: Path, tiff: tifffile.TiffFile) -> ImageHeader:
    series = picture(tiff, path)
    height, width, channels, dtype = shape_of(series)
    shapes = tuple(
        (0, 0, 0, "") if place is None else shape_of(place[0]) for place in _places(tiff, series) or ()
    )
    return ImageHeader(
        height=height,
        width=width,
        channels=channels,
        dtype=dtype,
        pages=len(shapes) or _page_count(series),
        format="OME-TIFF" if tiff.is_ome else "TIFF",
        mpp=pixel_size(tiff, series.keyframe),
        step=step_of(series.keyframe),
        turned=orientation(series.keyframe) != 1,
        shapes=shapes,
        palette=series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE,
    )


def shape_of(series: tifffile.TiffPageSeries) -> tuple[int, int, int, str]:
    """Rows, columns and channels of each page of a series as it is shown upright, and their type."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    dtype = "uint8" if series.dtype == np.bool_ else series.dtype.name
    height, width = (sizes[axis] for axis in ("XY" if TURNS[orientation(series.keyframe)].swap else "YX"))
    return height, width, sizes.get("S", 1) * sizes.get("C", 1), dtype


def orientation(page: tifffile.TiffPage) -> int:
    """How a page is to be turned (tag 274, a key of `TURNS`); what it cannot say counts as upright."""
    value = page.tags.valueof(ORIENTATION, default=1)
    return value if isinstance(value, int) and value in TURNS else 1


def step_of(page: tifffile.TiffPage) -> int:
    """What one level of grey counts among 0 to 255, of pages with fewer than 8 bits; 1 otherwise."""
    bits = page.bitspersample if page.photometric == tifffile.PHOTOMETRIC.MINISBLACK else None
    return LOW_STEPS.get(bits, 1)


def picture(tiff: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    """Return the image series of the largest pages, the first of several.

    Thumbnails, macros and slide labels may stand before it; they are smaller.
    """
    usable = [series for series in tiff.series if _is_image(series)]
    if not usable:
        series = tiff.series[0]
        found = f"axes {series.axes} of type {series.dtype}"
        raise ImageError(path, found, "an image with axes Y and X", "save it again as an image")
    return max(usable, key=lambda series: math.prod(shape_of(series)[:2]))


def locate(tiff: tifffile.TiffFile, path: Path, page: int | None) -> Place:
    """Return the series that holds a page of the file (None: the picture), and the page's place in it.

    Raises:
        ImageError: If there is no such page.
    """
    series = picture(tiff, path)
    if page is None:
        return series, 0
    places = _places(tiff, series)
    count = _page_count(series) if places is None else len(places)
    if not 0 <= page < count:
        found = f"pages 0 to {count - 1}, asked for page {page}"
        raise ImageError(path, found, "one of them", "check the sample sheet")
    place = (series, page) if places is None else places[page]
    if place is None:
        raise ImageError(path, f"page {page}, which is no image", "one", "check the sample sheet")
    return place


def _places(tiff: tifffile.TiffFile, main: tifffile.TiffPageSeries) -> list[Place | None] | None:
    """The series of each page of the file and its place there; None where all are pages of one series.

    Where metadata say which axes there are (OME, ImageJ, …), pages are counted along all but rows, columns
    and channels; elsewhere they are the directories of the file.
    """
    every = [series for series in tiff.series if _is_image(series)]
    if main.kind in WITH_AXES:
        pairs = [(series, number) for series in every for number in range(_page_count(series))]
        return pairs if len(every) > 1 else None
    if len(tiff.pages) <= _page_count(main):
        return None
    levels = [level for series in every for level in series.levels if _is_image(level)]
    found = {
        page.index: (level, number)
        for level in levels
        for number, page in enumerate(level.pages)
        if page is not None
    }
    return [found.get(number) for number in range(len(tiff.pages))]


def _is_image(series: tifffile.TiffPageSeries) -> bool:
    return series.dtype is not None and {"Y", "X"} <= set(series.axes)


def _page_count(series: tifffile.TiffPageSeries) -> int:
    sizes = zip(series.axes, series.shape, strict=True)
    return math.prod(size for axis, size in sizes if axis not in PIXEL_AXES)


def pixel_size(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> float | None:
    """Return the pixel size of a page in µm, see `pixel_sizes`; None if unknown or different by axis."""
    found = pixel_sizes(tiff, page)
    return found[1] if found and math.isclose(*found, rel_tol=1e-2) else None


def pixel_sizes(tiff: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[float, float] | None:
    """Return the pixel size of rows and columns in µm from OME, Aperio, ImageJ or resolution tags.

    Of resolution tags alone, which printing programs write too, only those finer than `COARSEST_TAG` count.
    """
    tags = page.tags
    description = str(tags["ImageDescription"].value) if "ImageDescription" in tags else ""
    if tiff.is_ome:
        return _ome_pixel_sizes(_description(tiff), (page.imagewidth, page.imagelength))
    aperio = re.search(r"\|\s*MPP\s*=\s*([0-9.eE+-]+)", description)
    if aperio:
        return _plausible(float(aperio[1]), float(aperio[1]))
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    unit = (tiff.imagej_metadata or {}).get("unit") if tiff.is_imagej else None
    unit = str(unit).replace("\\u00B5", "µ")
    scale = MICROMETRES.get(unit)
    if scale is None:
        scale = RESOLUTION_UNITS.get(int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 0)
    density = [tags[name].value for name in ("YResolution", "XResolution")]
    if scale is None or any(value[0] == 0 for value in density):
        return None
    found = _plausible(*(scale * value[1] / value[0] for value in density))
    is_of_microscope = unit in MICROMETRES
    return found if found is None or max(found) < COARSEST_TAG or is_of_microscope else None


def _ome_pixel_sizes(xml: str, size: Size) -> tuple[float, float] | None:
    """The pixel sizes of the images of this size; None where they have several, as of two objectives."""
    try:
        found = {_physical_size(pixels.attrib) for pixels in _pixels_of(xml, size)}
    except ET.ParseError:
        return None
    return found.pop() if len(found) == 1 else None


def _physical_size(values: Mapping[str, str]) -> tuple[float, float] | None:
    if "PhysicalSizeX" not in values or "PhysicalSizeY" not in values:
        return None
    size = [
        float(values[f"PhysicalSize{axis}"])
        * MICROMETRES.get(values.get(f"PhysicalSize{axis}Unit", "µm"), math.nan)
        for axis in "YX"
    ]
    return _plausible(*size)


def _plausible(y: float, x: float) -> tuple[float, float] | None:
    usable = all(0 < size < LARGEST_MPP for size in (y, x))
    return (float(f"{y:.9g}"), float(f"{x:.9g}")) if usable else None
