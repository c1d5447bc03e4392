# SPDX-License-Identifier: MIT
"""Tiny stand-ins for the files of a generated sample sheet, so that a dry run can read their headers."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.large_sheets import Form
from microtome.io import envi, images

SIZE = 16
"""Rows and columns."""
BANDS = 60
FULL_SCALE = 4095
REFERENCES = {"cube": FULL_SCALE // 2, "dark": 0, "blank": FULL_SCALE}
"""Value of the pixels of each file of a cube."""


def write_placeholders(rows: Iterable[Mapping[str, str]], root: Path, form: Form) -> int:
    """Write the files that the rows of a sheet name and that do not exist.

    Images are grey or RGB TIFFs of one value, labels are TIFFs of zeros, cubes are ENVI files of 12 bits.

    Args:
        rows: Rows of a generated sheet.
        root: Folder that their paths start from.
        form: Kind of data.

    Returns:
        Number of files written; the data beside an ENVI header are not counted.

    Example:
        >>> import tempfile
        >>> from benchmarks.large_sheets import FORMS
        >>> rows = [{"image": "images/a.tif", "label": "labels/a.tif"}]
        >>> write_placeholders(rows, Path(tempfile.mkdtemp()), FORMS["nuclei"])
        2
    """
    wanted = {row[name]: name for row in rows for name in ("image", "label", *REFERENCES) if row.get(name)}
    missing = {root / path: name for path, name in wanted.items() if not (root / path).exists()}
    made: dict[str, bytes] = {}
    for path, name in missing.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in REFERENCES:
            envi.write_cube(path, np.full((BANDS, SIZE, SIZE), REFERENCES[name], np.uint16))
        elif name in made:
            path.write_bytes(made[name])
        else:
            images.write(path, _pixels(name, form), tile=SIZE)
            made[name] = path.read_bytes()
    return len(missing)


def _pixels(name: str, form: Form) -> np.ndarray:
    """(C, H, W) of one grey value, or (H, W) of class 0."""
    if name == "label":
        return np.zeros((SIZE, SIZE), np.uint8)
    return np.full((form.channels, SIZE, SIZE), 128, np.uint8)
