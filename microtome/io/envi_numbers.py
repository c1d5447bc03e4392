# SPDX-License-Identifier: MIT
"""Numbers in the fields of an ENVI header. See `envi_header`."""

import math
import re
from pathlib import Path

from microtome.io.envi_text import CUT
from microtome.io.errors import EnviError

DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:e[+-]?\d+)?", re.IGNORECASE)


def numbers(text: str, name: str, path: Path, count: int = 0) -> list[float]:
    """The numbers of a braced field, of which `count` are expected (0: any number).

    Raises:
        EnviError: A part is no number, or numbers have decimal commas.

    Example:
        >>> numbers("1, 2.5", "fwhm", Path("a.hdr"))
        [1.0, 2.5]
    """
    parts = [part for part in re.split(r"[,\s]+", text) if part]
    values = [number(part) for part in parts]
    wrong = next((part for part, value in zip(parts, values, strict=True) if math.isnan(value)), None)
    if wrong is None and len(values) == count:
        return values
    if count and _has_decimal_commas(text, parts, count):
        found, expected = (
            f"decimal commas in '{name}' ({text[:CUT]} …)",
            f"{count} numbers with decimal points",
        )
        raise EnviError(path, found, expected, "write 450.1 for 450,1, and commas between the numbers alone")
    if wrong is not None:
        raise EnviError(path, f"{wrong[:CUT]!r} in '{name}'", "numbers", "correct the header")
    return values


def _has_decimal_commas(text: str, parts: list[str], count: int) -> bool:
    """Whether a list makes sense once commas between digits are decimal points."""
    if len(parts) == 2 * count and all(part.lstrip("+-").isdigit() for part in parts) and "," in text:
        return True
    loose = [part for part in re.split(r"\s*;\s*|,?\s+", text.strip(" ;,")) if part]
    return len(loose) == count and any(map(DECIMAL_COMMA.fullmatch, loose))


def with_point(text: str) -> str:
    """What to write for a number with a decimal comma; nothing where there is none."""
    found = DECIMAL_COMMA.search(text)
    return f"write it with a decimal point, {found[0].replace(',', '.')[:CUT]}" if found else ""


def number(text: str) -> float:
    """The number in a text, or NaN."""
    try:
        return float(text)
    except ValueError:
        return math.nan
