# SPDX-License-Identifier: MIT
"""EM phantom: serial sections of neuropil with known membranes."""

from collections.abc import Iterator
from typing import Any

from microtome.config.phantoms.em import EMPhantomData


def files(options: EMPhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate, and name each file; see the `files` of `simulation`."""
    from microtome.phantoms.em import simulation  # needs NumPy, which the sheet is made without

    return simulation.files(options)
