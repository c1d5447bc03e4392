# SPDX-License-Identifier: MIT
"""What is wrong with a configuration or a sample sheet: all faults listed together, each with its remedy."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

SIMILAR = 0.5
"""How alike two names are, at least, for one to be suggested for the other."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a configuration or a sample sheet.

    Attributes:
        where: File, line or row, and field.
        found: What stands there.
        expected: What may stand there, or what to do.

    Example:
        >>> print(Fault("config/config.yaml:3 scale", "'huge'", "one of demo, full, local, paper"))
        config/config.yaml:3 scale: found 'huge'; expected one of demo, full, local, paper
    """

    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; expected {self.expected}"


class ConfigurationError(ValueError):
    """All faults of a configuration, listed together."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(dict.fromkeys(faults))
        count = len(self.faults)
        lines = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(self.faults, 1))
        super().__init__(f"{count} fault{'s' if count > 1 else ''} in the configuration\n{lines}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which names are allowed, the nearest to `name` first.

    Example:
        >>> nearest("alhpa", ["alpha", "gamma"])
        "'alpha'? (known: alpha, gamma)"
    """
    names = sorted(set(known))
    lowered = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=SIMILAR)
    listing = ", ".join(names) or "none"
    return f"'{lowered[close[0]]}'? (known: {listing})" if close else f"one of: {listing}"


def raise_faults(faults: list[Fault]) -> None:
    """Raise the faults together, if there are any.

    Raises:
        ConfigurationError: The list is not empty.
    """
    if faults:
        raise ConfigurationError(faults)
