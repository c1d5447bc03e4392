# SPDX-License-Identifier: MIT
"""The family of measures of objects."""

import math

import numpy as np
import pytest

from microtome.metrics import contingency
from microtome.metrics.families import instances, overlap
from microtome.metrics.families._context import Context
from tests.metrics.test_instances import label_pair
from tests.reference import instances as reference

NAMES = {
    *("aji", "aji_plus", "pq", "dq", "sq", "object_f1", "object_precision", "object_recall", "dice"),
    *("truth_objects", "predicted_objects"),
}


def context(truth, segmented, **more):
    classes = (np.asarray(truth) > 0).astype(np.uint8)
    found = (np.asarray(segmented) > 0).astype(np.uint8)
    known = {"truth_instances": truth, "segmented_instances": segmented}
    return Context(classes, found[None].astype(np.float32), found, ["background", "nucleus"], **known | more)


def measured(truth, segmented, **more):
    found = instances.measure(context(truth, segmented, **more))
    assert {m.class_name for m in found} == {"all"}
    values = {m.metric: m.value for m in found}
    assert len(values) == len(found)
    assert set(values) == NAMES
    return values


@pytest.mark.parametrize("seed", range(10))
def test_values_are_those_of_the_definitions(seed):
    """Numbers with gaps and in any order."""
    truth, segmented = label_pair(seed)
    values = measured(truth, segmented)
    assert values["aji"] == pytest.approx(reference.aji(truth, segmented), abs=1e-9)
    assert values["aji_plus"] == pytest.approx(reference.aji_plus(truth, segmented), abs=1e-9)
    expected = reference.panoptic_quality(truth, segmented)
    assert (values["pq"], values["sq"], values["dq"]) == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert values["object_f1"] == values["dq"]
    assert values["dice"] == pytest.approx(
        2 * ((truth > 0) & (segmented > 0)).sum() / ((truth > 0).sum() + (segmented > 0).sum())
    )
    assert values["truth_objects"] == len(np.unique(truth)) - 1
    assert values["predicted_objects"] == len(np.unique(segmented)) - 1


def test_precision_and_recall_by_hand():
    truth = np.array([[1, 1, 0, 2, 2, 0, 3, 3]])
    segmented = np.array([[7, 7, 0, 0, 0, 0, 3, 3]])
    values = measured(truth, segmented)
    assert values["object_precision"] == 1
    assert values["object_recall"] == pytest.approx(2 / 3)
    assert values["object_f1"] == pytest.approx(0.8)


def test_dice_is_that_of_the_overlap_family():
    truth, segmented = label_pair(3)
    both = {
        m.metric: m.value for m in overlap.measure(context(truth, segmented)) if m.class_name == "nucleus"
    }
    assert measured(truth, segmented)["dice"] == pytest.approx(both["dice"])


def test_no_name_is_taken_twice_with_the_overlap_family():
    image = context(*label_pair(0))
    keys = [(m.class_name, m.metric) for family in (instances, overlap) for m in family.measure(image)]
    assert len(keys) == len(set(keys))


def test_an_image_without_objects_has_no_value():
    empty = np.zeros((6, 6), np.int32)
    values = measured(empty, empty)
    counts = {"truth_objects", "predicted_objects"}
    assert all(math.isnan(value) for name, value in values.items() if name not in counts)
    assert all(values[name] == 0 for name in counts)


@pytest.mark.parametrize("missed", [True, False])
def test_objects_on_one_side_alone_score_zero(missed):
    empty, some = np.zeros((6, 6), np.int32), np.arange(36, dtype=np.int32).reshape(6, 6)
    values = measured(some, empty) if missed else measured(empty, some)
    assert math.isnan(values["sq"])
    scores = NAMES - {"sq", "truth_objects", "predicted_objects"}
    assert all(values[name] == 0 for name in scores)
    assert values["truth_objects" if missed else "predicted_objects"] == 35


def test_unlabelled_pixels_belong_to_no_object():
    truth, segmented = label_pair(5)
    ignored = np.zeros(truth.shape, bool)
    ignored[:, :9] = True
    image = context(truth, segmented)
    image = Context(
        np.where(ignored, 255, image.truth).astype(np.uint8),
        image.probability,
        image.segmentation,
        image.classes,
        truth_instances=truth,
        segmented_instances=segmented,
    )
    found = {m.metric: m.value for m in instances.measure(image)}
    cut = measured(np.where(ignored, 0, truth), np.where(ignored, 0, segmented))
    assert found == pytest.approx(cut, nan_ok=True)
    assert found != measured(truth, segmented)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("truth_instances", "the target has no map of objects"),
        ("segmented_instances", "segment.kind watershed"),
    ],
)
def test_a_missing_map_of_objects_is_named(missing, message):
    with pytest.raises(ValueError, match=message):
        instances.measure(context(*label_pair(0), **{missing: None}))


def test_pixels_are_passed_over_once(monkeypatch):
    passes = []
    counted = contingency.overlap_table
    monkeypatch.setattr(contingency, "overlap_table", lambda *maps: passes.append(1) or counted(*maps))
    instances.measure(context(*label_pair(2)))
    assert len(passes) == 1
