# SPDX-License-Identifier: MIT
"""Mosaic phantom: confocal mosaics of melanocytic lesions with known patterns, partly labelled."""

from collections.abc import Iterator
from typing import Any

from microtome.config.phantoms.mosaics import MosaicPhantomData


def files(options: MosaicPhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate, and name each file; see the `files` of `simulation`."""
    from microtome.phantoms.mosaics import simulation  # needs NumPy, which the sheet is made without

    return simulation.files(options)
