# SPDX-License-Identifier: MIT
"""Splits: which sample is trained on, validated on, tested on. Units (patients, blocks) stay whole."""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from microtome.config.study import Data, Split
from microtome.faults import ConfigurationError, Fault, raise_faults
from microtome.study.sheet import (
    BY_SAMPLE,
    PARTS,
    Sample,
    check_files,
    check_labels,
    check_parts,
    inspect_sheet,
    phantom_sheet,
    resolve,
    sheet_root,
)

Parts = dict[str, str]
Place = Callable[[tuple[str, ...]], str]
NOT_TESTED = 2
"""Units that a fold has to leave, at least: one to train on and one to validate on."""


def option_name(keys: tuple[str, ...]) -> str:
    """An option by its keys alone, for messages.

    Example:
        >>> option_name(("split", "k"))
        'split.k'
    """
    return ".".join(keys)


def make_splits(
    samples: Sequence[Sample],
    split: Split,
    *,
    sheet: Path,
    column: str,
    place: Place = option_name,
    needed: Sequence[str] = PARTS,
) -> dict[str, Parts]:
    """Divide the samples.

    Args:
        samples: The study's samples.
        split: How to divide.
        sheet: The sample sheet, for messages.
        column: What must stay whole (`data.group_by`), for messages.
        place: Says where an option stands, for messages.
        needed: Parts that may not be empty (see `Study.needed_parts`).

    Returns:
        For each split by name (`main`, or `fold-0`…) the part of each sample.

    Raises:
        ConfigurationError: A part is missing or empty, sizes do not add up, a unit sits in two parts, or a
            sample that is learnt from has no label.

    Example:
        >>> sheet = [Sample(str(n), f"{n}.png", f"{n}-label.png", unit=str(n)) for n in range(5)]
        >>> split = Split(kind="random", sizes={"train": 3, "val": 1, "test": 1})
        >>> sorted(make_splits(sheet, split, sheet=Path("s.tsv"), column="block")["main"].values())
        ['test', 'train', 'train', 'train', 'val']
    """
    if split.kind == "none":
        return {"main": {s.sample: s.part or PARTS[-1] for s in samples}}
    by_sample = split.group_by == BY_SAMPLE
    if split.kind == "column":
        splits = {"main": _by_column(samples, sheet)}
    elif split.kind == "random":
        splits = {"main": _random(samples, split, sheet, by_sample=by_sample, place=place)}
    else:
        splits = _folds(samples, split, sheet, by_sample=by_sample, place=place)
    faults: list[Fault] = []
    for parts in splits.values():
        faults += _check_complete(parts, needed, sheet) + check_labels(parts, samples, sheet)
        faults += [] if by_sample else check_parts(parts, samples, sheet, column)
    raise_faults(faults)
    return splits


def check_data(
    data: Data,
    split: Split,
    *,
    sheet: Path,
    place: Place = option_name,
    look_at_files: bool = True,
    needed: Sequence[str] = PARTS,
) -> list[Fault]:
    """Check a study's sample sheet, the headers of the user's own files, and the split, all at once.

    Args:
        data: What the study says of its data.
        split: How the samples are divided.
        sheet: The sample sheet; for a phantom, the study file.
        place: Says where an option stands, for messages.
        look_at_files: Whether to read the headers.
        needed: Parts that may not be empty (see `Study.needed_parts`).

    Returns:
        All faults.
    """
    if data.source == "phantom":
        samples, faults = phantom_sheet(data.phantom), []
    else:
        samples, faults = inspect_sheet(sheet, data)
    readable = not faults
    if data.source == "files" and look_at_files:
        faults = faults + _check_own_files(samples, sheet, data, place)
    if readable:
        try:
            make_splits(samples, split, sheet=sheet, column=data.group_by, place=place, needed=needed)
        except ConfigurationError as error:
            faults = faults + list(error.faults)
    return faults


def _check_own_files(samples: Sequence[Sample], sheet: Path, data: Data, place: Place) -> list[Fault]:
    """Look for the folder of the user's own files, and at the header of each."""
    root = sheet_root(sheet, data)
    if samples and not root.is_dir():
        expected = f"the folder that the paths in {sheet} start from"
        return [Fault(place(("data", "root")), f"'{root}', which is no folder", expected)]
    return check_files(resolve(samples, root), sheet, data)


