# SPDX-License-Identifier: MIT
"""Options of segmentation chosen on held-out images, against a search by hand with other libraries."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import f1_score

from microtome.config.prediction import Threshold, Watershed
from microtome.io import images
from microtome.metrics.instances import score
from microtome.metrics.surface import compare
from microtome.objects.watershed import separate
from microtome.stages.segment import segment_batch
from microtome.stages.tune import Search, is_as_good, search_values, tune
from tests.objects.test_watershed import tissue

THRESHOLDS = [0.2, 0.35, 0.5, 0.65, 0.8]


def options(**changes):
    """Those of a run whose threshold is tuned by the Dice coefficient of cells."""
    base = {"segment": Threshold().model_dump(), "values": [["threshold", THRESHOLDS]], "metric": "dice"}
    base |= {"class": "cell", "family": "overlap", "lower_is_better": False, "search": "grid", "on": "val"}
    base |= {"choose": "best"}
    base |= {"samples": ["a", "b"], "classes": ["membrane", "cell"], "activation": "sigmoid"}
    return base | {"betas": [], "mean_classes": []} | changes


def folders(root, samples=("a", "b", "c"), seed=0):
    """Smooth maps and truths that exceed another threshold in each image."""
    rng = np.random.default_rng(seed)
    for number, sample in enumerate(samples):
        field = gaussian_filter(rng.random((40, 48 + number)), 2)
        probability = ((field - field.min()) / np.ptp(field)).astype(np.float32)
        truth = (probability + rng.normal(0, 0.1, field.shape) > 0.62 + 0.1 * number).astype(np.uint8)
        images.write(root / f"maps/{sample}.tif", probability)
        images.write(root / f"targets/{sample}.tif", truth, labels=True)
    return [root / "maps"], [root / "targets"]


def tuned(root, chosen, maps, targets):
    """What `tune` writes: the choice and the table."""
    tune(chosen, maps, targets, chosen=root / "tuned.json", table=root / "tuned.tsv")
    return json.loads((root / "tuned.json").read_text()), pd.read_csv(root / "tuned.tsv", sep="\t")


def dice(root, sample, threshold):
    truth = images.read(root / f"targets/{sample}.tif").ravel()
    return f1_score(truth, images.read(root / f"maps/{sample}.tif").ravel() > threshold)


def test_the_threshold_with_the_best_mean_is_chosen(tmp_path):
    found, table = tuned(tmp_path, options(), *folders(tmp_path))
    means = {t: np.mean([dice(tmp_path, sample, t) for sample in "ab"]) for t in THRESHOLDS}
    best = max(means, key=means.get)
    assert best not in (0.5, THRESHOLDS[0], THRESHOLDS[-1]), "the example has its best inside, and not at 0.5"
    assert found["values"] == {"threshold": best}
    assert found["mean"] == pytest.approx(means[best])
    assert (found["configured"], found["samples"]) == ({"threshold": 0.5}, ["a", "b"])
    assert found["configured_mean"] == pytest.approx(means[0.5])
    assert dict(zip(table["threshold"], table["mean"], strict=True)) == pytest.approx(means)
    assert table.loc[table["chosen"], "threshold"].tolist() == [best]
    assert table["images"].tolist() == [2] * len(THRESHOLDS)


def test_what_images_cannot_tell_from_the_best_is_left_as_configured():
    """By hand: 0.1, 0.2 and 0.3 are behind by 0.027 ± 0.013, 0.027 ± 0.003 and 0.010 ± 0.000."""
    found = {(0.5,): [0.60, 0.60, 0.60], (0.1,): [0.62, 0.60, 0.64], (0.2,): [0.63, 0.61, 0.62]}
    found |= {(0.3,): [0.65, 0.63, 0.63], (0.4,): [0.66, 0.64, 0.64]}
    best = [0.66, 0.64, 0.64]
    by_error = Search(("threshold",), ((0.1, 0.2, 0.3, 0.4),), (0.5,), by_standard_error=True)
    assert [is_as_good(found[(t,)], best) for t in (0.1, 0.2, 0.3, 0.4)] == [False, False, False, True]
    assert by_error.chosen(found) == by_error.best(found) == (0.4,)
    noisy = found | {(0.2,): [0.70, 0.61, 0.61]}
    assert by_error.best(noisy) == (0.4,)
    assert by_error.chosen(noisy) == (0.4,), "0.2 is as good, and farther from 0.5"
    assert by_error.chosen({**noisy, (0.5,): [0.70, 0.60, 0.63]}) == (0.5,)
    assert Search(("threshold",), ((0.4,),), (0.5,)).chosen({**noisy, (0.5,): [0.70, 0.6, 0.63]}) == (0.4,)


def test_images_on_which_a_metric_is_undefined_tell_nothing():
    nan = math.nan
    assert is_as_good([nan, 0.5, 0.9], [0.9, 0.6, 0.9])
    assert not is_as_good([nan, nan], [0.9, 0.6])
    assert not is_as_good([nan, 0.5], [0.9, 0.6]), "one image has no standard error"
    only = Search(("threshold",), ((0.4,),), (0.5,), by_standard_error=True)
    assert only.chosen({(0.5,): [nan], (0.4,): [nan]}) == (0.5,)


def test_the_rule_takes_the_choice_that_is_configured(tmp_path):
    """Two images differ in their best threshold, so neither end is told from the middle by its mean."""
    maps, targets = folders(tmp_path)
    best, _ = tuned(tmp_path, options(), maps, targets)
    careful, table = tuned(tmp_path, options(choose="standard_error"), maps, targets)
    scores = {t: [dice(tmp_path, sample, t) for sample in "ab"] for t in THRESHOLDS}
    top = scores[best["values"]["threshold"]]
    equal = [t for t in THRESHOLDS if is_as_good(scores[t], top)]
    assert careful["values"] != best["values"]
    assert careful["values"]["threshold"] == min(equal, key=lambda t: abs(t - 0.5))
    assert table.loc[table["chosen"], "threshold"].tolist() == [careful["values"]["threshold"]]
    assert careful["mean"] == pytest.approx(np.mean(scores[careful["values"]["threshold"]]))


def test_images_that_are_not_held_out_change_nothing(tmp_path):
    """What a test label says, or a test map, is not seen."""
    maps, targets = folders(tmp_path)
    before, _ = tuned(tmp_path, options(), maps, targets)
    for folder in ("maps", "targets"):
        images.write(tmp_path / folder / "c.tif", 1 - images.read(tmp_path / folder / "c.tif"))
    assert tuned(tmp_path, options(), maps, targets)[0] == before
    labels = images.read(tmp_path / "targets/a.tif")
    images.write(tmp_path / "targets/a.tif", np.roll(labels, 7, axis=0) | 1, labels=True)
    assert tuned(tmp_path, options(), maps, targets)[0] != before


def test_the_segmentation_takes_what_was_chosen(tmp_path):
    found, _ = tuned(tmp_path, options(), *folders(tmp_path))
    segment_batch(
        Threshold().model_dump(), tmp_path / "maps", tmp_path / "out", tuned=tmp_path / "tuned.json"
    )
    expected = images.read(tmp_path / "maps/c.tif") > found["values"]["threshold"]
    assert np.array_equal(images.read(tmp_path / "out/c.tif"), expected)
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match=r"other\.json has no `values`.*run it again"):
        segment_batch(
            Threshold().model_dump(), tmp_path / "maps", tmp_path / "no", tuned=tmp_path / "other.json"
        )


def test_less_of_an_error_is_better_and_the_metric_is_of_the_segmentation(tmp_path):
    """`pixel_error` of a map is at 0.5; here the map is the segmentation."""
    chosen = {"metric": "pixel_error", "class": None, "family": "boundaries", "lower_is_better": True}
    maps, targets = folders(tmp_path)
    found, table = tuned(tmp_path, options(**chosen), maps, targets)

    def error(sample, threshold):
        truth = images.read(tmp_path / f"targets/{sample}.tif") > 0
        return np.mean((images.read(tmp_path / f"maps/{sample}.tif") > threshold) != truth)

    means = {t: np.mean([error(sample, t) for sample in "ab"]) for t in THRESHOLDS}
    assert found["values"]["threshold"] == min(means, key=means.get)
    assert dict(zip(table["threshold"], table["mean"], strict=True)) == pytest.approx(means)


def test_scores_of_boundaries_are_of_the_segmentation(tmp_path):
    chosen = {"class": None, "family": "boundaries"}
    maps, targets = folders(tmp_path)
    one, _ = tuned(tmp_path, options(metric="v_rand", **chosen), maps, targets)
    other, _ = tuned(tmp_path, options(metric="v_rand_segmentation", **chosen), maps, targets)
    assert (one["values"], one["mean"]) == (other["values"], other["mean"])


def test_boundaries_are_found_within_the_tolerance_of_the_study(tmp_path):
    chosen = {"metric": "boundary_f", "family": "surface"}
    maps, targets = folders(tmp_path)
    for tolerance in (0.5, 4.0):
        _, table = tuned(tmp_path, options(**chosen, tolerance=tolerance), maps, targets)
        for threshold, mean in zip(table["threshold"], table["mean"], strict=True):
            pairs = [
                [images.read(tmp_path / f"{folder}/{sample}.tif") for folder in ("targets", "maps")]
                for sample in "ab"
            ]
            found = [compare(a > 0, b > threshold, tolerance=tolerance).f for a, b in pairs]
            assert mean == pytest.approx(np.mean(found))


def test_of_equal_values_the_nearest_to_the_configured_one_is_taken(tmp_path):
    images.write(tmp_path / "maps/a.tif", np.float32([[0.1, 0.9]]).repeat(4, axis=0))
    images.write(tmp_path / "targets/a.tif", np.uint8([[0, 1]]).repeat(4, axis=0), labels=True)
    places = [tmp_path / "maps"], [tmp_path / "targets"]
    for configured, expected in ((0.6, 0.6), (0.05, 0.3), (0.95, 0.8)):
        segment = Threshold(threshold=configured).model_dump()
        grid = [["threshold", [0.3, 0.5, 0.8]]]
        found, _ = tuned(tmp_path, options(segment=segment, values=grid, samples=["a"]), *places)
        assert (found["values"]["threshold"], found["mean"]) == (expected, 1)


def test_thresholds_of_objects_are_chosen_together(tmp_path):
    for number, sample in enumerate("ab"):
        mask, marker, truth = tissue(number, (60, 70))
        images.write(tmp_path / f"maps/{sample}.tif", np.stack((mask, marker)))
        images.write(tmp_path / f"targets/{sample}.tif", (truth > 0).astype(np.uint8), labels=True)
        images.write(tmp_path / f"targets/instances/{sample}.tif", truth.astype(np.int32), labels=True)
    grid = {"mask_threshold": [0.2, 0.5], "marker_threshold": [0.3, 0.6], "min_object_area": [10, 60]}
    chosen = options(segment=Watershed().model_dump(), values=list(grid.items()), metric="aji")
    chosen |= {"class": None, "family": "instances", "classes": ["background", "nucleus"]}
    found, table = tuned(tmp_path, chosen, [tmp_path / "maps"], [tmp_path / "targets"])
    means = {}
    for row in table.itertuples(index=False):
        settings = Watershed(**{name: getattr(row, name) for name in grid})
        scores = []
        for number in (0, 1):
            mask, marker, truth = tissue(number, (60, 70))
            scores.append(score(truth, separate(mask, marker, settings)).aji)
        means[tuple(getattr(row, name) for name in grid)] = np.mean(scores)
        assert row.mean == pytest.approx(np.mean(scores))
    assert len(means) == len(table) == 9, "eight combinations and the configured one"
    assert found["mean"] == pytest.approx(max(means.values()))
    assert means[tuple(found["values"].values())] == pytest.approx(found["mean"])


def test_coordinates_try_less_and_end_where_no_option_alone_is_better():
    rng = np.random.default_rng(5)
    heights = rng.random((5, 6, 4))
    grid = tuple(tuple(range(length)) for length in heights.shape)
    search = Search(("a", "b", "c"), grid, (2, 2, 2), by_coordinates=True)
    tried = search_values(search, lambda one: [heights[one]])
    a, b, c = search.best(tried)
    assert heights[a, b, c] == max(*heights[:, b, c], *heights[a, :, c], *heights[a, b])
    assert len(tried) < heights.size
    every = Search(("a", "b", "c"), grid, (2, 2, 2))
    assert heights[every.best(search_values(every, lambda one: [heights[one]]))] == heights.max()


def test_images_without_a_value_are_left_out(tmp_path):
    maps, targets = folders(tmp_path)
    images.write(tmp_path / "targets/b.tif", np.full((40, 49), 255, np.uint8), labels=True)
    found, table = tuned(tmp_path, options(), maps, targets)
    assert set(table["images"]) == {1}
    assert found["mean"] == pytest.approx(max(dice(tmp_path, "a", t) for t in THRESHOLDS))
    with pytest.raises(ValueError, match=r"'dice' has no value on any of the 1 held-out images"):
        tuned(tmp_path, options(samples=["b"]), maps, targets)
    search = Search(("a",), ((0, 1, 2),), (0,))
    assert search.best({(0,): [math.nan], (1,): [0.2, math.nan], (2,): [0.1, 0.2]}) == (1,)


def test_without_held_out_images_nothing_is_chosen(tmp_path):
    with pytest.raises(ValueError, match=r"no held-out image has a label to tune on; put one"):
        tuned(tmp_path, options(samples=[]), *folders(tmp_path))
    assert not (tmp_path / "tuned.json").exists()
