# SPDX-License-Identifier: MIT
"""Fitted targets by their path; what copies them needs no method of normalization."""

from pathlib import Path


def name_of_stain(target: Path) -> str:
    """The name of the normalization of a `target.json`, whose folder may also name its sample.

    Example:
        >>> name_of_stain(Path("stains/spcn@tile-3/target.json"))
        'spcn'
    """
    return target.parent.name.partition("@")[0]
