# SPDX-License-Identifier: MIT
"""TIFF headers: whole or damaged, shape, pages, pixel size. Used through :mod:`microtome.io.images`."""

import logging
import math
import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import tifffile

from microtome.io.errors import ImageError
from microtome.io.raster import ImageHeader

DAMAGE = (tifffile.TiffFileError, OSError, RuntimeError, ValueError, IndexError, KeyError, struct.error)
PIXEL_AXES = "YXSC"
DOCUMENT_TYPE = "<!DOCTYPE"
LARGEST_MPP = 100.0  # a printer's 72 dpi is 353 µm: no microscope image
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


def header(path: Path, tiff: tifffile.TiffFile) -> ImageHeader:
    """Describe the first image series of an open TIFF (see :func:`microtome.io.images.header`)."""
    series = first_series(tiff, path)
    sizes = dict(zip(series.axes, series.shape, strict=True))
    dtype = "uint8" if series.dtype == np.bool_ else series.dtype.name
    return ImageHeader(
        height=sizes["Y"],
        width=sizes["X"],
        channels=sizes.get("S", 1) * sizes.get("C", 1),
        dtype=dtype,
        pages=math.prod(size for axis, size in sizes.items() if axis not in PIXEL_AXES),
        format="OME-TIFF" if tiff.is_ome else "TIFF",
        mpp=pixel_size(tiff),
        palette=series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE,
    )


def first_series(tiff: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    """Return the first image series; later series of other shapes (thumbnails, labels) are not addressed."""
    series = tiff.series[0]
    if series.dtype is None or not {"Y", "X"} <= set(series.axes):
        found = f"axes {series.axes} of type {series.dtype}"
        raise ImageError(path, found, "an image with axes Y and X", "save it again as an image")
    return series


def pixel_size(tiff: tifffile.TiffFile) -> float | None:
    """Return the pixel size in µm from OME, Aperio, ImageJ or resolution tags; None if unknown."""
    tags = tiff.pages[0].tags
    description = _description(tiff)
    if tiff.is_ome:
        return _ome_pixel_size(tiff.ome_metadata)
    aperio = re.search(r"\|\s*MPP\s*=\s*([0-9.eE+-]+)", description)
    if aperio:
        return _plausible(float(aperio[1]), float(aperio[1]))
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    unit = (tiff.imagej_metadata or {}).get("unit") if tiff.is_imagej else None
    scale = MICROMETRES.get(str(unit).replace("\\u00B5", "µ"))
    if scale is None:
        scale = RESOLUTION_UNITS.get(int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 0)
    density = [tags[name].value for name in ("YResolution", "XResolution")]
    if scale is None or any(value[0] == 0 for value in density):
        return None
    return _plausible(*(scale * value[1] / value[0] for value in density))


def _ome_pixel_size(xml: str) -> float | None:
    try:
        root = ET.fromstring(xml)
    except ET.ParseError:
        return None
    pixels = root.find(".//{*}Pixels")
    values = {} if pixels is None else pixels.attrib
    if "PhysicalSizeX" not in values or "PhysicalSizeY" not in values:
        return None
    size = [
        float(values[f"PhysicalSize{axis}"])
        * MICROMETRES.get(values.get(f"PhysicalSize{axis}Unit", "µm"), math.nan)
        for axis in "YX"
    ]
    return _plausible(*size)


def _plausible(y: float, x: float) -> float | None:
    usable = 0 < x < LARGEST_MPP and math.isclose(x, y, rel_tol=1e-2)
    return float(f"{x:.9g}") if usable else None
