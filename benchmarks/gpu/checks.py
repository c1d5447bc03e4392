# SPDX-License-Identifier: MIT
"""Checks that pass or say why not."""

import logging
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass

logger = logging.getLogger(__name__)
Call = Callable[[], str]
"""Raises where something is wrong; returns what is worth saying."""


@dataclass(frozen=True)
class Check:
    """The outcome of one check.

    Attributes:
        group: What kind of thing was looked at.
        name: Which one.
        said: What was found; where it failed, the error.
        passed: Whether it did what it should.
        seconds: That it took.
    """

    group: str
    name: str
    said: str
    passed: bool
    seconds: float


def run(group: str, calls: Iterable[tuple[str, Call]]) -> list[Check]:
    """Make checks one after the other; one that fails stops no other."""
    found = []
    for name, call in calls:
        start = time.perf_counter()
        try:
            said, passed = call(), True
        except Exception as error:  # noqa: BLE001 (it is what the page says)
            traceback.print_exc()
            said, passed = f"{type(error).__name__}: {error}", False
        found.append(Check(group, name, said, passed, time.perf_counter() - start))
        print(f"{'ok  ' if passed else 'FAIL'} {group}: {name} {said}", flush=True)
    return found
