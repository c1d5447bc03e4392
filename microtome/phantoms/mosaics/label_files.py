# SPDX-License-Identifier: MIT
"""Label files as Seg3D and others export them: PNG, TIFF, a volume of one plane as NRRD or MATLAB 5."""

import gzip
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import io as matlab

from microtome.io import images

Labels = NDArray[np.uint8]
TEXT = b"MATLAB 5.0 MAT-file, written by a simulator"
"""In place of SciPy's, which has the time in it: equal labels give equal files."""
TEXT_BYTES = 116


def write(path: Path, labels: Labels, mpp: float) -> None:
    """Write labels (H, W) in the format that the ending of the path says: `png`, `tif`, `nrrd` or `mat`."""
    if path.suffix == ".tif":
        images.write(path, labels, mpp=mpp, labels=True)
    elif path.suffix == ".png":
        images.write_png(path, labels)
    else:
        path.write_bytes(nrrd(labels, mpp) if path.suffix == ".nrrd" else mat(labels, mpp))


def nrrd(labels: Labels, mpp: float) -> bytes:
    """Labels as a volume of one plane (Teem, Definition of NRRD File Format), the first axis the fastest.

    Example:
        >>> nrrd(np.zeros((2, 3), np.uint8), 2.0).splitlines()[3]
        b'sizes: 3 2 1'
    """
    height, width = labels.shape
    lines = (
        "NRRD0004",
        "type: unsigned char",
        "dimension: 3",
        f"sizes: {width} {height} 1",
        f"spacings: {mpp:g} {mpp:g} 1",
        "encoding: gzip",
    )
    return "\n".join([*lines, "", ""]).encode() + gzip.compress(labels.tobytes(), 6, mtime=0)


def mat(labels: Labels, mpp: float) -> bytes:
    """Labels as a MATLAB file of version 5 with the structure `scirunnrrd`, whose first axis is x.

    Example:
        >>> found = matlab.loadmat(io.BytesIO(mat(np.zeros((2, 3), np.uint8), 2.0)))
        >>> found["scirunnrrd"]["data"].item().shape
        (3, 2, 1)
    """
    axes = np.zeros((3, 1), [("size", object), ("spacing", object), ("label", object)])
    for axis, (size, name) in enumerate(zip((*labels.shape[::-1], 1), ("x", "y", "z"), strict=True)):
        axes[axis, 0] = (float(size), mpp, name)
    stream = io.BytesIO()
    volume = {"data": labels.T[..., None], "axis": axes, "property": np.zeros((0, 0))}
    matlab.savemat(stream, {"scirunnrrd": volume}, do_compression=True)
    content = stream.getvalue()
    return TEXT.ljust(TEXT_BYTES) + content[TEXT_BYTES:]
