# SPDX-License-Identifier: MIT
"""Fragmentation of labels and runs: regions and areas of all images of a split together."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from microtome import tables
from microtome.tables.inputs import Inputs
from tests.synthetic_pixels import CLASSES, MPP, draw, records

PIXEL = (MPP / 1000) ** 2
LIMIT = 0.01


@pytest.fixture(scope="module")
def pixels():
    return draw(seeds=(0, 4))


def measured(maps, which, place):
    """Regions for each mm² and per cent of the area in small ones, labelled class by class by SciPy."""
    regions, area, small = 0, 0.0, 0.0
    for truth, full, found in maps:
        within = {"": truth < 999, "_labelled": truth != 255, "_unlabelled": truth == 255}[place]
        classes = {"truth": truth, "full": full, "run": found}[which]
        for value in range(len(CLASSES)):
            labels, count = ndimage.label((classes == value) & within, np.ones((3, 3)))
            sizes = np.bincount(labels.ravel())[1:] * PIXEL
            regions, area, small = regions + count, area + sizes.sum(), small + sizes[sizes < LIMIT].sum()
    return regions / area, 100 * small / area


def expected(pixels, run, which, place):
    """Mean and sd over splits of the mean over seeds."""
    values = np.array(
        [
            np.mean(
                [measured(list(pixels.of(run=run, split=s, seed=n)), which, place) for n in (0, 4)], axis=0
            )
            for s in ("fold-0", "fold-1")
        ]
    )
    return values.mean(axis=0), values.std(axis=0, ddof=1)


def test_labels_and_runs_are_measured_in_each_place(pixels):
    table = tables.tabulate("fragmentation", Inputs(runs=records(pixels), classes=CLASSES))
    frame = table.frame.set_index("label")
    assert frame.index.tolist() == ["Labels", "Complete labels", "A", "B"]
    rows = {"Complete labels": ("a", "full"), "A": ("a", "run"), "B": ("b", "run")}
    for label, (run, which) in rows.items():
        for place in ("", "_labelled", "_unlabelled"):
            names = [f"regions_per_mm2{place}", f"small_region_share{place}"]
            means, spreads = expected(pixels, run, which, place)
            assert frame.loc[label, names].tolist() == pytest.approx(means), (label, place)
            assert frame.loc[label, [f"{name}_sd" for name in names]].tolist() == pytest.approx(spreads)
    means, _ = expected(pixels, "a", "truth", "_labelled")
    names = ["regions_per_mm2_labelled", "small_region_share_labelled"]
    assert frame.loc["Labels", names].tolist() == pytest.approx(means)
    assert np.isnan(frame.loc["Labels", "regions_per_mm2"])


def test_the_note_says_which_of_two_runs_has_fewer_regions(pixels):
    given = Inputs(runs=records(pixels), classes=CLASSES)
    few, many = (expected(pixels, run, "run", "")[0][0] for run in ("a", "b"))
    assert few < many
    note = tables.tabulate("fragmentation", given, compare=["a", "b"]).note
    truth = expected(pixels, "a", "full", "")[0][0]
    head = f"A has fewer regions for each mm² of the whole image than B: {few:.2f} against {many:.2f}"
    assert f"{head}; complete labels have {truth:.2f}." in note
    assert "B has not fewer regions" in tables.tabulate("fragmentation", given, compare=["b", "a"]).note
    with pytest.raises(ValueError, match=r"compare names \['a'\], expected two of the runs \['a', 'b'\]"):
        tables.tabulate("fragmentation", given, compare=["a"])


def test_without_complete_labels_there_is_no_row_of_them(pixels):
    runs = records(pixels, with_full=False)
    frame = tables.tabulate("fragmentation", Inputs(runs=runs, classes=CLASSES)).frame
    assert frame["label"].tolist() == ["Labels", "A", "B"]
    unmeasured = replace(runs[0], metrics=runs[0].metrics[runs[0].metrics["class"] != "all"])
    with pytest.raises(ValueError, match="add `fragmentation` to evaluate"):
        tables.tabulate("fragmentation", Inputs(runs=[unmeasured], classes=CLASSES))
