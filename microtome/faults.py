# SPDX-License-Identifier: MIT
"""What is wrong with a configuration or a sample sheet: all faults listed together, each with its remedy."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

MANY, NAMED = 4, 3
"""Faults of one kind that are told as one, and names that are listed then, beside the first."""
ROW = re.compile(r"(.+):(\d+) ([^ ]+)")
"""Where a fault of a sheet stands: file, row, column."""
QUOTED = re.compile(r"'([^']*)'")
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


def grouped(faults: Iterable[Fault]) -> list[Fault]:
    """Faults of the rows of a sheet; `MANY` or more that differ only in the names they quote become one.

    Example:
        >>> print(*grouped([Fault(f"a.tsv:{n} label", f"3 channels in '{n}'", "1") for n in range(2, 22)]))
        a.tsv:2 label: found 3 channels in '2' (and 19 more, to row 21: '3', '4', '5', …); expected 1
    """
    kinds: dict[object, list[Fault]] = {}
    for fault in faults:
        row = ROW.fullmatch(fault.where)
        key = (row[1], row[3], QUOTED.sub("''", fault.found), fault.expected) if row else fault
        kinds.setdefault(key, []).append(fault)
    return [one for kind in kinds.values() for one in (kind if len(kind) < MANY else [_as_one(kind)])]


def _as_one(faults: list[Fault]) -> Fault:
    """The first of some faults of a kind, and what the others quote."""
    first, quoted = faults[0], [QUOTED.findall(fault.found) for fault in faults]
    differing = [names for names in zip(*quoted, strict=True) if len(set(names)) > 1]
    names = [f"'{name}'" for name in dict.fromkeys(differing[0])][1:] if differing else []
    listing = ", ".join(names[:NAMED] + ["…"] * (len(names) > NAMED))
    rows = f"{len(faults) - 1} more, to row {ROW.fullmatch(faults[-1].where)[2]}"
    return replace(first, found=f"{first.found} (and {rows}{': ' if names else ''}{listing})")


def raise_faults(faults: list[Fault]) -> None:
    """Raise the faults together, if there are any.

    Raises:
        ConfigurationError: The list is not empty.
    """
    if faults:
        raise ConfigurationError(faults)
