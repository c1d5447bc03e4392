# SPDX-License-Identifier: MIT
"""Folds whose training and test sets have the same share of each class; no patient in two parts."""

import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.config.phantoms.mosaics import MosaicPhantomData
from microtome.config.study import Data, Split
from microtome.study.balance import balanced_parts
from microtome.study.load import inspect_data
from microtome.study.sample import PARTS, Sample
from microtome.study.sheet import phantom_sheet
from microtome.study.splits import make_splits
from tests.splits.two_splits import CLASSES, rows, text

POINT = 0.01
"""What is published: the shares agree within 1 %."""
DEALS = 1000
CLINICS = Split(kind="column", column="scenario_2")
PUBLISHED = ("background", "artifact", "meshwork", "nest", "ring", "aspecific")


def _folds(k: int) -> Split:
    return Split(kind="folds", k=k, stratify="pixels", validation=0.125)


def _split(
    samples: Sequence[Sample], split: Split, classes: Sequence[str] = PUBLISHED
) -> list[dict[str, str]]:
    made = make_splits(samples, split, sheet=Path("s.tsv"), column="patient", name="x", classes=classes)
    return list(made.values())


def _worst(pixels: np.ndarray, parts: np.ndarray) -> float:
    """The largest difference between shares in training and in test.

    `pixels` are (samples, classes), `parts` the places in `PARTS` of the samples, (folds, samples).
    """
    held = [(parts == PARTS.index(part)).astype(np.int64) @ pixels for part in ("train", "test")]
    shares = [counts / counts.sum(1, keepdims=True) for counts in held]
    return float(np.abs(shares[0] - shares[1]).max())


def _places(folds: Iterable[Mapping[str, str]], names: Sequence[str]) -> np.ndarray:
    return np.array([[PARTS.index(fold[name]) for name in names] for fold in folds])


def _random_deal(units: Sequence[str], k: int, draw: np.random.Generator) -> np.ndarray:
    """Units dealt evenly to test folds, an eighth of the others validating, as places in `PARTS`."""
    names = sorted(set(units))
    order, of = draw.permutation(len(names)), np.array([names.index(unit) for unit in units])
    folds = np.zeros((k, len(names)), int)
    for fold, test in enumerate(np.array_split(order, k)):
        rest = draw.permutation(np.setdiff1d(order, test))
        folds[fold, test] = PARTS.index("test")
        folds[fold, rest[: max(1, round(len(rest) / 8))]] = PARTS.index("val")
    return folds[:, of]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("mosaics", "k"), [((8, 4, 8), 5), ((4, 2, 4), 2), ((60, 26, 31), 5)])
def test_class_shares_agree_within_a_point_or_as_the_best_of_many_deals(
    mosaics: tuple[int, int, int], k: int, seed: int
) -> None:
    phantom = MosaicPhantomData(seed=seed, size=128, mosaics=dict(zip(PARTS, mosaics, strict=True)))
    samples = phantom_sheet(phantom, ["scenario_2"])
    pixels = np.array([[one.pixels[name] for name in PUBLISHED] for one in samples])
    found = _worst(pixels, _places(_split(samples, _folds(k)), [one.sample for one in samples]))
    draw, units = np.random.default_rng(seed), [one.unit for one in samples]
    best = min(_worst(pixels, _random_deal(units, k, draw)) for _ in range(DEALS))
    assert found <= max(POINT, best), f"{found:.4f}, where the best of {DEALS} deals has {best:.4f}"


@pytest.mark.parametrize("split", [_folds(5), _folds(2), CLINICS])
def test_no_patient_is_in_two_parts(split: Split) -> None:
    samples = phantom_sheet(MosaicPhantomData(size=128), ["scenario_2"])
    for fold in _split(samples, split):
        of: dict[str, set[str]] = {}
        for one in samples:
            of.setdefault(one.unit, set()).add(fold[one.sample])
        assert all(len(parts) == 1 for parts in of.values())
        assert set(fold.values()) == set(PARTS)


def test_published_parts_are_about_70_10_and_20_percent_of_the_labelled_pixels() -> None:
    weights = {row["patient"]: [int(row[f"pixels_{name}"]) for name in CLASSES] for row in rows(117)}
    whole = sum(map(sum, weights.values()))
    for fold in balanced_parts(weights, k=5, validation=0.125):
        sizes = {
            part: sum(sum(weights[u]) for u, own in fold.items() if own == part) / whole for part in PARTS
        }
        assert sizes == pytest.approx({"train": 0.7, "val": 0.1, "test": 0.2}, abs=0.05)