def digest(parts: Parts) -> str:
    """A hash of a split, independent of the order of samples."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _by_column(samples: Sequence[Sample], sheet: Path) -> Parts:
    raise_faults(
        [
            Fault(f"{sheet}:{s.row} part", "nothing", "train, val or test (split.kind is 'column')")
            for s in samples
            if not s.part
        ]
    )
    return {sample.sample: sample.part for sample in samples}


def _random(samples: Sequence[Sample], split: Split, sheet: Path, *, by_sample: bool, place: Place) -> Parts:
    """Draw whole units, or samples where a published split did."""
    of_sample = {s.sample: s.sample if by_sample else s.unit for s in samples}
    units = sorted(set(of_sample.values()))
    wanted = sum(split.sizes.values())
    if wanted != len(units):
        what = "samples" if by_sample else "units"
        expected = f"{len(units)}, the number of {what} in {sheet}"
        raise ConfigurationError([Fault(place(("split", "sizes")), f"a sum of {wanted}", expected)])
    random.Random(split.seed).shuffle(units)
    parts = [part for part in PARTS for _ in range(split.sizes.get(part, 0))]
    of_unit = dict(zip(units, parts, strict=True))
    return {sample: of_unit[unit] for sample, unit in of_sample.items()}


def _folds(
    samples: Sequence[Sample], split: Split, sheet: Path, *, by_sample: bool, place: Place
) -> dict[str, Parts]:
    """K test folds of whole units; a share of the other units validates."""
    of_sample = {s.sample: s.sample if by_sample else s.unit for s in samples}
    units = sorted(set(of_sample.values()))
    if split.k < 2 or len(units) < split.k or split.k * (len(units) - NOT_TESTED) < len(units):
        few = "; 2 folds need 4 units" if split.k == 2 else ""
        expected = f"2 or more, and at most {len(units)}, the number of units in {sheet}{few}"
        raise ConfigurationError([Fault(place(("split", "k")), str(split.k), expected)])
    order = random.Random(split.seed)
    order.shuffle(units)
    strata = {s.sample: s.group if split.stratify else "" for s in samples}
    fold_of = balanced_folds(units, [(of_sample[name], stratum) for name, stratum in strata.items()], split.k)
    splits = {}
    for number in range(split.k):
        rest = [unit for unit in units if fold_of[unit] != number]
        share = min(max(1, round(split.validation * len(rest))), len(rest) - 1)
        validating = set(order.sample(rest, share))
        splits[f"fold-{number}"] = {
            name: "test" if fold_of[unit] == number else "val" if unit in validating else "train"
            for name, unit in of_sample.items()
        }
    return splits


def balanced_folds(units: Sequence[str], members: Sequence[tuple[str, str]], k: int) -> dict[str, int]:
    """Deal whole units to folds so that each stratum is spread evenly; large units are dealt first.

    Args:
        units: Unit names, in the order in which equal ones are dealt.
        members: The unit and the stratum of each sample.
        k: Number of folds, at most that of units.

    Returns:
        The fold of each unit; every fold has one unit at least, and leaves two where that can be.

    Example:
        >>> balanced_folds(["a", "b", "c"], [("a", ""), ("a", ""), ("b", ""), ("c", "")], 2)
        {'a': 0, 'b': 1, 'c': 1}
    """
    counts = {unit: Counter[str]() for unit in units}
    for unit, stratum in members:
        counts[unit][stratum] += 1
    totals = Counter(stratum for _, stratum in members)
    held = [Counter[str]() for _ in range(k)]
    folds: dict[str, int] = {}
    sizes = [0] * k
    for dealt, unit in enumerate(sorted(units, key=lambda name: -counts[name].total())):
        empty = [fold for fold in range(k) if not held[fold]]
        free = [fold for fold in range(k) if sizes[fold] < len(units) - NOT_TESTED]
        choice = empty if len(empty) >= len(units) - dealt else free
        folds[unit] = min(choice or range(k), key=lambda fold: _unevenness(held, fold, counts[unit], totals))
        held[folds[unit]].update(counts[unit])
        sizes[folds[unit]] += 1
    return {unit: folds[unit] for unit in units}


def _unevenness(
    held: Sequence[Counter[str]], fold: int, added: Counter[str], totals: Counter[str]
) -> tuple[float, int, int]:
    """How uneven the strata become by giving a unit to a fold; then the fold's size, then its number."""
    growth = sum(((held[fold][s] + n) ** 2 - held[fold][s] ** 2) / totals[s] ** 2 for s, n in added.items())
    return growth, held[fold].total(), fold


def _check_complete(parts: Parts, needed: Sequence[str], sheet: Path) -> list[Fault]:
    expected = f"at least one in each of {', '.join(needed[:-1])} and {needed[-1]}"
    absent = [part for part in needed if part not in parts.values()]
    return [Fault(str(sheet), f"no sample in part '{part}'", expected) for part in absent]


def batches(names: Sequence[str], splits: dict[str, Parts], size: int) -> dict[str, list[str]]:
    """Group samples into jobs of at most `size`, so that a job holds samples of one part only.

    A sample added to the test part then leaves the training batches, and so the training, untouched.

    Args:
        names: Sample names in the sheet's order.
        splits: The parts of each split.
        size: Most samples of a batch.

    Returns:
        Batch name to sample names.

    Example:
        >>> batches(["a", "b", "c"], {"main": {"a": "train", "b": "train", "c": "test"}}, 1)
        {'train-0': ['a'], 'train-1': ['b'], 'test-0': ['c']}
    """
    classes: dict[str, list[str]] = {}
    for name in names:
        parts = [split[name] for split in splits.values()]
        folds = [key.replace("fold-", "fold") for key, split in splits.items() if split[name] == "test"]
        classes.setdefault(parts[0] if len(parts) == 1 else folds[0], []).append(name)
    return {
        f"{key}-{start // size}": members[start : start + size]
        for key, members in classes.items()
        for start in range(0, len(members), size)
    }
