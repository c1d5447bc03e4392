# SPDX-License-Identifier: MIT
"""How images are divided into train, val and test: drawn, in stretches, in folds, or not at all."""

import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal

from microtome.study.sample import PARTS, Parts
from microtome.study.survey import words
from microtome.study.survey.groups import Groups
from microtome.study.survey.pictures import Picture

FEW = 10
"""Groups below which each is tested once, in folds."""
LEAST = 3
"""Groups that are needed for train, val and test."""
MOST_FOLDS = 5
VAL, TEST = 0.1, 0.2
"""Shares of the groups."""
MOST_SHOWN = 32
"""Images of the scale `demo`."""


@dataclass(frozen=True)
class Division:
    """How images are divided.

    Attributes:
        kind: As `split.kind` has it.
        sizes: Groups of each part (random).
        k: Folds.
        parts: Sample to its part (column).
        said: In words.
    """

    kind: Literal["none", "random", "column", "folds"]
    sizes: Mapping[str, int] = field(default_factory=dict)
    k: int = 0
    parts: Parts = field(default_factory=dict)
    said: str = ""


def divide(groups: Groups, *, is_labelled: bool, in_folds: bool = True) -> Division:
    """Choose how to divide images.

    Args:
        groups: What belongs together.
        is_labelled: Whether there are labels to learn from.
        in_folds: Whether few groups are tested in turn; else they are drawn.

    Example:
        >>> found = divide(Groups("sample", {str(n): str(n) for n in range(20)}, "", ""), is_labelled=True)
        >>> found.kind, dict(found.sizes)
        ('random', {'train': 14, 'val': 2, 'test': 4})
    """
    names = groups.names
    if not is_labelled or len(names) < LEAST:
        return Division("none", said="none: nothing is trained")
    sizes = _sizes(len(names))
    if groups.is_in_order:
        parts = _in_stretches(groups)
        counts = Counter(parts.values())
        said = " / ".join(f"{counts[part]} {part}" for part in sizes)
        return Division("column", parts=parts, said=f"{said} images, in stretches (column `part`)")
    if len(names) < FEW and in_folds:
        k = min(MOST_FOLDS, len(names))
        return Division("folds", k=k, said=f"{k} folds, as there are few: each image is tested once")
    said = " / ".join(f"{count} {part}" for part, count in sizes.items())
    whole = "images" if groups.column == "sample" else f"{groups.column}s"
    return Division("random", sizes=sizes, said=f"{said} {whole}, drawn at random (seed 0)")


def told_parts(pictures: Sequence[Picture], root: Path) -> Parts:
    """The parts that folders, or beginnings of names, tell; empty unless they tell one of every image.

    Args:
        pictures: The images.
        root: The folder that they lie in.
    """
    found: Parts = {}
    for one in pictures:
        said = [*words.inside(one.path, root), next(iter(words.tokens(one.path.stem)), "")]
        told = (words.PARTS[token] for name in said for token in words.tokens(name) if token in words.PARTS)
        if part := next(told, None):
            found[one.sample] = part
    is_told = len(found) == len(pictures) and len(set(found.values())) > 1 and "train" in found.values()
    return found if is_told else {}


def keep_parts(groups: Groups, told: Parts) -> Division:
    """Keep the parts that were told; one that is missing is drawn among the groups of training.

    Args:
        groups: What belongs together.
        told: Sample to its part.

    Example:
        >>> told = {"a": "train", "b": "train", "c": "train", "d": "test"}
        >>> found = keep_parts(Groups("sample", {n: n for n in told}, "", ""), told)
        >>> sorted(found.parts.values()), found.said[-20:]
        (['test', 'train', 'train', 'val'], 'val drawn from train')
    """
    missing = [part for part in PARTS if part not in told.values()]
    learnt = list(dict.fromkeys(group for sample, group in groups.of.items() if told[sample] == "train"))
    if len(learnt) <= len(missing):
        return Division("none", said="none: nothing is trained")
    count = max(1, round({"val": VAL, "test": TEST}.get("".join(missing), 0) * len(learnt)))
    drawn = random.Random(0).sample(learnt, count) if missing else []
    parts = {
        sample: missing[0] if told[sample] == "train" and group in drawn else told[sample]
        for sample, group in groups.of.items()
    }
    counts = Counter(parts.values())
    said = " / ".join(f"{counts[part]} {part}" for part in PARTS)
    said = f"{said} images, as told by folders or names (column `part`)"
    return Division(
        "column", parts=parts, said=said + (f"; {missing[0]} drawn from train" if missing else "")
    )


