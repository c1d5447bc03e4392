# SPDX-License-Identifier: MIT
"""JSON from anyone: small, flat enough to walk, no key twice, no number that arithmetic cannot hold."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LARGEST_FILE = 8 * 2**20
"""Bytes; a card has some 5 kB."""
DEEPEST = 40
MOST_DIGITS = 18
"""Of a whole number, so that it fits 64 bits."""
SEVERAL = "the key {key!r} more than once"


def read(path: Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file; UTF-8.

    Returns:
        What it holds.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is too large, or see `parse`; the message names the file.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        msg = f"{path} has {size} bytes, expected at most {LARGEST_FILE}"
        raise ValueError(msg)
    try:
        return parse(path.read_bytes().decode("utf-8"))
    except ValueError as error:
        msg = f"{path} is not JSON that this program reads ({error})"
        raise ValueError(msg) from error


def parse(text: str) -> Any:
    """Read JSON text.

    Args:
        text: JSON; NaN and Infinity are numbers, as Python writes them.

    Returns:
        What it holds.

    Raises:
        ValueError: It is no JSON, has a key twice, a number of too many digits, a text that UTF-8 cannot
            hold, or values nested too deep.

    Example:
        >>> parse('{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
        >>> parse('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        ValueError: the key 'a' more than once
    """
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_int=_whole)
    except RecursionError as error:
        raise ValueError(_too_deep()) from error
    _check_depth(found)
    json.dumps(found, ensure_ascii=False).encode("utf-8")
    return found


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(SEVERAL.format(key=key[:MOST_DIGITS]))
        found[key] = value
    return found


def _whole(digits: str) -> int:
    count = len(digits.lstrip("-"))
    if count > MOST_DIGITS:
        msg = f"a whole number of {count} digits"
        raise ValueError(msg)
    return int(digits)


def _check_depth(found: Any) -> None:
    """Look at one level after the other, so that no depth can exhaust the stack."""
    level = [found]
    for _ in range(DEEPEST):
        parts = [part.values() if isinstance(part, dict) else part for part in level if _is_nested(part)]
        level = [value for values in parts for value in values]
        if not level:
            return
    if any(map(_is_nested, level)):
        raise ValueError(_too_deep())


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _too_deep() -> str:
    return f"values nested more than {DEEPEST} deep"
