# SPDX-License-Identifier: MIT
"""Objects of an image: labels, markers, watershed, measurements."""

from importlib import import_module
from typing import Any

__all__ = ["separate"]


def __getattr__(name: str) -> Any:
    """`separate`, imported when asked for: whoever measures objects does not depend on the watershed.

    Raises:
        AttributeError: There is no such name.
    """
    if name not in __all__:
        msg = f"module '{__name__}' has no attribute '{name}'"
        raise AttributeError(msg)
    return getattr(import_module("microtome.objects.watershed"), name)
