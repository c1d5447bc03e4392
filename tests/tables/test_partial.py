# SPDX-License-Identifier: MIT
"""Runs that learn from some of the labels: Dice on complete labels, and whether leaving out the rest pays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microtome import tables
from microtome.io import images
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.partial import doubts
from tests.synthetic_pixels import CLASSES, draw, records

LABELS = {"pixels": 128, "labelled": 80, "learnt": 40}
CARDS = {
    "some": {"training": {"learn": {"share": 0.5, "fill": None}}, "labels": LABELS},
    "some_filled": {"training": {"learn": {"share": 0.5, "fill": "background"}}, "labels": LABELS},
    "all": {"training": {}},
}


def carded(pixels, cards=CARDS):
    """The records of runs whose cards say what they learnt."""
    return [replace(one, card={**one.card, **cards[one.run]}) for one in records(pixels)]


@pytest.fixture
def study(tmp_path):
    """Runs of which the first makes the fewest errors; training images labelled at a quarter, and wholly."""
    pixels = draw(runs=tuple(CARDS), splits=("main",), images=8)
    target = np.full((8, 8), 255, np.uint8)
    target[:4, :4] = 1
    images.write(tmp_path / "targets/t.tif", target)
    images.write(tmp_path / "targets/u.tif", np.zeros((8, 8), np.uint8))
    images.write(tmp_path / "targets/v.tif", np.zeros((8, 8), np.uint8))
    (tmp_path / "main.tsv").write_text("sample\tpart\nt\ttrain\nu\ttrain\nv\ttest\n")
    files = {"labels": [tmp_path / "targets"], "splits": [Path(tmp_path / "main.tsv")]}
    given = {"classes": CLASSES, "units": pixels.patients, "files": files}
    return pixels, Inputs(runs=carded(pixels), **given)


def dice(maps):
    """Dice of each class on complete labels, all images together."""
    full, found = (np.concatenate([one[n].ravel() for one in maps]) for n in (1, 2))
    both = [np.sum((full == k) & (found == k)) for k in range(len(CLASSES))]
    return [2 * b / (np.sum(full == k) + np.sum(found == k)) for k, b in enumerate(both)]


def test_dice_is_of_complete_labels_and_the_share_of_all_pixels_of_training_images(study):
    pixels, given = study
    frame = tables.tabulate("partial", given).frame.set_index("run")
    assert frame.index.tolist() == ["all", "some", "some_filled"]
    assert frame["labelled"].tolist() == pytest.approx([62.5, 31.25, 31.25])
    assert frame["rest"].tolist() == ["left out", "left out", "as background"]
    for run in CARDS:
        values = dice(list(pixels.of(run=run)))
        assert frame.loc[run, [f"of_{name}" for name in CLASSES]].tolist() == pytest.approx(values)
        assert frame.loc[run, "average"] == pytest.approx(np.mean(values))


def test_the_note_compares_runs_of_one_share(study):
    pixels, given = study
    note = tables.tabulate("partial", given).note
    means = [np.mean(dice(list(pixels.of(run=run)))) for run in ("some", "some_filled")]
    patients, rng, draws = sorted(set(pixels.patients.values())), np.random.default_rng(8), []
    for _ in range(2000):
        chosen = [patients[n] for n in rng.integers(0, len(patients), len(patients))]
        pairs = [
            [one for p in chosen for one in pixels.of(run=run, patient=p)] for run in ("some", "some_filled")
        ]
        draws.append(np.mean(dice(pairs[0])) - np.mean(dice(pairs[1])))
    head = (
        f"At 31.2 % partial labels pay: {means[0]:.3f} where the rest is left out, {means[1]:.3f} where it "
    )
    assert f"{head}counts as background, a difference of {means[0] - means[1]:.3f} [" in note
    low, high = (float(text) for text in note.rpartition("[")[2].partition("]")[0].split(", "))
    assert [low, high] == pytest.approx(np.quantile(draws, (0.025, 0.975)), abs=0.01)
    assert "], though nothing can be claimed of so few (4)." in note


def test_it_says_so_where_they_do_not_pay(study):
    pixels, given = study
    turned = {"some": CARDS["some_filled"], "some_filled": CARDS["some"], "all": CARDS["all"]}
    note = tables.tabulate("partial", Inputs(**{**vars(given), "runs": carded(pixels, turned)})).note
    assert "At 31.2 % partial labels do not pay:" in note


def test_a_difference_that_may_be_none_is_said_to_be_in_doubt(study):
    pixels, given = study
    assert "does not exclude 0" not in tables.tabulate("partial", given).note
    for (run, seed, split, sample), (truth, full, found) in list(pixels.maps.items()):
        if run == "some":
            other, is_better = found.copy(), int(sample[-1]) < 4
            other[: 3 if is_better else 1] = full[:3] if is_better else (full[:1] + 1) % len(CLASSES)
            pixels.maps["some_filled", seed, split, sample] = (truth, full, other)
    note = tables.tabulate("partial", Inputs(**{**vars(given), "runs": carded(pixels)})).note
    low, high = (float(text) for text in note.rpartition("[")[2].partition("]")[0].split(", "))
    assert low < 0 < high
    assert "though the interval of the difference does not exclude 0." in note


def test_of_one_patient_there_is_no_interval(study):
    pixels, given = study
    of_one = dict.fromkeys(pixels.patients, "p")
    note = tables.tabulate("partial", Inputs(**{**vars(given), "units": of_one})).note
    assert "counts as background, a difference of" in note
    assert "nan" not in note
    assert "exclude" not in note


def test_enough_patients_claim_what_holds_after_correction():
    assert doubts(12, 0.001, 2) == ""
    assert doubts(12, 0.2, 2) == ", though p is 0.2, corrected for 2 comparisons"
    assert doubts(6, 0.001, 2) == ", though nothing can be claimed of so few (6)"
