# SPDX-License-Identifier: MIT
"""Deal whole units (patients) to folds so that training and test have the same share of each class.

Counting images does not do that where images are large, few and of unlike content: one mosaic may hold half
of the pixels of a class. So units change places, step by step, as that lessens what is published of such
splits: the largest difference, in any fold and class, between the shares in training and in test.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["train", "val", "test"]
Change = tuple[int, int, Role]
"""A fold, a unit, and what the unit becomes there."""
NOT_TESTED = 2
"""Units that a fold has to leave, at least: one to train on and one to validate on."""
ROLES: tuple[Role, ...] = ("train", "val", "test")
CLOSE = 0.008
"""Difference of shares that is small enough; published is one percentage point."""
STEPS = 6_000
"""Changes that are tried in all; some 0.2 s, in each process of the workflow."""
HALF = 0.5
PATIENCE = 25
"""Changes a unit that may be tried in vain, before it is begun anew from another deal."""


def balanced_parts(
    weights: Mapping[str, Sequence[int]], *, k: int, validation: float, seed: int = 0
) -> list[dict[str, Role]]:
    """Deal units to the parts of k folds; each unit is tested once.

    Args:
        weights: The labelled pixels of each class, by unit; every unit has the same classes.
        k: Number of folds, from 2 to that of units; of k units, each is a fold, and more than 2 are needed.
        validation: Share of the labelled pixels beside the test fold that validates, above 0 and below 1.
        seed: Fixes the draw, which does not depend on the order of the units.

    Returns:
        For each fold the part of each unit. Every part of every fold has one unit at least. Of the deals that
        were tried it is the one whose largest difference between the shares of a class in training and in
        test is the smallest.

    Example:
        >>> pixels = {"a": (9, 1), "b": (1, 9), "c": (9, 1), "d": (1, 9), "e": (5, 5), "f": (5, 5)}
        >>> folds = balanced_parts(pixels, k=3, validation=0.25)
        >>> [sorted(unit for unit, part in fold.items() if part == "test") for fold in folds]
        [['e', 'f'], ['c', 'd'], ['a', 'b']]
    """
    units, draw = sorted(weights), random.Random(seed)
    draw.shuffle(units)
    rows = [tuple(weights[unit]) for unit in units]
    counts = {unit: Counter({str(c): n for c, n in enumerate(weights[unit]) if n}) for unit in units}
    even = spread(units, counts, k)
    best, tried = _Deal.of(rows, [even[unit] for unit in units], k, validation, draw), 0
    tried += best.improve(draw, STEPS)
    while tried < STEPS and best.worst > CLOSE:
        other = _random_deal(rows, k, validation, draw)
        tried += 1 + other.improve(draw, STEPS - tried)
        best = min(best, other, key=lambda deal: deal.cost)
    return [dict(zip(units, roles, strict=True)) for roles in best.roles]


def spread(units: Sequence[str], counts: Mapping[str, Counter[str]], k: int) -> dict[str, int]:
    """Deal whole units to folds so that each stratum is spread evenly; large units are dealt first.

    Args:
        units: Unit names, in the order in which equal ones are dealt.
        counts: How much of each stratum a unit has; strata of which it has nothing are left out.
        k: Number of folds, at most that of units.

    Returns:
        The fold of each unit; every fold has one unit at least, and leaves two where that can be.

    Example:
        >>> pixels = {"a": Counter(ring=80), "b": Counter(ring=50), "c": Counter(ring=40, nest=9)}
        >>> spread(["a", "b", "c"], pixels, 2)
        {'a': 0, 'b': 1, 'c': 1}
    """
    totals = sum(counts.values(), Counter[str]())
    held = [Counter[str]() for _ in range(k)]
    folds: dict[str, int] = {}
    sizes = [0] * k
    for dealt, unit in enumerate(sorted(units, key=lambda name: -counts[name].total())):
        empty = [fold for fold in range(k) if not sizes[fold]]
        free = [fold for fold in range(k) if sizes[fold] < len(units) - NOT_TESTED]
        choice = empty if len(empty) >= len(units) - dealt else free
        has = counts[unit]
        if has.total():
            folds[unit] = min(choice or range(k), key=lambda fold: _unevenness(held, fold, has, totals))
        else:  # what evens nothing out is spread by number
            folds[unit] = min(choice or range(k), key=sizes.__getitem__)
        held[folds[unit]].update(has)
        sizes[folds[unit]] += 1
    return {unit: folds[unit] for unit in units}


def _unevenness(
    held: Sequence[Counter[str]], fold: int, added: Counter[str], totals: Counter[str]
) -> tuple[float, int, int]:
    """How uneven the strata become by giving a unit to a fold; then the fold's size, then its number."""
    growth = sum(((held[fold][s] + n) ** 2 - held[fold][s] ** 2) / totals[s] ** 2 for s, n in added.items())
    return growth, held[fold].total(), fold


def _random_deal(rows: Sequence[Sequence[int]], k: int, validation: float, draw: random.Random) -> "_Deal":
    fold_of = [number % k for number in range(len(rows))]
    draw.shuffle(fold_of)
    return _Deal.of(rows, fold_of, k, validation, draw)


