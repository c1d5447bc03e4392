# SPDX-License-Identifier: MIT
"""Several runs on one sample in one grid."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from microtome import figures
from microtome.io import images

RUNS = ["bce", "dice", "dicebce", "focal", "iou", "tversky"]


def shown(figure):
    return [axes for axes in figure.axes if axes.images]


def titles(figure):
    return [axes.get_title(loc="left").split("   ")[-1].replace("\n", " ") for axes in shown(figure)]


@pytest.mark.parametrize(("shows", "panels"), [("outputs", 14), ("differences", 8)])
def test_six_losses_are_one_grid(shows, panels, study):
    result = figures.draw("run_grid", study, runs=RUNS, shows=shows)
    assert len(shown(result.figure)) == panels
    labels = [study.record(run).label for run in RUNS]
    assert sorted(title for title in titles(result.figure) if title) == sorted(["image", "label", *labels])
    assert result.data["run"].tolist() == RUNS
    assert set(result.data["class"]) == {"membrane"}


def test_scores_are_those_of_the_sample(study):
    data = figures.draw("run_grid", study, runs=RUNS).data
    for row in data.itertuples():
        sources = study.sources[row.sample]
        truth = images.read(sources.target).ravel()
        found = images.read(sources.segmentations[row.run]).ravel()
        valid = truth != 255
        assert row.dice == pytest.approx(f1_score(truth[valid] == 0, found[valid] == 0))
        assert row.true_positive == np.sum((truth == 0) & (found == 0) & valid)
    assert figures.draw("run_grid", study, runs=RUNS, of="cell").data["dice"].gt(data["dice"]).any()


def test_each_run_is_above_its_own_output(study):
    figure = figures.draw("run_grid", study, runs=["bce", "dice"]).figure
    axes = shown(figure)
    for upper in axes:
        if upper.get_title(loc="left").endswith(("BCE", "Dice", "bce", "dice")):
            number, column = upper.get_subplotspec().rowspan.start, upper.get_subplotspec().colspan.start
            (below,) = [
                one
                for one in axes
                if one.get_subplotspec().rowspan.start == number + 1
                and one.get_subplotspec().colspan.start == column
            ]
            probability = np.asarray(upper.images[0].get_array())
            output = np.asarray(below.images[0].get_array())[..., 0] == 255
            np.testing.assert_array_equal(output, probability > 0.5)


def test_more_runs_than_a_row_holds_go_on_below(study):
    runs = [*RUNS, "n4", "mcdnn"]
    figure = figures.draw("run_grid", study, runs=runs).figure
    assert len(shown(figure)) == 2 * (len(runs) + 1)
    assert len(figures.draw("run_grid", study, runs=runs, shows="differences").data) == len(runs)


def test_several_classes_are_told_together_or_one_by_one(mosaics):
    runs = list(dict.fromkeys(record.run for record in mosaics.runs))[:2]
    every = figures.draw("run_grid", mosaics, runs=runs, shows="differences")
    assert len(every.data) == len(runs) * len(mosaics.classes)
    assert "mean over the classes" in every.caption
    one = figures.draw("run_grid", mosaics, runs=runs, shows="differences", of="nest")
    assert set(one.data["class"]) == {"nest"}
    assert len(shown(figures.draw("run_grid", mosaics, runs=runs).figure)) == 6


def test_what_is_shown_has_a_name(study):
    with pytest.raises(ValueError, match=r"shows is 'both'; expected one of \['outputs', 'differences'\]"):
        figures.draw("run_grid", study, shows="both")
