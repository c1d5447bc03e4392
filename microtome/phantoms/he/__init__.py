# SPDX-License-Identifier: MIT
"""H&E phantom: stained sections of several organs and hospitals, with known nuclei and stains."""

from collections.abc import Iterator
from typing import Any

from microtome.config.phantoms.he import HEPhantomData


def files(options: HEPhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate, and name each file; see the `files` of `simulation`."""
    from microtome.phantoms.he import simulation  # needs NumPy, which the sheet is made without

    return simulation.files(options)
