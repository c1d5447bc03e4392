# SPDX-License-Identifier: MIT
"""Options of each phantom, one file each.

A model's class attributes say what the phantom gives: `CHANNELS`, channels of its images, and `OBJECTS`,
whether its labels have one value for each object.
"""

from typing import Any

from microtome.config.entries import union
from microtome.config.phantoms._shared import Part as Part
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


def __getattr__(name: str) -> Any:
    """`Phantom`, the options of any entry: made when asked for, as jobs import those of their own alone."""
    if name != "Phantom":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return union(__name__, "kind", needs=("CHANNELS", "OBJECTS"))
