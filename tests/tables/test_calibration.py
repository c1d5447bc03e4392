# SPDX-License-Identifier: MIT
"""Calibration of all pixels together, against adding up the pixels of the images of a split."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from microtome import tables
from microtome.metrics import calibration
from microtome.metrics.families import calibration as family
from microtome.metrics.families._context import Context
from microtome.provenance.runs import RunRecord
from microtome.tables.inputs import Inputs
from microtome.tables.parts.reliability import measured, told_of_trainings
from microtome.tables.parts.render import to_markdown
from tests.synthetic_study import card, metrics

CLASSES = ("background", "nest", "ring")
SPLITS = ("fold-0", "fold-1")
UNITS = {f"m{fold}{number}": f"p{fold}{number // 2}" for fold in range(2) for number in range(6)}
SHAPE = (12, 15)


def image(run, seed, sample):
    """Probabilities and truth of an image; run b is surer than it is right, some images are hard."""
    rng = np.random.default_rng([ord(run), seed, *map(ord, sample)])
    truth = np.random.default_rng([*map(ord, sample)]).integers(0, 3, SHAPE).astype(np.uint8)
    hard = 0.4 if sample.endswith(("0", "1")) else 1.6
    scores = rng.normal(0, 1, (3, *SHAPE)) + hard * (truth == np.arange(3)[:, None, None])
    shares = np.exp(scores * (8 if run == "b" else 1))
    truth[:, : int(sample[-1])] = 255
    return (shares / shares.sum(0)).astype(np.float32), truth


def record(run, seed, split):
    values = {}
    for sample in (name for name in UNITS if name[1] == split[-1]):
        shares, truth = image(run, seed, sample)
        seen = Context(truth, shares, truth, CLASSES, activation="softmax")
        values |= {(sample, m.class_name, m.metric): m.value for m in family.measure(seen)}
        values |= {(f"nothing{split}", m.class_name, m.metric): np.nan for m in family.measure(seen)}
    own = {**card(run, seed=seed), "split": split}
    frame = metrics(run, values, seed=seed, split=split)
    return RunRecord(run, run.upper(), seed, split, own, None, frame, Path("nowhere"))


@pytest.fixture(scope="module")
def inputs():
    runs = [record(run, seed, split) for run in "ab" for seed in (0, 1) for split in SPLITS]
    return Inputs(runs=runs, classes=CLASSES, units=UNITS)


def pooled(run, seed, split):
    """All images of a split as one: their pixels beside each other."""
    found = [image(run, seed, name) for name in UNITS if name[1] == split[-1]]
    shares, truth = (np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True))
    seen = Context(truth, shares, truth, CLASSES, activation="softmax")
    return {(m.class_name, m.metric): m.value for m in family.measure(seen)}


def test_scores_are_of_all_pixels_of_a_split_averaged_over_seeds_and_splits(inputs):
    table = tables.tabulate("calibration", inputs, by_class=True, interval=False)
    frame = table.frame.set_index("run")
    for run in "ab":
        every = [[pooled(run, seed, split) for seed in (0, 1)] for split in SPLITS]
        for name in ("ece", "ace", "mce", "mean_ece", "brier", "nll", "aurc"):
            of_splits = [np.mean([one["all", name] for one in seeds]) for seeds in every]
            assert frame.loc[run, name] == pytest.approx(np.mean(of_splits))
            assert frame.loc[run, f"{name}_sd"] == pytest.approx(np.std(of_splits, ddof=1))
        for name in CLASSES:
            of_splits = [np.mean([one[name, "ece"] for one in seeds]) for seeds in every]
            assert frame.loc[run, f"ece_of_{name}"] == pytest.approx(np.mean(of_splits))
    assert frame.loc["a", "ece"] < frame.loc["b", "ece"]
    assert frame[["images", "units", "seeds", "splits"]].to_numpy().tolist() == [[12, 6, 2, 2]] * 2
    assert frame["ece_ci_low"].isna().all()


def test_intervals_resample_patients_within_each_split(inputs):
    """Against every way of drawing three patients and a seed of each of two splits."""
    table = tables.tabulate("calibration", inputs, scores=["ece"])
    sums = {}
    for seed in (0, 1):
        for sample, patient in UNITS.items():
            one = calibration.count(*image("a", seed, sample)).bins[-1]
            sums[seed, patient] = sums.get((seed, patient), 0) + one
    of_folds = []
    for fold in range(2):
        draws = product(range(3), repeat=3)
        pairs = product(draws, (0, 1))  # of two seeds one is drawn
        totals = [sum(sums[seed, f"p{fold}{n}"] for n in drawn) for drawn, seed in pairs]
        of_folds.append([calibration.expected_error(one) for one in totals])
    every = np.add.outer(*of_folds).ravel() / 2
    row = table.frame.set_index("run").loc["a"]
    for end, share in (("low", 0.025), ("high", 0.975)):
        below, above = np.quantile(every, (share - 0.01, share + 0.01))
        assert below <= row[f"ece_ci_{end}"] <= above
    assert "resampling patients, each with all of its images, within each split. Seeds are" in table.note


def test_the_best_is_bold_where_it_is_told_apart(inputs):
    table = tables.tabulate("calibration", inputs, scores=["ece", "ace"])
    frame = table.frame.set_index("run")
    assert frame["ece_told_apart"].tolist() == [1, 0]
    assert "Bold: the best, where the interval of its paired difference from every other run" in table.note
    few = replace(inputs, units={name: f"p{name[2] in '01'}" for name in UNITS})
    table = tables.tabulate("calibration", few, scores=["ece"])
    assert table.frame["ece_told_apart"].tolist() == [0, 0]
    assert "No claim: 2 patients cannot tell 2 runs apart, whatever their values." in table.note
    one = replace(inputs, units=dict.fromkeys(UNITS, "block"), unit="block")
    table = tables.tabulate("calibration", one, scores=["ece"])
    assert "All images are of one block, so they say nothing of others." in table.note
    assert (table.frame["ece_ci_low"] < table.frame["ece_ci_high"]).all()
    assert table.frame["units"].tolist() == [1, 1]


def test_what_is_printed_says_what_the_errors_are(inputs):
    table = tables.tabulate("calibration", inputs, scores=["ece", "brier"], title="Surety")
    text = to_markdown(table)
    assert "| Run | ECE | Brier score |" in text
    assert "ECE: distance of mean probability and share that is true, over 15 bins" in table.note
    assert "AURC" not in table.note
    assert "noise makes larger, and patients drawn anew are fewer different ones" in table.note
    assert [column.better for column in table.columns if column.key in ("ece", "brier")] == ["low", "low"]
    assert table.caption == "Surety (phantom data)"


def test_scores_that_are_no_distances_have_plain_intervals_and_aurc_a_digit_more(inputs):
    table = tables.tabulate("calibration", inputs, scores=["nll", "aurc"])
    assert "lie rather high" not in table.note
    assert [column.format for column in table.columns if column.key in ("nll", "aurc")] == [".3f", ".4f"]


def test_unknown_scores_and_runs_without_sums_are_refused(inputs):
    with pytest.raises(ValueError, match=r"unknown scores .'eces'. of calibration; expected some of"):
        tables.tabulate("calibration", inputs, scores=["eces"])
    with pytest.raises(ValueError, match="has no sums of probabilities in part 'val' for the classes"):
        tables.tabulate("calibration", inputs, part="val")


def test_sums_of_a_run_are_those_of_its_pixels(inputs):
    found = measured([one for one in inputs.runs if one.run == "a"], CLASSES)
    every = [calibration.count(*image("a", seed, name)) for seed in (0, 1) for name in UNITS]
    np.testing.assert_allclose(found.total.bins, sum(one.bins for one in every), rtol=1e-9)
    np.testing.assert_allclose(found.total.squares, sum(one.squares for one in every), rtol=1e-6)
    assert found.total.surprise == pytest.approx(sum(one.surprise for one in every))


def test_pixels_of_images_count_once_however_many_seeds_there_are(inputs):
    found = measured([one for one in inputs.runs if one.run == "a"], CLASSES)
    assert found.pixels == sum((image("a", 0, name)[1] != 255).sum() for name in UNITS)
    assert "(seeds and splits, up to 4) are counted together" in told_of_trainings([found])
    assert told_of_trainings([measured(inputs.runs[:1], CLASSES)]) == ""
