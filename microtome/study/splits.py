# SPDX-License-Identifier: MIT
"""Splits: which sample is trained on, validated on, tested on. Units (patients, blocks) stay whole."""

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from microtome.config.study import ALL, MAIN, Split
from microtome.faults import ConfigurationError, Fault, raise_faults
from microtome.study.balance import NOT_TESTED, balanced_parts, spread
from microtome.study.sample import BY_SAMPLE, PARTS, PIXELS, Parts, Sample

Place = Callable[[tuple[str, ...]], str]
"""Says where an option stands, for messages; by itself, by its keys alone."""
LABELLED_PARTS = frozenset({"train", "val"})
"""Parts that a run learns from."""
LEADING_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
WHOLE_WITH_POINT = re.compile(r"(\d+)\.0+")
"""What a column of numbers with an empty cell becomes: 7.0."""
COUNT = "python -m microtome count"
"""The command that fills the columns of labelled pixels."""


def split_names(split: Split, name: str = "") -> tuple[str, ...]:
    """The names of the splits that one way to divide gives.

    Args:
        split: How samples are divided.
        name: Its name in the study's `splits`; empty: it is the study's `split`.

    Example:
        >>> split_names(Split()), split_names(Split(kind="folds", k=2))
        (('main',), ('fold-0', 'fold-1'))
        >>> split_names(Split(), "clinics"), split_names(Split(kind="folds", k=2), "patients")
        (('clinics',), ('patients-0', 'patients-1'))
    """
    if split.kind != "folds":
        return (name or MAIN,)
    return tuple(f"{name or 'fold'}-{number}" for number in range(split.k))


def make_splits(
    samples: Sequence[Sample],
    split: Split,
    *,
    sheet: Path,
    column: str,
    place: Place = ".".join,
    needed: Sequence[str] = PARTS,
    name: str = "",
    classes: Sequence[str] = (),
) -> dict[str, Parts]:
    """Divide the samples.

    Args:
        samples: The study's samples.
        split: How to divide.
        sheet: The sample sheet, for messages.
        column: What must stay whole (`data.group_by`), for messages.
        place: Says where an option stands, for messages.
        needed: Parts that may not be empty (see `Study.parts_needed_by`).
        name: The name in the study's `splits`; empty: it is the study's `split`.
        classes: Names of the classes, by whose labelled pixels folds may be balanced.

    Returns:
        For each split by name (`split_names`) the part of each sample.

    Raises:
        ConfigurationError: A part is missing or empty, sizes do not add up, a unit sits in two parts, a
            sample that is learnt from has no label, or the sheet does not say the labelled pixels.

    Example:
        >>> sheet = [Sample(str(n), f"{n}.png", f"{n}-label.png", unit=str(n)) for n in range(5)]
        >>> split = Split(kind="random", sizes={"train": 3, "val": 1, "test": 1})
        >>> sorted(make_splits(sheet, split, sheet=Path("s.tsv"), column="block")["main"].values())
        ['test', 'train', 'train', 'train', 'val']
    """
    names, of = split_names(split, name), split.column if split.kind == "column" else "part"
    if split.kind == "none":
        return {names[0]: {s.sample: s.part or PARTS[-1] for s in samples}}
    by_sample = split.group_by == BY_SAMPLE
    keys = ("splits", name) if name else ("split",)
    dealt = _dealt(samples, split, sheet, keys, place, classes)
    faults: list[Fault] = []
    for parts in dealt:
        faults += _check_complete(parts, needed, sheet, name) + check_labels(parts, samples, sheet)
        if not by_sample:
            faults += check_parts(parts, samples, sheet, column, of)
            faults += check_spellings(parts, samples, sheet, column)
    raise_faults(list(dict.fromkeys(faults)))
    return dict(zip(names, dealt, strict=True))


def _dealt(
    samples: Sequence[Sample],
    split: Split,
    sheet: Path,
    keys: tuple[str, ...],
    place: Place,
    classes: Sequence[str],
) -> list[Parts]:
    """The part of each sample in each split; `keys` say where the options stand in the study."""
    by_sample = split.group_by == BY_SAMPLE
    units = {s.sample: s.sample if by_sample else s.unit for s in samples}
    if split.kind == ALL:
        return [{s.sample: "train" if s.label else "test" for s in samples}]
    if split.kind == "column":
        return [_by_column(samples, sheet, split.column, keys)]
    if split.kind == "random":
        return [_random(units, split, sheet, lambda at: place((*keys, *at)))]
    _check_folds(sorted(set(units.values())), split, sheet, lambda at: place((*keys, *at)))
    if split.stratify == "pixels":
        return _folds_by_pixels(units, samples, split, sheet, classes)
    return _folds(units, {s.sample: s.group if split.stratify else "" for s in samples}, split)