def divide_mixed(groups: Groups, mixed: Collection[str]) -> Division:
    """Choose parts such that val and test have samples that hold several classes, as far as there are some.

    Args:
        groups: What belongs together.
        mixed: Samples that hold several classes.

    Example:
        >>> divide_mixed(Groups("sample", {n: n for n in "abcd"}, "", ""), "bd").parts
        {'a': 'train', 'b': 'val', 'c': 'train', 'd': 'test'}
    """
    has_mixed = [name for name in groups.names if any(groups.of[sample] == name for sample in mixed)]
    order = [*has_mixed, *(name for name in groups.names if name not in has_mixed)]
    sizes = _sizes(len(order))
    turns = [part for turn in range(max(sizes.values())) for part in ("val", "test") if turn < sizes[part]]
    of_group = dict(zip(order, [*turns, *["train"] * sizes["train"]], strict=True))
    parts = {sample: of_group[group] for sample, group in groups.of.items()}
    counts = Counter(parts.values())
    said = " / ".join(f"{counts[part]} {part}" for part in sizes)
    return Division("column", parts=parts, said=f"{said} images (column `part`)")


def _sizes(count: int) -> dict[str, int]:
    """Groups of each part, one at least."""
    test, val = max(1, round(TEST * count)), max(1, round(VAL * count))
    return {"train": count - val - test, "val": val, "test": test}


def _in_stretches(groups: Groups) -> Parts:
    """Neighbouring groups in one part, training at the end from which images are shared out best, else first.

    Example:
        >>> of = {"a": "g0", "b": "g1", "c": "g1", "d": "g1", "e": "g2", "f": "g3"}
        >>> "".join(part[0] for part in _in_stretches(Groups("block", of, "", "")).values())
        'ttttvt'
    """
    names, counts = groups.names, Counter(groups.of.values())
    sizes = [counts[name] for name in names]
    (error, cuts), (other, turned) = _best_cuts(sizes), _best_cuts(sizes[::-1])
    first, second = cuts if error <= other else turned
    listed = ["train"] * first + ["val"] * (second - first) + ["test"] * (len(names) - second)
    ordered = names if error <= other else names[::-1]
    of_group = dict(zip(ordered, listed, strict=True))
    return {sample: of_group[group] for sample, group in groups.of.items()}


def _best_cuts(sizes: Sequence[int]) -> tuple[float, tuple[int, int]]:
    """How far off the best shares are, in images; the groups before val and before test for them.

    Example:
        >>> _best_cuts([2, 2, 2, 2, 12, 6])[1], _best_cuts([6, 12, 2, 2, 2, 2])[1]
        ((4, 5), (2, 3))
    """
    until = [0, *accumulate(sizes)]
    total, wanted = until[-1], (1 - VAL - TEST, VAL, TEST)

    def error(cuts: tuple[int, int]) -> float:
        ends = pairwise((0, until[cuts[0]], until[cuts[1]], total))
        return sum(abs(high - low - share * total) for (low, high), share in zip(ends, wanted, strict=True))

    pairs = ((_nearest(until, wanted[0] * total, range(1, end)), end) for end in range(2, len(sizes)))
    best = min(pairs, key=error)
    return error(best), best


def _nearest(until: Sequence[int], wanted: float, cuts: Sequence[int]) -> int:
    """The cut before which there are about as many images as wanted."""
    return min(cuts, key=lambda cut: abs(until[cut] - wanted))


def shown(groups: Groups, division: Division) -> list[str]:
    """The samples of the scale `demo`: at most `MOST_SHOWN`, of as many groups as possible, in their order.

    Example:
        >>> few = Groups("sample", {str(n): str(n) for n in range(100)}, "", "")
        >>> len(shown(few, Division("random")))
        32
    """
    if len(groups.of) <= MOST_SHOWN:
        return list(groups.of)
    by_part: dict[str, list[str]] = {}
    for sample in _round_robin(groups):
        by_part.setdefault(division.parts.get(sample, ""), []).append(sample)
    total = sum(map(len, by_part.values()))
    chosen = {
        sample
        for samples in by_part.values()
        for sample in samples[: max(1, MOST_SHOWN * len(samples) // total)]
    }
    return [sample for sample in groups.of if sample in chosen]


def _round_robin(groups: Groups) -> list[str]:
    """The samples, one of each group in turn; groups in an order that is drawn once for all."""
    members: dict[str, list[str]] = {}
    for sample, group in groups.of.items():
        members.setdefault(group, []).append(sample)
    names: Sequence[str] = random.Random(0).sample(list(members), len(members))
    longest = max(map(len, members.values()))
    return [members[name][turn] for turn in range(longest) for name in names if turn < len(members[name])]
