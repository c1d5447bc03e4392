# SPDX-License-Identifier: MIT
"""Options of each loss, one file each.

A model's class attributes say what the workflow has to know of the loss: `TARGET`, `sigmoid` (maps of 0 and
1) or `softmax` (class numbers), and `LABEL`, its name in tables and figures, if that is not the entry's.
"""

from typing import Any

from microtome.config.entries import union
from microtome.registry import search_path

__path__ = search_path(__name__, __path__)


def __getattr__(name: str) -> Any:
    """`Loss`, the options of any entry: made when asked for, as jobs import those of their own alone."""
    if name != "Loss":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return union(__name__, "name", needs=("TARGET",))
