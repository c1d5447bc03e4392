# SPDX-License-Identifier: MIT
"""Splits: which sample is trained on, validated on, tested on. Units (patients, blocks) stay whole."""

import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path

from microtome.config.base import ConfigurationError, Fault, raise_faults
from microtome.config.study import Split
from microtome.samples import PARTS, Sample, check_parts

Parts = dict[str, str]


def make_splits(samples: Sequence[Sample], split: Split, *, sheet: Path, column: str) -> dict[str, Parts]:
    """Divide the samples.

    Args:
        samples: The study's samples.
        split: How to divide.
        sheet: The sample sheet, for messages.
        column: What must stay whole (`data.group_by`), for messages.

    Returns:
        For each split by name (`main`, or `fold-0`…) the part of each sample.

    Raises:
        ConfigurationError: A part is missing or empty, sizes do not add up, or a unit sits in two parts.

    Example:
        >>> sheet = [Sample(str(n), f"{n}.png", unit=str(n)) for n in range(5)]
        >>> split = Split(kind="random", sizes={"train": 3, "val": 1, "test": 1})
        >>> sorted(make_splits(sheet, split, sheet=Path("s.tsv"), column="block")["main"].values())
        ['test', 'train', 'train', 'train', 'val']
    """
    by_sample = split.group_by == "sample"
    if split.kind == "column":
        splits = {"main": _by_column(samples, sheet)}
    elif split.kind == "random":
        splits = {"main": _random(samples, split, sheet, by_sample=by_sample)}
    else:
        splits = _folds(samples, split)
    for parts in splits.values():
        raise_faults(_check_complete(parts, sheet))
        if not by_sample:
            raise_faults(check_parts(parts, samples, sheet, column))
    return splits


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


def _random(samples: Sequence[Sample], split: Split, sheet: Path, *, by_sample: bool) -> Parts:
    """Draw whole units, or samples where a published split did."""
    name = (lambda s: s.sample) if by_sample else (lambda s: s.unit)
    units = sorted({name(sample) for sample in samples})
    wanted = sum(split.sizes.values())
    if wanted != len(units):
        what = "samples" if by_sample else "units"
        raise ConfigurationError(
            [Fault("split.sizes", f"a sum of {wanted}", f"{len(units)}, the number of {what} in {sheet}")]
        )
    random.Random(split.seed).shuffle(units)
    parts = [part for part in PARTS for _ in range(split.sizes.get(part, 0))]
    of_unit = dict(zip(units, parts, strict=True))
    return {sample.sample: of_unit[name(sample)] for sample in samples}


def _folds(samples: Sequence[Sample], split: Split) -> dict[str, Parts]:
    """K test folds of whole units; a share of the other units validates."""
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    units = [sample.unit for sample in samples]
    strata = [sample.group if split.stratify else "" for sample in samples]
    if len(set(units)) < split.k:
        raise ConfigurationError(
            [Fault("split.k", str(split.k), f"at most {len(set(units))}, the number of units")]
        )
    folds = StratifiedGroupKFold(split.k, shuffle=True, random_state=split.seed)
    splits = {}
    for number, (rest, test) in enumerate(folds.split(units, strata, units)):
        inner = GroupShuffleSplit(1, test_size=split.validation, random_state=split.seed + number)
        _, validation = next(inner.split(rest, groups=[units[i] for i in rest]))
        held = {int(i): "test" for i in test} | {int(rest[i]): "val" for i in validation}
        splits[f"fold-{number}"] = {sample.sample: held.get(i, "train") for i, sample in enumerate(samples)}
    return splits


def _check_complete(parts: Parts, sheet: Path) -> list[Fault]:
    absent = [part for part in PARTS if part not in parts.values()]
    return [
        Fault(str(sheet), f"no sample in part '{part}'", "at least one in each of train, val and test")
        for part in absent
    ]


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