def check_parts(
    parts: dict[str, str], samples: Iterable[Sample], sheet: Path, column: str, of: str = "part"
) -> list[Fault]:
    """Refuse a unit (the patient, block or volume in `column`) that sits in two parts (column `of`)."""
    first: dict[str, Sample] = {}
    faults = []
    for sample in samples:
        other = first.setdefault(sample.unit, sample)
        here, there = parts[sample.sample], parts[other.sample]
        if here != there:
            found = f"{column} '{sample.unit}' in '{here}', but in '{there}' in row {other.row}"
            expected = f"each {column} in one part only, or scores are optimistic"
            faults.append(Fault(f"{sheet}:{sample.row} {of}", found, expected))
    return faults


def check_spellings(parts: Parts, samples: Iterable[Sample], sheet: Path, column: str) -> list[Fault]:
    """Refuse units in two parts that a spreadsheet may have made of one: P1 and p1, 007 and 7."""
    first: dict[str, Sample] = {}
    faults = []
    for sample in samples:
        other = first.setdefault(_spelling(sample.unit), sample)
        here, there = parts[sample.sample], parts[other.sample]
        if here != there and sample.unit != other.unit:
            found = (
                f"{column} '{sample.unit}' in '{here}', but '{other.unit}' in '{there}' in row {other.row}"
            )
            if unicodedata.normalize("NFKC", sample.unit) == unicodedata.normalize("NFKC", other.unit):
                found += f" (which look alike, but are {sample.unit!a} and {other.unit!a})"
            expected = f"one spelling if they are one {column}, or names that differ by more"
            faults.append(Fault(f"{sheet}:{sample.row} {column}", found, expected))
    return faults


def _spelling(unit: str) -> str:
    """A name without what spreadsheets and people change: capitals, spaces, zeros before and behind numbers.

    Example:
        >>> _spelling("P 007") == _spelling("p7"), _spelling("10") == _spelling("1")
        (True, False)
        >>> _spelling("7.0") == _spelling("7"), _spelling("7.10") == _spelling("7.1")
        (True, False)
    """
    text = "".join(unicodedata.normalize("NFKC", unit).casefold().split())
    whole = WHOLE_WITH_POINT.fullmatch(text)
    return LEADING_ZEROS.sub("", whole[1] if whole else text)


def check_labels(parts: dict[str, str], samples: Sequence[Sample], sheet: Path) -> list[Fault]:
    """Refuse a sample without a label where one is learnt from.

    One label of `val` has to be there; what has only a weak one there serves to choose by.
    """
    validates = any(sample.label for sample in samples if parts[sample.sample] == "val")
    return [
        Fault(
            f"{sheet}:{sample.row} label",
            f"nothing, for a sample of part '{parts[sample.sample]}'",
            "the path of its label; only samples of part 'test' may go without",
        )
        for sample in samples
        if sample.label is None
        and parts[sample.sample] in LABELLED_PARTS
        and not (sample.is_weak and validates and parts[sample.sample] == "val")
    ]


def _by_column(samples: Sequence[Sample], sheet: Path, column: str, keys: tuple[str, ...]) -> Parts:
    expected = f"train, val or test ({'.'.join(keys)}.kind is 'column')"
    parts = {sample.sample: sample.cell(column) or "" for sample in samples}
    without = [s for s in samples if not parts[s.sample]]
    raise_faults([Fault(f"{sheet}:{s.row} {column}", "nothing", expected) for s in without])
    return parts


def _random(unit_of: Mapping[str, str], split: Split, sheet: Path, place: Place) -> Parts:
    """Draw whole units, or samples where a published split did."""
    units = sorted(set(unit_of.values()))
    wanted = sum(split.sizes.values())
    if wanted != len(units):
        what = "samples" if split.group_by == BY_SAMPLE else "units"
        expected = f"{len(units)}, the number of {what} in {sheet}"
        raise ConfigurationError([Fault(place(("sizes",)), f"a sum of {wanted}", expected)])
    random.Random(split.seed).shuffle(units)
    parts = [part for part in PARTS for _ in range(split.sizes.get(part, 0))]
    of_unit = dict(zip(units, parts, strict=True))
    return {sample: of_unit[unit] for sample, unit in unit_of.items()}


def _check_folds(units: Sequence[str], split: Split, sheet: Path, place: Place) -> None:
    """Refuse a number of folds that the units do not allow."""
    if split.k < 2 or len(units) < split.k or split.k * (len(units) - NOT_TESTED) < len(units):
        few = "; 2 folds need 4 units" if split.k == 2 else ""
        expected = f"2 or more, and at most {len(units)}, the number of units in {sheet}{few}"
        raise ConfigurationError([Fault(place(("k",)), str(split.k), expected)])


