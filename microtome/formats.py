# SPDX-License-Identifier: MIT
"""Numbers, times and sizes as people read them."""

import base64
import math
from datetime import datetime
from typing import Any

MISSING = "–"
MINUTE, HOUR, DAY = 60, 3600, 86400
SIGNIFICANT = 4
PLAIN = (0.001, 1000.0)
"""Numbers in this range keep their zeros, so that columns line up."""
DIGEST_LENGTH = 10
KIBI = 1024


def number(value: Any) -> str:
    """Print a number with four significant digits.

    Example:
        >>> number(0.77), number(31030593), number(None), number(1e-7), number("x"), number(float("nan"))
        ('0.7700', '31,030,593', '–', '1e-07', 'x', 'NaN')
    """
    if value is None or isinstance(value, str | bool):
        return MISSING if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else str(value)
    padded = PLAIN[0] <= abs(value) < PLAIN[1]
    return f"{value:#.{SIGNIFICANT}g}" if padded else f"{value:.{SIGNIFICANT}g}"


def duration(seconds: float | None) -> str:
    """Print a time span in its two largest units.

    Example:
        >>> duration(0.25), duration(59.94), duration(3725), duration(90061), duration(None)
        ('0.25 s', '59.9 s', '1 h 02 min', '1 d 01 h', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < MINUTE:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02d} min"
    return f"{whole // DAY} d {whole % DAY // HOUR:02d} h"


def size(count: float | None) -> str:
    """Print a number of bytes.

    Example:
        >>> size(512), size(1536), size(3 * 2**30), size(None)
        ('512 B', '1.5 KiB', '3.0 GiB', '–')
    """
    if count is None:
        return MISSING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < KIBI:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= KIBI
    return f"{count:.1f} TiB"


def mebibytes(count: float | None) -> str:
    """Print a number of MiB.

    Example:
        >>> mebibytes(2048.0)
        '2.0 GiB'
    """
    return MISSING if count is None else size(count * KIBI**2)


def digest(text: Any) -> str:
    """Shorten a digest or a commit.

    Example:
        >>> digest("0123456789abcdef"), digest(None)
        ('0123456789', '–')
    """
    return str(text)[:DIGEST_LENGTH] if text else MISSING


def moment(text: Any) -> str:
    """Print a time in ISO 8601 to the minute; any other text stays as it is.

    Example:
        >>> moment("2026-03-01T10:20:30.123456+00:00"), moment("2026-03-01T10:20:30+02:00"), moment("")
        ('2026-03-01 10:20 UTC', '2026-03-01 10:20 UTC+02:00', '–')
    """
    try:
        parsed = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text) or MISSING
    return f"{parsed:%Y-%m-%d %H:%M} {parsed.tzname() or ''}".strip()


def data_uri(webp: bytes) -> str:
    """Put a WebP into an address that holds it.

    Example:
        >>> data_uri(b"RIFF")
        'data:image/webp;base64,UklGRg=='
    """
    return f"data:image/webp;base64,{base64.b64encode(webp).decode('ascii')}"
