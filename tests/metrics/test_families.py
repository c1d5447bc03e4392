# SPDX-License-Identifier: MIT
"""Families of metrics on one image, and what is said of a whole part."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from microtome import losses as registry
from microtome.metrics.boundaries import boundary_scores
from microtome.metrics.families import boundaries, losses, overlap
from microtome.metrics.families._context import Context, Measure
from tests.synthetic_study import membrane_label

THRESHOLDS = (0.1, 0.3, 0.5, 0.7)
LOSSES = {
    "bce": {"name": "bce"},
    "dice": {"name": "dice"},
    "tversky": {"name": "tversky", "alpha": 0.3, "beta": 0.7},
    "focal": {"name": "focal", "form": "batch_mean"},
}


def context(seed=0, ignore=None, **more):
    truth = membrane_label(30, seed=seed)
    noise = np.random.default_rng(seed).normal(0, 0.2, truth.shape)
    probability = np.clip(gaussian_filter(truth.astype(float), 1) + noise, 0, 1).astype(np.float32)
    if ignore is not None:
        truth[ignore] = 255
    segmentation = (probability > 0.5).astype(np.uint8)
    return Context(truth, probability[None], segmentation, ["membrane", "cell"], THRESHOLDS, LOSSES, **more)


def values(measures):
    return {(m.class_name, m.metric): m.value for m in measures}


def sweep(name, scores, thresholds=("0.1", "0.3", "0.5")):
    return [Measure("all", f"{name}@{t}", v) for t, v in zip(thresholds, scores, strict=True)]


def test_one_threshold_serves_the_part_even_if_no_image_likes_it_best():
    part = {
        "a": sweep("v_rand", [0.9, 0.8, 0.1]) + sweep("v_info", [0.1, 0.2, 0.3]),
        "b": sweep("v_rand", [0.1, 0.8, 0.9]) + sweep("v_info", [0.3, 0.3, 0.3]),
    }
    found = {sample: values(measures) for sample, measures in boundaries.finish(part).items()}
    for sample, v_info in (("a", 0.3), ("b", 0.3)):
        assert found[sample]["all", "v_rand_threshold"] == 0.3
        assert found[sample]["all", "v_rand"] == 0.8
        assert found[sample]["all", "v_info_threshold"] == 0.5
        assert found[sample]["all", "v_info"] == v_info


def test_of_equal_thresholds_the_lowest_counts():
    found = boundaries.finish({"a": sweep("v_rand", [0.5, 0.7, 0.7]) + sweep("v_info", [0.5, 0.5, 0.5])})
    assert values(found["a"])["all", "v_rand_threshold"] == 0.3
    assert values(found["a"])["all", "v_info_threshold"] == 0.1


def test_the_sweep_is_that_of_the_metric():
    given = context()
    found = values(boundaries.measure(given))
    scores = boundary_scores(given.truth == 1, given.probability[0], THRESHOLDS)
    for position, threshold in enumerate(THRESHOLDS):
        assert found["all", f"v_rand@{threshold:g}"] == scores.v_rand[position]
        assert found["all", f"v_info@{threshold:g}"] == scores.v_info[position]
    wrong = [np.mean((given.probability[0] > t) != (given.truth == 1)) for t in THRESHOLDS]
    assert found["all", "pixel_error"] == pytest.approx(wrong[2])
    assert found["all", "pixel_error_best"] == pytest.approx(min(wrong))


def test_the_segmentation_is_scored_as_it_is():
    """By a threshold it has the score of that threshold, whatever the map would reach at another."""
    given = context()
    for threshold in THRESHOLDS:
        segmentation = (given.probability[0] > threshold).astype(np.uint8)
        found = values(boundaries.measure(replace(given, segmentation=segmentation, thresholds=(0.0, 1.0))))
        scores = boundary_scores(given.truth == 1, given.probability[0], [threshold])
        assert found["all", "v_rand_segmentation"] == scores.v_rand[0]
        assert found["all", "v_info_segmentation"] == scores.v_info[0]


def test_unlabelled_pixels_are_no_error():
    ignore = np.s_[10:20, :]
    given = context(ignore=ignore)
    known = np.ones((30, 30), bool)
    known[ignore] = False
    found = values(boundaries.measure(given))
    wrong = np.mean((given.probability[0] > 0.5)[known] != (given.truth == 1)[known])
    assert found["all", "pixel_error"] == pytest.approx(wrong)
    assert (
        found["all", "v_rand@0.5"] == boundary_scores(given.truth == 1, given.probability[0], [0.5]).v_rand[0]
    )


@pytest.mark.parametrize("ignore", [None, np.s_[5:12, 3:20]])
def test_losses_are_those_of_the_logits(ignore):
    given = context(ignore=ignore)
    found = values(losses.measure(given))
    known = torch.from_numpy(given.truth != 255)[None, None]
    clipped = torch.from_numpy(given.probability)[None].clamp(1e-7, 1 - 1e-7)
    logits = torch.log(clipped) - torch.log1p(-clipped)
    target = torch.from_numpy(given.truth == 1)[None, None].float()
    assert set(found) == {("all", f"loss_{name}") for name in LOSSES}
    for name, options in LOSSES.items():
        expected = registry.build(**options)(logits[known][None, None], target[known][None, None])
        assert found["all", f"loss_{name}"] == pytest.approx(float(expected), rel=1e-4)


def test_losses_of_certain_predictions_are_finite():
    given = context()
    certain = Context(
        given.truth, given.segmentation[None].astype(np.float32), given.segmentation, [], (), LOSSES
    )
    assert all(np.isfinite(measure.value) for measure in losses.measure(certain))


@pytest.mark.parametrize("ignore", [None, np.s_[:, 7:25]])
def test_overlap_counts_labelled_pixels(ignore):
    given = context(ignore=ignore)
    found = values(overlap.measure(given))
    known = given.truth != 255
    truth, prediction = given.truth[known], given.segmentation[known]
    for value, name in enumerate(("membrane", "cell")):
        a, b = truth == value, prediction == value
        both = np.sum(a & b)
        assert found[name, "dice"] == pytest.approx(2 * both / (a.sum() + b.sum()))
        assert found[name, "iou"] == pytest.approx(both / np.sum(a | b))
        assert found[name, "sensitivity"] == pytest.approx(both / a.sum())
        assert found[name, "specificity"] == pytest.approx(np.sum(~a & ~b) / np.sum(~a))
        assert found[name, "false_positive_rate"] == pytest.approx(np.sum(~a & b) / np.sum(~a))
        assert found[name, "precision"] == pytest.approx(both / b.sum())
    assert found["all", "accuracy"] == pytest.approx(np.mean(truth == prediction))


def test_labelled_pixels():
    assert context(ignore=np.s_[:, :3]).valid.sum() == 30 * 27


def test_the_threshold_on_the_logit_is_at_0_62():
    """0.6 is a cell by its probability and border by its logit, 0.63 a cell by both."""
    truth = np.array([[1, 1, 0, 255]], np.uint8)
    probability = np.array([[[0.63, 0.6, 0.61, 0.9]]], np.float32)
    found = values(boundaries.measure(Context(truth, probability, truth, ["membrane", "cell"], (0.5,))))
    assert found["all", "pixel_error"] == pytest.approx(1 / 3)
    assert found["all", "pixel_error_logit"] == pytest.approx(1 / 3)
    assert found["all", "border_dice_logit"] == pytest.approx(2 * 1 / (1 + 2))
    cells = np.ones((1, 2), np.uint8)
    nothing = Context(cells, np.ones((1, 1, 2), np.float32), cells, ["m", "c"], (0.5,))
    assert np.isnan(values(boundaries.measure(nothing))["all", "border_dice_logit"])


def test_of_a_mask_and_a_marker_the_mask_is_measured():
    alone = context()
    marker = np.zeros_like(alone.probability)
    more = {"ce": {"name": "cross_entropy"}, **LOSSES}
    chosen = replace(alone, losses=more)
    both = replace(chosen, probability=np.concatenate([alone.probability, marker]))
    for family in (boundaries, losses):
        assert values(family.measure(both)) == values(family.measure(chosen))
    maps = np.concatenate([1 - alone.probability, alone.probability])
    of_classes = replace(chosen, probability=maps, activation="softmax")
    for family in (boundaries, losses):
        assert values(family.measure(of_classes)) == pytest.approx(values(family.measure(chosen)), rel=1e-4)
