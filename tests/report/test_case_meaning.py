# SPDX-License-Identifier: MIT
"""Worst cases: what is bright in a map is white in the truth beside it, whatever the order of the classes."""

import numpy as np
import pytest

from microtome.config.colors import class_colors
from tests.report.test_object_pictures import pictures_of


@pytest.mark.parametrize(
    ("classes", "bright", "of"),
    [
        (("membrane", "cell"), "cell", "membrane"),
        (("normal", "melanoma"), "melanoma", "melanoma"),
        (("tumor", "normal"), "tumor", "tumor"),
    ],
)
def test_a_map_is_of_the_class_that_is_white(tmp_path, classes, bright, of):
    likely = np.array([[[0.9, 0.9, 0.1, 0.1, 0.1, 0.1]] * 6], np.float32)  # of the second class
    colors = class_colors(classes)
    cases, found = pictures_of(tmp_path, likely, "sigmoid", colors, objects=False)
    shown = found["best run: U"][3].mean(axis=-1)
    expected = likely[0, 3] if bright == classes[1] else 1 - likely[0, 3]
    assert np.abs(shown / 255 - expected).max() < 0.1
    assert colors[bright] == "#FFFFFF"
    assert f"probability of {bright}," in cases.legend
    assert f"wrongly taken for {of} is vermillion" in cases.legend
