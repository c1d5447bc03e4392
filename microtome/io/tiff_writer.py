# SPDX-License-Identifier: MIT
"""Tiled, pyramidal OME-TIFF, the same bytes for the same content. Used through :mod:`microtome.io.images`."""

import hashlib
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from microtome.io.raster import HIGH_DIMENSIONS

PYRAMID_FROM = 4096
PYRAMID_SMALLEST = 1024
TILE_MULTIPLE = 16
COMPRESSIONS = ("none", "zlib", "lzw", "zstd")
WRITABLE = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
LABEL_TYPES = ("uint32", "int32")
RGB_TYPES = ("uint8", "uint16")
RGB_CHANNELS = 3
MICROMETRES_PER_CM = 1e4
BIGTIFF_FROM = 2**32 - 2**25
SOFTWARE = "microtome"


def write_ome(
    path: Path,
    array: NDArray,
    *,
    mpp: float | None,
    compression: str,
    tile: int | None,
    channels: Sequence[str] | None,
    labels: bool,
) -> None:
    """Write ``array`` to ``path`` (no checks, not atomic; see :func:`microtome.io.images.write`)."""
    array = array[0] if array.ndim == HIGH_DIMENSIONS and len(array) == 1 else array
    rgb = array.ndim == HIGH_DIMENSIONS and len(array) == RGB_CHANNELS and array.dtype.name in RGB_TYPES
    levels = list(_levels(array, labels=labels or array.dtype.name in LABEL_TYPES))
    options: dict[str, Any] = {
        "tile": None if tile is None else (tile, tile),
        "compression": None if compression == "none" else compression,
        "photometric": "rgb" if rgb else "minisblack",
        "planarconfig": "contig" if rgb else None,
    }
    if mpp is not None:
        options |= {"resolution": (MICROMETRES_PER_CM / mpp,) * 2, "resolutionunit": "CENTIMETER"}
    metadata = _metadata(array, rgb=rgb, mpp=mpp, channels=channels)
    big = sum(level.nbytes for level in levels) > BIGTIFF_FROM
    with tifffile.TiffWriter(path, ome=True, bigtiff=big) as tiff:
        first = _stored(levels[0], rgb=rgb)
        tiff.write(first, subifds=len(levels) - 1, metadata=metadata, software=SOFTWARE, **options)
        for number, level in enumerate(levels[1:], start=1):
            if mpp is not None:
                options["resolution"] = (MICROMETRES_PER_CM / (mpp * 2**number),) * 2
            tiff.write(_stored(level, rgb=rgb), subfiletype=1, metadata=None, software=False, **options)


def _stored(array: NDArray, *, rgb: bool) -> NDArray:
    return np.ascontiguousarray(np.moveaxis(array, 0, 2)) if rgb else np.ascontiguousarray(array)


def _metadata(
    array: NDArray, *, rgb: bool, mpp: float | None, channels: Sequence[str] | None
) -> dict[str, Any]:
    axes = "YXS" if rgb else "CYX"[-array.ndim :]
    digest = hashlib.sha256(f"{axes} {array.shape} {array.dtype.str} {mpp} {channels}".encode())
    digest.update(np.ascontiguousarray(array))
    metadata: dict[str, Any] = {
        "axes": axes,
        "Creator": SOFTWARE,
        "UUID": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest.hexdigest())}",
    }
    if mpp is not None:
        for axis in "XY":
            metadata |= {f"PhysicalSize{axis}": mpp, f"PhysicalSize{axis}Unit": "µm"}
    if channels is not None:
        metadata["Channel"] = {"Name": list(channels)}
    return metadata


def _levels(array: NDArray, *, labels: bool) -> list[NDArray]:
    levels = [array]
    while max(array.shape[-2:]) >= PYRAMID_FROM and max(levels[-1].shape[-2:]) > PYRAMID_SMALLEST:
        levels.append(halve(levels[-1], labels=labels))
    return levels


def halve(array: NDArray, *, labels: bool) -> NDArray:
    """Return the next pyramid level of ``(..., H, W)``: means of 2x2 pixels, or every second label.

    Returns:
        Array ``(..., ceil(H / 2), ceil(W / 2))`` of the same dtype; means of integers are rounded.

    Example:
        >>> halve(np.array([[1, 2], [3, 6]], np.uint8), labels=False).tolist()
        [[3]]
    """
    if labels:
        return array[..., ::2, ::2]
    edges = [(0, 0)] * (array.ndim - 2) + [(0, size % 2) for size in array.shape[-2:]]
    even = np.pad(array, edges, mode="edge")
    work = np.float64 if array.dtype.itemsize > 2 else np.float32
    total = sum(even[..., i::2, j::2].astype(work) for i in (0, 1) for j in (0, 1))
    mean = np.asarray(total) / 4
    return (np.rint(mean) if array.dtype.kind in "iu" else mean).astype(array.dtype)
