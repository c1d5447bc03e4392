# SPDX-License-Identifier: MIT
"""What is ever done to a file that holds one plane of pixels."""

from pathlib import Path

import numpy as np

from microtome.io import images


def look(path: Path) -> None:
    """Read the header, a window and the whole, which have to agree."""
    source = images.open_source(path)
    found = images.read(path)
    assert found.shape == source.shape[1:] == (images.header(path).height, images.header(path).width)
    np.testing.assert_array_equal(source.read(0, 0, 1, 1)[0], found[:1, :1])
