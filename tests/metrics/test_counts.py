# SPDX-License-Identifier: MIT
"""Counts of pixels by class and outcome, against labels and against complete ones."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import multilabel_confusion_matrix

from microtome.metrics.families import counts
from microtome.metrics.families._context import Context
from microtome.metrics.undefined import UndefinedMetricError

CLASSES = ["background", "nest", "ring", "aspecific"]


@pytest.fixture
def image():
    rng = np.random.default_rng(3)
    full = rng.integers(0, 3, (20, 30)).astype(np.uint8)
    truth = np.where(rng.random(full.shape) < 0.58, full, 255).astype(np.uint8)
    segmentation = np.where(rng.random(full.shape) < 0.7, full, rng.integers(0, 4, full.shape))
    maps = np.zeros((4, *full.shape), np.float32)
    return Context(truth, maps, segmentation.astype(np.uint8), CLASSES, full=full)


def expected(truth, segmentation):
    """By class, as scikit-learn counts; a class without any pixel in the truth among them."""
    known = truth != 255
    tables = multilabel_confusion_matrix(truth[known], segmentation[known], labels=range(len(CLASSES)))
    names = ("tn", "fp", "fn", "tp")
    return {
        (c, m): v for c, t in zip(CLASSES, tables, strict=True) for m, v in zip(names, t.ravel(), strict=True)
    }


def test_counts_are_of_the_labelled_pixels_and_of_all_where_labels_are_complete(image):
    found = {(m.class_name, m.metric): m.value for m in counts.measure(image)}
    ours, full = (expected(t, image.segmentation) for t in (image.truth, image.full))
    assert found == ours | {(name, f"full_{metric}"): value for (name, metric), value in full.items()}
    assert sum(found["nest", f"full_{name}"] for name in ("tp", "fp", "fn", "tn")) == 600


def test_without_complete_labels_there_are_no_counts_against_them(image):
    found = {m.metric for m in counts.measure(replace(image, full=None))}
    assert found == {"tp", "fp", "fn", "tn"}


def test_an_image_without_labels_has_no_counts(image):
    with pytest.raises(UndefinedMetricError, match="none of 600 pixels is labelled"):
        counts.measure(replace(image, truth=np.full_like(image.truth, 255), full=None))
