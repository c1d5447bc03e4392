# SPDX-License-Identifier: MIT
"""Slide phantom: sections of skin with basal-cell carcinoma, in files of several scanners."""

from collections.abc import Iterator
from typing import Any

from microtome.config.phantoms.slides import SlidePhantomData


def files(options: SlidePhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate, and name each file; see the `files` of `simulation`."""
    from microtome.phantoms.slides import simulation  # needs NumPy, which the sheet is made without

    return simulation.files(options)
