# SPDX-License-Identifier: MIT
"""Melanoma phantom: hyperspectral cubes of stained skin with references and known transmittance."""

from collections.abc import Iterator
from typing import Any

from microtome.config.phantoms.cubes import CubePhantomData


def files(options: CubePhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate, and name each file; see the `files` of `simulation`."""
    from microtome.phantoms.cubes import simulation  # needs NumPy, which the sheet is made without

    return simulation.files(options)