def _folds(unit_of: Mapping[str, str], strata: Mapping[str, str], split: Split) -> list[Parts]:
    """K test folds of whole units; a share of the other units validates."""
    units = sorted(set(unit_of.values()))
    order = random.Random(split.seed)
    order.shuffle(units)
    fold_of = balanced_folds(units, [(unit_of[name], stratum) for name, stratum in strata.items()], split.k)
    splits = []
    for number in range(split.k):
        rest = [unit for unit in units if fold_of[unit] != number]
        share = min(max(1, round(split.validation * len(rest))), len(rest) - 1)
        validating = set(order.sample(rest, share))
        parts = {
            name: "test" if fold_of[unit] == number else "val" if unit in validating else "train"
            for name, unit in unit_of.items()
        }
        splits.append(parts)
    return splits


def _folds_by_pixels(
    unit_of: Mapping[str, str],
    samples: Sequence[Sample],
    split: Split,
    sheet: Path,
    classes: Sequence[str],
) -> list[Parts]:
    """Folds of whole units that have the same share of each class in training and in test."""
    raise_faults(_check_counts(samples, sheet, classes))
    weights = {unit: [0] * len(classes) for unit in unit_of.values()}
    for sample in samples:
        held = weights[unit_of[sample.sample]]
        for number, name in enumerate(classes):
            held[number] += sample.pixels.get(name, 0)
    folds = balanced_parts(weights, k=split.k, validation=split.validation, seed=split.seed)
    return [{name: fold[unit] for name, unit in unit_of.items()} for fold in folds]


def _check_counts(samples: Sequence[Sample], sheet: Path, classes: Sequence[str]) -> list[Fault]:
    """Labelled samples of which the sheet does not say the labelled pixels of each class."""
    expected = f"the labelled pixels of the class, by which folds are balanced; `{COUNT} {sheet}` fills it"
    labelled = [sample for sample in samples if sample.label]
    columns = [name for name in classes if any(name in sample.pixels for sample in labelled)]
    faults = [
        Fault(f"{sheet}:1 {PIXELS}{name}", "no such column, or an empty one", expected)
        for name in classes
        if name not in columns
    ]
    faults += [
        Fault(f"{sheet}:{sample.row} {PIXELS}{name}", "nothing", expected)
        for sample in labelled
        for name in columns
        if name not in sample.pixels
    ]
    return faults


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
    return spread(units, counts, k)


def _check_complete(parts: Parts, needed: Sequence[str], sheet: Path, name: str) -> list[Fault]:
    each = f"each of {', '.join(needed[:-1])} and {needed[-1]}" if len(needed) > 1 else needed[0]
    expected = f"at least one in {each}"
    of = f" of split '{name}'" if name else ""
    absent = [part for part in needed if part not in parts.values()]
    return [Fault(str(sheet), f"no sample in part '{part}'{of}", expected) for part in absent]


def batches(
    names: Sequence[str],
    splits: dict[str, Parts],
    size: int,
    *,
    weak: Collection[str] = (),
    of: str = "",
) -> dict[str, list[str]]:
    """Group samples into jobs of at most `size`, so that a job holds samples of one part only.

    A sample added to the test part then leaves the training batches, and so the training, untouched; so does
    one added to another part without a label to learn from, which is one of the `weak`. Each of a study's
    several `splits` (named by `of`) has batches of its own, so that a change of one leaves the others alone.

    Args:
        names: The samples.
        splits: The part of each sample: in one split, or in each of several folds.
        size: Samples of a batch, at most.
        weak: Samples without a label to learn from.
        of: What the names of the batches begin with.

    Returns:
        Batch name to sample names, in the sheet's order as the names are.

    Example:
        >>> batches(["a", "b", "c"], {"main": {"a": "train", "b": "train", "c": "test"}}, 1)
        {'train-0': ['a'], 'train-1': ['b'], 'test-0': ['c']}
        >>> batches(["a", "b"], {"main": {"a": "val", "b": "val"}}, 2, weak={"b"})
        {'val-0': ['a'], 'weakval-0': ['b']}
        >>> folds = {"patients-0": {"a": "test", "b": "train"}, "patients-1": {"a": "train", "b": "test"}}
        >>> batches(["a", "b"], folds, 8, of="patients")
        {'patientsfold0-0': ['a'], 'patientsfold1-0': ['b']}
    """
    classes: dict[str, list[str]] = {}
    for name in names:
        parts = [split[name] for split in splits.values()]
        key = of + (parts[0] if len(parts) == 1 else f"fold{parts.index('test')}")
        learnt = name not in weak or parts == ["test"]
        classes.setdefault(key if learnt else f"weak{key}", []).append(name)
    return {
        f"{key}-{start // size}": members[start : start + size]
        for key, members in classes.items()
        for start in range(0, len(members), size)
    }