@dataclass
class _Deal:
    """What each unit is in each fold, the pixels and units of each part, and how uneven that is."""

    rows: Sequence[Sequence[int]]
    validation: float
    roles: list[list[Role]]
    pixels: list[dict[Role, list[int]]] = field(init=False)
    gaps: list[float] = field(init=False)
    minor: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.pixels = [
            {role: self._sum(unit for unit, own in enumerate(roles) if own == role) for role in ROLES}
            for roles in self.roles
        ]
        found = [self._measure(fold) for fold in range(len(self.roles))]
        self.gaps, self.minor = [gap for gap, _ in found], [minor for _, minor in found]

    @classmethod
    def of(
        cls,
        rows: Sequence[Sequence[int]],
        fold_of: Sequence[int],
        k: int,
        validation: float,
        draw: random.Random,
    ) -> "_Deal":
        """The deal of some test folds, with validation drawn."""
        roles: list[list[Role]] = []
        for fold in range(k):
            own: list[Role] = ["test" if number == fold else "train" for number in fold_of]
            rest = [unit for unit, number in enumerate(fold_of) if number != fold]
            for unit in draw.sample(rest, min(max(1, round(validation * len(rest))), len(rest) - 1)):
                own[unit] = "val"
            roles.append(own)
        return cls(rows, validation, roles)

    @property
    def worst(self) -> float:
        """The largest difference between the shares of a class in training and in test."""
        return max(self.gaps)

    @property
    def cost(self) -> tuple[float, float]:
        """What changes have to lessen: the largest difference, else how uneven the folds are besides."""
        return self.worst, sum(self.gaps) + sum(self.minor)

    def improve(self, draw: random.Random, steps: int) -> int:
        """Try changes while they help; the number of those tried, at most `steps`."""
        tried = in_vain = 0
        patience = PATIENCE * len(self.rows)
        while tried < steps and in_vain < patience and self.worst > CLOSE:
            tried, in_vain = tried + 1, in_vain + 1
            changes = self._proposed(draw)
            if changes and self._lessens(changes):
                in_vain = 0
        return tried

    def _proposed(self, draw: random.Random) -> list[Change]:
        """Two units at random that change places: in which fold they are tested, or in one fold."""
        one, two = draw.randrange(len(self.rows)), draw.randrange(len(self.rows))
        if draw.random() < HALF:
            return self._swapped_tests(one, two)
        fold = draw.randrange(len(self.roles))
        here, there = self.roles[fold][one], self.roles[fold][two]
        is_change = here != there and "test" not in (here, there)
        return [(fold, one, there), (fold, two, here)] if is_change else []

    def _swapped_tests(self, one: int, two: int) -> list[Change]:
        """Two units change the folds in which they are tested, and each what it was in the other's."""
        first, second = self._tested(one), self._tested(two)
        if first == second:
            return []
        there, here = self.roles[first][two], self.roles[second][one]
        return [(first, one, there), (first, two, "test"), (second, two, here), (second, one, "test")]

    def _tested(self, unit: int) -> int:
        return next(fold for fold, roles in enumerate(self.roles) if roles[unit] == "test")

    def _lessens(self, changes: Sequence[Change]) -> bool:
        """Make changes; take them back where they do not lessen the cost."""
        before, kept = self.cost, [(fold, unit, self.roles[fold][unit]) for fold, unit, _ in changes]
        self._make(changes)
        if self.cost < before:
            return True
        self._make(kept)
        return False

    def _make(self, changes: Sequence[Change]) -> None:
        for fold, unit, role in changes:
            left, row = self.roles[fold][unit], self.rows[unit]
            of = self.pixels[fold]
            of[left] = [has - own for has, own in zip(of[left], row, strict=True)]
            of[role] = [has + own for has, own in zip(of[role], row, strict=True)]
            self.roles[fold][unit] = role
        for fold in {fold for fold, _, _ in changes}:
            self.gaps[fold], self.minor[fold] = self._measure(fold)

    def _measure(self, fold: int) -> tuple[float, float]:
        """The largest difference of shares of a fold; and how far sizes and validation are from theirs."""
        train, val, test = (self.pixels[fold][role] for role in ROLES)
        sizes = [sum(train), sum(val), sum(test)]
        whole, rest = sum(sizes) or 1, sizes[0] + sizes[1] or 1
        uneven = abs(sizes[2] / whole - 1 / len(self.roles)) + abs(sizes[1] / rest - self.validation)
        return _difference(train, test), uneven + _difference(train, val)

    def _sum(self, units: Iterable[int]) -> list[int]:
        chosen = [self.rows[unit] for unit in units]
        return [sum(column) for column in zip(*chosen, strict=True)] or [0] * len(self.rows[0])


def _difference(one: Sequence[int], other: Sequence[int]) -> float:
    """The largest difference between the shares of a class; 1 where there is no pixel.

    Example:
        >>> _difference((60, 40), (5, 5))
        0.09999999999999998
    """
    first, second = sum(one), sum(other)
    if not first or not second:
        return 1.0
    return max(abs(a / first - b / second) for a, b in zip(one, other, strict=True))
