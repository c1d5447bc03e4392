# SPDX-License-Identifier: MIT
"""MED-Net's losses as training computes them, against NumPy: whole batches, and batches of two processes."""

import json

import numpy as np
import pytest
import torch

from microtome.training.launch import launch
from tests.losses import shared_batches
from tests.losses.shared_batches import CASES, REDUCTIONS, SIDE, WINDOWS, batch, computed
from tests.reference import mdsc_tv as oracle

CLOSE = 1e-6
PUBLISHED_WINDOWS = 48


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    """What two processes find, with three windows and two."""
    result = tmp_path_factory.mktemp("losses") / "result.json"
    launch(shared_batches.MODULE, {"result": str(result)}, processes=2, threads=1)
    return json.loads(result.read_text(encoding="utf-8"))


@pytest.fixture(params=["whole", "two processes"])
def found(request, case):
    """A case computed by one process or by two."""
    return computed(case) if request.param == "whole" else request.getfixturevalue("of_two")[case]


def expected(case, windows=WINDOWS):
    """Terms of each level and the gradient, in float64."""
    given = [part.numpy() for part in batch(windows)]
    chosen = CASES[case]
    options = {"complements": chosen["name"] == "mdsc_tv"}
    weight = chosen.get("tv_weight", 1e-6 if chosen["name"] == "mdsc_tv" else 0)
    weight *= PUBLISHED_WINDOWS / windows if chosen.get("tv") == "windows" else 1
    terms, gradient = [], np.zeros(given[0].shape)
    for side in REDUCTIONS if case == "levels" else (1,):
        logits, target, valid = reduced(*given, side)
        paired = valid if chosen.get("tv_pixels") == "labelled" else None
        dice = oracle.mdsc(logits, target, valid, **options)
        terms.append((dice, weight * oracle.total_variation(logits, paired)))
        slopes = oracle.gradient(logits, target, valid, tv_weight=weight, tv_valid=paired, **options)
        gradient += slopes.repeat(side, 2).repeat(side, 3) / side**2
    return terms, gradient


def reduced(logits, target, valid, side):
    """Means of logits, labels in the middle of squares."""
    if side == 1:
        return np.float64(logits), target, valid
    squares = np.float64(logits).reshape(*logits.shape[:2], SIDE // side, side, SIDE // side, side)
    middle = (slice(None), slice(side // 2, None, side), slice(side // 2, None, side))
    return squares.mean((3, 5)), target[middle], valid[middle]


@pytest.mark.parametrize("case", CASES)
def test_values_terms_and_gradients_are_those_of_numpy(case, found):
    terms, gradient = expected(case)
    assert found["value"] == pytest.approx(sum(map(sum, terms)), rel=CLOSE)
    first = "mdsc" if CASES[case]["name"] == "mdsc_tv" else "dice"
    own = {name: value for name, value in found["terms"].items() if not name.startswith("level")}
    wanted = dict(zip((first, "tv"), terms[-1], strict=True))
    assert own == pytest.approx({name: wanted[name] for name in own}, rel=CLOSE)
    assert ("tv" in own) == (terms[-1][1] > 0)
    assert np.abs(np.array(found["gradient"]) - gradient).max() <= CLOSE * np.abs(gradient).max()


def test_terms_of_every_level_are_told():
    terms, _ = expected("levels")
    told = computed("levels")["terms"]
    for number, (dice, variation) in enumerate(terms):
        assert told[f"level_{number}_mdsc"] == pytest.approx(dice, rel=CLOSE)
        assert told[f"level_{number}_tv"] == pytest.approx(variation, rel=CLOSE)
        assert told[f"level_{number}_loss"] == pytest.approx(dice + variation, rel=CLOSE)


def test_the_oracle_gradient_is_the_slope_of_the_oracle():
    """Central differences of the value, so that the derivation by hand is checked, too."""
    logits, target, valid = (part.numpy() for part in batch(1))
    logits, step = np.float64(logits), 1e-6
    found = oracle.gradient(logits, target, valid, tv_weight=0.01)
    for place in [(0, 0, 0, 0), (0, 2, 3, 4), (0, 3, 7, 7), (0, 1, 5, 0)]:
        values = []
        for sign in (1, -1):
            moved = logits.copy()
            moved[place] += sign * step
            values.append(oracle.mdsc(moved, target, valid) + 0.01 * oracle.total_variation(moved))
        assert found[place] == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("case", ["published", "dice and variation"])
def test_ignored_pixels_have_gradient_of_the_variation_alone(case):
    _, _, valid = batch()
    wide = (~valid).unsqueeze(1).expand(-1, 4, -1, -1).numpy()
    given = [part.numpy() for part in batch()]
    weight = CASES[case].get("tv_weight", 1e-6)
    alone = oracle.gradient(given[0], given[1], np.zeros_like(given[2]), tv_weight=weight)
    gradient = np.array(computed(case)["gradient"])
    assert np.abs((gradient - alone)[wide]).max() <= CLOSE * np.abs(alone).max()
    assert (gradient[wide] != 0).mean() > 0.9


def test_labels_of_ignored_pixels_never_matter(monkeypatch):
    logits, target, valid = batch()
    before = {case: computed(case) for case in CASES}
    for other in (0, 3, 250):
        monkeypatch.setattr(
            shared_batches, "batch", lambda _, o=other: (logits.clone(), torch.where(valid, target, o), valid)
        )
        assert {case: computed(case) for case in CASES} == before


def test_half_of_the_batch_has_half_of_the_variation():
    """As published, a sum over the batch; by windows it has the weight of 48, however many there are."""
    for case, share in (("variation", 0.5), ("by windows", 1.0)):
        (whole,), (half,) = (expected(case, windows)[0] for windows in (4, 2))
        few, many = (computed(case, windows=windows)["terms"]["tv"] for windows in (2, 4))
        assert (few, many) == (pytest.approx(half[1], rel=CLOSE), pytest.approx(whole[1], rel=CLOSE))
        assert few / many == pytest.approx(share, rel=0.1)
