# SPDX-License-Identifier: MIT
"""Options of each network, one file each; see `NetworkOptions` for what the workflow has to know of it."""

from typing import Any

from microtome.config.entries import union
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


def __getattr__(name: str) -> Any:
    """`Network`, the options of any entry: made when asked for, as jobs import those of their own alone."""
    if name != "Network":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return union(__name__, "name", needs=("OUTPUT", "WINDOWS", "CLASS_MAP"))
