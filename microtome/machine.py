# SPDX-License-Identifier: MIT
"""The memory that this machine has, as far as a container lets it be used; told without PyTorch."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container, or a job of a scheduler, may have."""


def machine_memory(limits: Iterable[Path] = CGROUP_LIMITS) -> float:
    """Bytes of memory that programs may use here; infinite where the machine does not tell.

    Args:
        limits: Files with the limit of a container; those that are not there, or hold no number, set none.

    Example:
        >>> machine_memory() > 2**26
        True
    """
    texts = [path.read_text(encoding="ascii").strip() for path in limits if path.is_file()]
    return min([_installed(), *(float(text) for text in texts if text.isdigit())])


def _installed() -> float:
    """Bytes of memory that the machine has."""
    names = ("SC_PHYS_PAGES", "SC_PAGE_SIZE")
    if not all(name in getattr(os, "sysconf_names", ()) for name in names):
        return math.inf
    found = math.prod(os.sysconf(name) for name in names)
    return found if found > 0 else math.inf
