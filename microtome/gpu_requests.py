# SPDX-License-Identifier: MIT
"""How many GPUs a job asks for, whichever way it asks."""

from typing import Any, Protocol


class Resources(Protocol):
    """Resources by name, such as a mapping or those of a Snakemake job."""

    def get(self, name: str, default: Any) -> Any:
        """The value of one, or the default."""


def count_gpus(resources: Resources) -> int:
    """How many GPUs a job asks for.

    Args:
        resources: Its resources: `gpu` is their number, `gres` says it at its end (`gpu:2`, `gpu:a100:2`).

    Returns:
        The number; 0 if it asks for none.

    Example:
        >>> [count_gpus(found) for found in ({"gpu": 2}, {"gres": "gpu:a100:4"}, {"gres": "gpu"}, {})]
        [2, 4, 1, 0]
    """
    gres = str(resources.get("gres", None) or "")
    if gres.partition(":")[0] == "gpu":
        number = gres.rpartition(":")[2]
        return int(number) if number.isdigit() else 1
    return int(resources.get("gpu", None) or 0)
