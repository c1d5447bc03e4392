# SPDX-License-Identifier: MIT
"""Lists of windows: which windows they hold, how often each is drawn, and what contradicts itself."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError
from scipy.stats import chisquare

from microtome.config.sampling import Lists
from microtome.training.batches import ListBatches
from microtome.training.window_lists import WindowLists
from tests.training.test_batches import coded
from tests.workflow.workspace import REPOSITORY

TABLE_2 = {
    "rest": {"fraction": "T", "below": 0.0005},
    "t": {"fraction": "T", "at_least": 0.0005, "draw": 300},
    "dense": {"fraction": "T", "at_least": 0.1, "draw": 100},
    "s": {"fraction": "S", "at_least": 0.0005, "draw": 200},
    "n": {"fraction": "N", "at_least": 0.0005, "draw": 200},
}
EPOCHS = 10


def index(count=400, seed=1):
    """A patch index with a tumour in one window of ten."""
    generator = np.random.default_rng(seed)
    tumor = np.where(generator.random(count) < 0.1, generator.uniform(0, 0.6, count), 0)
    partial = {name: np.where(generator.random(count) < 0.15, 0.2, 0) for name in "SN"}
    frame = {
        "sample": [f"s{n % 3}" for n in range(count)],
        "y": np.arange(count) % 8,
        "x": np.arange(count) % 11,
    }
    return pd.DataFrame(
        frame | {"size": 8, "fraction_T": tumor} | {f"fraction_{k}": v for k, v in partial.items()}
    )


def lists(frame, **options):
    return WindowLists.collect(frame, Lists(**({"lists": TABLE_2} | options)))


@pytest.fixture(scope="module")
def frame():
    return index()


@pytest.fixture(scope="module")
def drawn(frame):
    """The windows of ten epochs, by what a batch source of these lists draws."""
    chosen = lists(frame)
    return [chosen.draw(np.random.default_rng([7, epoch])) for epoch in range(EPOCHS)]


def test_every_epoch_has_the_numbers_of_the_lists(frame, drawn):
    tumor = frame["fraction_T"].to_numpy()
    rest = np.flatnonzero(tumor < 0.0005)
    assert [len(one) for one in drawn] == [len(rest) + 800] * EPOCHS
    assert lists(frame).per_epoch == {"rest": len(rest), "t": 300, "dense": 100, "s": 200, "n": 200}


def test_windows_that_no_drawn_list_holds_are_there_once_in_each_epoch(frame, drawn):
    alone = (frame["fraction_T"] < 0.0005) & (frame["fraction_S"] == 0) & (frame["fraction_N"] == 0)
    for one in drawn:
        counts = np.bincount(one, minlength=len(frame))
        assert (counts[alone] == 1).all()
        assert (counts[frame["fraction_T"] < 0.0005] >= 1).all()


def test_frequencies_over_ten_epochs_are_those_of_even_draws_with_replacement(frame, drawn):
    """Each window of a list alike: expected counts of all windows by the lists that hold them."""
    counts = np.bincount(np.concatenate(drawn), minlength=len(frame)).astype(float)
    drawn_lists = [("T", 0.0005, 300), ("T", 0.1, 100), ("S", 0.0005, 200), ("N", 0.0005, 200)]
    expected = EPOCHS * (frame["fraction_T"] < 0.0005).to_numpy(float)
    counts -= expected
    wanted = np.zeros(len(frame))
    for fraction, least, draw in drawn_lists:
        members = (frame[f"fraction_{fraction}"] >= least).to_numpy()
        wanted += EPOCHS * draw * members / members.sum()
    assert counts[wanted == 0].sum() == 0
    some = wanted > 0
    assert chisquare(counts[some], wanted[some]).pvalue > 0.001
    assert np.allclose(lists(frame).expected(len(frame)) * EPOCHS, wanted + expected)
    shared = (frame["fraction_T"] >= 0.1).to_numpy()  # of two lists of tumour at least
    only = (frame["fraction_T"] >= 0.0005).to_numpy() & ~shared
    assert counts[shared].mean() > 1.5 * counts[only].mean()


def test_epochs_differ_and_each_is_the_same_again(frame):
    images, windows = (
        coded(),
        [tuple(row) for row in frame[["sample", "y", "x", "size"]].itertuples(index=False)],
    )
    batches = ListBatches(images, windows, lists(frame), 64, crop=5, seed=3)
    epochs = [list(batches.epoch(number)) for number in (0, 1, 0)]
    assert [len(one) for one in epochs] == [len(batches)] * 3
    assert sum(len(batch.samples) for batch in epochs[0]) == len(batches.lists)
    alike = [
        all((a.images == b.images).all() for a, b in zip(epochs[0], one, strict=True)) for one in epochs[1:]
    ]
    assert alike == [False, True]
    assert {batch.images.shape[1:] for batch in epochs[0]} == {(1, 5, 5)}
    other = ListBatches(images, windows, lists(frame), 64, crop=5, seed=4)
    assert not (next(other.epoch(0)).images == epochs[0][0].images).all()


def test_lists_are_mixed_in_an_epoch(frame, drawn):
    """Neither the windows of a list come together, nor in the order of the index."""
    is_tumor = (frame["fraction_T"] >= 0.0005).to_numpy()
    for one in drawn:
        thirds = [is_tumor[part].mean() for part in np.array_split(one, 3)]
        assert max(thirds) < 1.3 * min(thirds)
        assert abs(np.corrcoef(one, np.arange(len(one)))[0, 1]) < 0.1


def test_a_share_on_the_edge_belongs_above():
    some = pd.DataFrame({"fraction_T": [0.0, 0.0005, 0.1, 1.0]})
    limited = TABLE_2["t"] | {"below": 0.1}
    chosen = lists(some, lists={"rest": TABLE_2["rest"], "t": limited, "dense": TABLE_2["dense"]})
    assert {name: places.tolist() for name, places in chosen.members.items()} == {
        "rest": [0],
        "t": [1],
        "dense": [2, 3],
    }
    apart = lists(some, lists={name: TABLE_2[name] for name in ("t", "dense")}, overlap=False)
    assert [places.tolist() for places in apart.members.values()] == [[1], [2, 3]]


def test_without_overlap_lists_of_one_fraction_share_no_window(frame):
    chosen = lists(frame, overlap=False)
    tumor = frame["fraction_T"].to_numpy()
    assert (tumor[chosen.members["t"]] < 0.1).all() and (tumor[chosen.members["t"]] >= 0.0005).all()
    of_tumor = np.concatenate([chosen.members[name] for name in ("rest", "t", "dense")])
    assert sorted(of_tumor.tolist()) == list(range(len(frame)))
    assert (chosen.members["s"] == lists(frame).members["s"]).all()


@pytest.mark.parametrize(("scale", "factor"), [(0.5, 0.5), ("auto", 0.25), (1e-9, 0.0)])
def test_numbers_are_scaled_and_what_is_there_once_is_not(frame, scale, factor):
    found = lists(frame, scale=scale, of=4 * len(frame)).per_epoch
    assert found["rest"] == (frame["fraction_T"] < 0.0005).sum()
    assert [found[name] for name in ("t", "dense", "s")] == [
        max(1, round(n * factor)) for n in (300, 100, 200)
    ]


def test_a_list_without_a_window_stops_and_says_what_there_is(frame):
    none = frame.assign(fraction_N=0.0)
    match = (
        "lists.n: none of 400 windows has a share of N of at least 0.0005 .the largest is 0.; .* show T, S:"
    )
    with pytest.raises(ValueError, match=match):
        lists(none)
    with pytest.raises(ValueError, match="share of 'T', which the patch index lacks; it has S, N"):
        lists(frame.drop(columns="fraction_T"))
    lists(frame, lists={"most": {"fraction": "T", "at_least": 0.99}})  # each once, of which there is none


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"lists": {"t": {"fraction": "T", "at_least": 0.1, "below": 0.1}}},
            "a range that holds some shares",
        ),
        ({"lists": TABLE_2, "scale": "auto"}, "sampler.of beside scale auto"),
        ({"lists": {}}, "at least 1 item"),
        ({"lists": TABLE_2, "scale": 0}, "greater than 0"),
    ],
)
def test_options_that_contradict_themselves_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        Lists(**options)


def test_the_published_totals_are_those_of_overlapping_lists():
    """185,308 different windows; the unbalance before is of these, and the one after of the 255,771 drawn."""
    papers = yaml.safe_load((REPOSITORY / "config/published.yaml").read_text(encoding="utf-8"))["papers"]
    rows = papers["p1_bcc"]["tables"]["table_2"]["rows"]
    names = [name for name in rows if name not in ("total", "pixel_unbalance")]
    before, after = (Counter({name: rows[name][key] for name in names}) for key in ("before", "after"))
    assert (before.total(), after.total()) == (209_390, 255_771)
    windows = before["T_lt_0.05pct"] + before["T_ge_0.05pct"]
    assert windows == 185_308
    unbalance = rows["pixel_unbalance"]
    mean = windows / (unbalance["before"] + 1) / before["T_ge_0.05pct"]
    assert mean == pytest.approx(0.2445, abs=5e-5)
    wanted = after.total() / (unbalance["after"] + 1)  # of tumour, in windows
    assert wanted == pytest.approx(14_361, abs=1)
    of_others = wanted - after["T_ge_0.05pct"] * mean
    assert 0 < of_others / after["T_ge_10pct"] < 1
    if_summed = before.total() / (unbalance["before"] + 1) * max(after[name] / before[name] for name in names)
    assert if_summed == pytest.approx(8_287, abs=1)  # the most there could be, and too little
