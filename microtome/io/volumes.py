# SPDX-License-Identifier: MIT
"""Which reader a file of volumes has. Used through :mod:`microtome.io.images`."""

from pathlib import Path
from types import ModuleType

from microtome.io import matlab_planes, nrrd


def reader(path: Path) -> ModuleType | None:
    """What describes (`header`) and opens (`open_plane`) a file of volumes; None of pictures.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "label.nrrd"
        >>> _ = file.write_bytes(b"NRRD0004")
        >>> reader(file).FORMAT
        'NRRD'
    """
    with path.open("rb") as file:
        start = file.read(len(nrrd.MAGIC))
    if start == nrrd.MAGIC:
        return nrrd
    is_matlab = start.startswith(matlab_planes.MAGIC) or path.suffix.lower() == matlab_planes.ENDING
    return matlab_planes if is_matlab else None
