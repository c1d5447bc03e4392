# SPDX-License-Identifier: MIT
"""Metrics: one module per family, found by its name and imported only when asked for.

`boundaries` (V_Rand, V_Info of a membrane map), `instances` (AJI, AJI+, PQ, object F1 of label maps) and
`overlap` (Dice, IoU, sensitivity, ... of class maps) measure one image; `summary` turns the tidy rows of many
images into means, intervals and paired tests; `contingency` counts the overlaps that the first two share.
"""

from importlib import import_module
from types import ModuleType

from microtome.registry import entry_names

_SUPPORT = frozenset({"contingency", "summary"})


def names() -> tuple[str, ...]:
    """Return the metric families, sorted: the modules of this folder that measure one image.

    Example:
        >>> names()
        ('boundaries', 'instances', 'overlap')
    """
    return tuple(name for name in entry_names(__file__) if name not in _SUPPORT)


def load(name: str) -> ModuleType:
    """Import a metric family by name.

    Args:
        name: One of `names()`.

    Returns:
        The module ``microtome.metrics.<name>``.

    Raises:
        ValueError: If there is no such family.

    Example:
        >>> load("overlap").__name__
        'microtome.metrics.overlap'
    """
    if name not in names():
        msg = f"no metric family {name!r}; choose one of {', '.join(names())}"
        raise ValueError(msg)
    return import_module(f"{__name__}.{name}")
