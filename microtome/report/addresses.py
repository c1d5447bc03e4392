# SPDX-License-Identifier: MIT
"""Addresses inside the page: short, stable, and never two of a kind."""

import re

NOT_IN_ADDRESS = re.compile(r"[^A-Za-z0-9]+")
OWN = frozenset({"overview", "index", "reproduce", "resources", "environment", "contents", "content", "zoom"})
"""Addresses of the page itself, which no study may take."""


def slug(*parts: object) -> str:
    """Make an address inside the page: its parts, joined by dots, which no part can hold.

    Example:
        >>> slug("membranes", "table 2: <b>")
        'membranes.table-2-b'
    """
    return ".".join(NOT_IN_ADDRESS.sub("-", str(part)).strip("-").lower() for part in parts)


def home(study: str) -> str:
    """Address of the view of a study.

    Example:
        >>> home("membranes"), home("Index")
        ('membranes', 'study-index')
    """
    address = slug(study)
    return f"study-{address}" if address in OWN or not address else address
