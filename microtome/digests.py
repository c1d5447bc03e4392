# SPDX-License-Identifier: MIT
"""Digests of options and files: how cards, sidecars and crates name what they come from."""

import hashlib
import json
from pathlib import Path
from typing import Any

DIGEST = 16
"""Characters of a hash that cards keep."""
BLOCK = 1 << 20


def of_options(options: Any) -> str:
    """Hash options: the first `DIGEST` characters of the SHA-256 of their JSON, keys sorted.

    Example:
        >>> of_options({"a": 1, "b": 2}) == of_options({"b": 2, "a": 1})
        True
    """
    return of_bytes(json.dumps(options, sort_keys=True).encode())[:DIGEST]


def of_bytes(content: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal.

    Example:
        >>> of_bytes(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(content).hexdigest()


def of_file(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal, read block by block.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
