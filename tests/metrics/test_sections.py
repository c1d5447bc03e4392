# SPDX-License-Identifier: MIT
"""Rates of called sections against scikit-learn, intervals against SciPy, the test against the binomial."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap
from sklearn import metrics as reference

from microtome.metrics.families import sections as family
from microtome.metrics.sections import counts_by, interval, outcomes, pooled, rates

NAMES = np.array(["normal", "tumor"])
CASES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from("abc")), min_size=1)


def frame_of(cases):
    truth, call, unit = zip(*cases, strict=True)
    return pd.DataFrame({"label": NAMES[list(truth)], "call": NAMES[list(call)], "unit": unit})


@settings(deadline=None, max_examples=50)
@given(CASES)
def test_rates_are_those_of_scikit_learn(cases):
    frame = frame_of(cases)
    truth, call = frame["label"] == "tumor", frame["call"] == "tumor"
    counts = counts_by(frame, "tumor")
    given = {"y_true": truth, "y_pred": call, "zero_division": np.nan}
    expected = {
        "accuracy": reference.accuracy_score(truth, call),
        "sensitivity": reference.recall_score(**given),
        "specificity": reference.recall_score(**given, pos_label=False),
        "precision": reference.precision_score(**given),
        "f1.5": reference.fbeta_score(**given, beta=1.5),
    }
    for name, value in expected.items():
        assert pooled(counts, name) == pytest.approx(value, nan_ok=True), name


@settings(deadline=None, max_examples=25)
@given(CASES)
def test_counts_of_patients_add_up(cases):
    frame = frame_of(cases)
    counts = counts_by(frame, "tumor")
    assert counts.to_numpy().sum() == len(cases)
    for unit in counts.index:
        found = outcomes(frame[frame["unit"] == unit], "tumor").value_counts()
        assert counts.loc[unit].to_dict() == {name: found.get(name, 0) for name in ("tp", "fp", "fn", "tn")}


def test_an_unknown_rate_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'dice' is no rate of sections; accuracy, "):
        rates(pd.DataFrame({"tp": [1], "fp": [1], "fn": [1], "tn": [1]}), "dice")


def test_the_interval_is_that_of_scipy_where_every_draw_has_a_value():
    rng = np.random.default_rng(3)
    counts = pd.DataFrame(rng.integers(1, 6, (30, 4)), columns=["tp", "fp", "fn", "tn"])

    def sensitivity(tp, fn, axis):
        return tp.sum(axis) / (tp.sum(axis) + fn.sum(axis))

    data = counts["tp"].to_numpy(), counts["fn"].to_numpy()
    drawn = bootstrap(data, sensitivity, paired=True, method="percentile", rng=rng).confidence_interval
    assert interval(counts, "sensitivity") == pytest.approx((drawn.low, drawn.high), abs=0.01)


def test_sections_of_one_patient_are_drawn_together():
    """Ten patients with ten sections alike are as uncertain as ten sections, not as a hundred."""
    alone = pd.DataFrame({"tp": [1] * 5 + [0] * 5, "fp": 0, "fn": [0] * 5 + [1] * 5, "tn": 0})
    assert interval(alone * 10, "accuracy") == interval(alone, "accuracy")
    low, high = interval(alone, "accuracy")
    assert high - low == pytest.approx(0.6, abs=0.11)


def test_draws_without_a_tumour_do_not_make_the_interval_nothing():
    counts = pd.DataFrame({"tp": [1, 0], "fp": 0, "fn": 0, "tn": [0, 1]})
    assert interval(counts, "sensitivity") == (1.0, 1.0)
    assert np.isnan(interval(counts.iloc[:1], "sensitivity")).all()
    assert np.isnan(interval(counts.assign(tp=0), "sensitivity")).all()


def test_a_slide_without_labelled_sections_has_no_value():
    nothing = pd.DataFrame({"label": [], "call": []}, dtype=object)
    assert all(np.isnan(m.value) for m in family.measure(nothing, "tumor"))
    assert tuple(m.metric for m in family.measure(nothing, "tumor")) == family.OF_IMAGE