weights = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=4),
    st.tuples(st.integers(0, 9999), st.integers(0, 9999)),
    min_size=6,
    max_size=14,
)


@settings(deadline=None, max_examples=15)
@given(weights, st.integers(2, 4), st.floats(0.05, 0.6), st.randoms(use_true_random=False))
def test_every_unit_is_tested_once_and_no_part_is_empty(
    found: dict[str, tuple[int, int]], k: int, validation: float, order: random.Random
) -> None:
    folds = balanced_parts(found, k=k, validation=validation)
    assert len(folds) == k
    for fold in folds:
        assert fold.keys() == found.keys()
        assert set(fold.values()) == set(PARTS)
    assert all([fold[unit] for fold in folds].count("test") == 1 for unit in found)
    shuffled = list(found.items())
    order.shuffle(shuffled)
    assert balanced_parts(dict(shuffled), k=k, validation=validation) == folds


def test_units_without_labelled_pixels_are_spread_over_the_folds() -> None:
    counts = {f"p{n}": (n, 20 - n) for n in range(4)} | {f"empty{n}": (0, 0) for n in range(12)}
    folds = balanced_parts(counts, k=4, validation=0.2)
    assert [list(fold.values()).count("test") for fold in folds] == [4, 4, 4, 4]


def test_seeds_give_other_deals() -> None:
    counts = {f"p{n}": (n, 20 - n) for n in range(20)}
    deals = [balanced_parts(counts, k=4, validation=0.2, seed=seed) for seed in (0, 0, 1)]
    assert deals[0] == deals[1] != deals[2]


def _faults(listed: Sequence[dict[str, str]], ways: Mapping[str, Split], folder: Path) -> str:
    sheet = folder / "s.tsv"
    sheet.write_text(text(listed), encoding="utf-8")
    data = Data(source="files", samples=str(sheet), classes=list(CLASSES))
    return "\n".join(map(str, inspect_data(data, ways, sheet=sheet, look_at_files=False).faults))


WAYS = {"patients": _folds(2), "clinics": CLINICS}


def _changed(row: int, **cells: str) -> list[dict[str, str]]:
    listed = rows()
    listed[row] |= cells
    return listed


def _without(column: str) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name != column} for row in rows()]


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (
            _changed(1, patient="p0"),
            "s.tsv:3 scenario_2: found patient 'p0' in 'val', but in 'train' in row 2; expected each patient",
        ),
        (_changed(1, patient="P 00"), "patient 'P 00' in 'val', but 'p0' in 'train' in row 2"),
        (_changed(4, scenario_2="Val"), "s.tsv:6 scenario_2: found 'Val'; expected train, val, test"),
        (
            _changed(4, scenario_2=""),
            "s.tsv:6 scenario_2: found nothing; expected train, val or test (spli",
        ),
        (
            _without("scenario_2"),
            "s.tsv:1: found no column 'scenario_2', by which samples are divided; exp",
        ),
        (
            _without("pixels_nest"),
            "s.tsv:1 pixels_nest: found no such column, or an empty one; expected the",
        ),
        (_changed(2, pixels_nest=""), "s.tsv:4 pixels_nest: found nothing; expected the labelled pixels"),
        (_changed(2, pixels_nest="1e3"), "s.tsv:4 pixels_nest: found '1e3'; expected a whole number"),
        (_changed(2, pixels_nest="-1"), "s.tsv:4 pixels_nest: found '-1'; expected a whole number"),
        (
            [row | {"pixels_nst": "1"} for row in rows()],
            "unknown column 'pixels_nst'; expected 'pixels_nest'",
        ),
        (
            [row | {"scenario_2": "train" if row["scenario_2"] == "test" else "val"} for row in rows()],
            "s.tsv: found no sample in part 'test' of split 'clinics'; expected at least one in each of",
        ),
    ],
)
def test_faults_are_named_by_row_and_column(
    listed: list[dict[str, str]], expected: str, tmp_path: Path
) -> None:
    assert expected in _faults(listed, WAYS, tmp_path)


def test_a_sheet_without_faults_has_none(tmp_path: Path) -> None:
    assert _faults(rows(), WAYS, tmp_path) == ""
