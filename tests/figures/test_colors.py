# SPDX-License-Identifier: MIT
"""One palette of classes."""

import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from microtome.config.colors import COLORS, class_colors, neutral_color, rgb_bytes
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.classes import error_map, legend_size, patch
from microtome.figures.parts.colors import UNLABELLED
from microtome.figures.parts.style import DOUBLE_COLUMN

SEEN = {
    "normal": np.eye(3),
    "protanope": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranope": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
"""What eyes see of linear RGB (Machado et al. 2009, severity 1)."""
NOTICED = 10
"""CIEDE2000 between colours that are told apart at a glance."""


def seen(colors, eyes):
    """Lab (N, 3) of colours as some eyes see them."""
    rgb = np.array([rgb_bytes(color) for color in colors]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.array(SEEN[eyes]).T, 0, 1)
    return rgb2lab(np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)[None])[
        0
    ]


@pytest.mark.parametrize("eyes", list(SEEN))
def test_a_background_and_twelve_classes_are_told_apart(eyes):
    colors = [*class_colors([f"class {index}" for index in range(13)]).values(), UNLABELLED]
    lab = seen(colors, eyes)
    between = deltaE_ciede2000(lab[:, None], lab[None])
    assert between[~np.eye(len(colors), dtype=bool)].min() > NOTICED


def test_past_twelve_the_palette_comes_again_lighter_then_darker():
    colors = list(class_colors([f"class {index}" for index in range(37)]).values())
    assert len(set(colors)) == 37
    lightness = [seen(colors[start : start + 12], "normal")[:, 0] for start in (1, 13, 25)]
    assert (lightness[1] > lightness[0]).all()
    assert (lightness[2] < lightness[0]).all()


def test_the_background_is_black_wherever_it_stands():
    assert class_colors(["tumor", "Background", "stroma"]) == {
        "tumor": COLORS[0],
        "Background": "#000000",
        "stroma": COLORS[1],
    }


def test_a_class_has_its_colour_whichever_others_are_given():
    names = ["background", "a", "b", "c"]
    assert class_colors(names, {"b": "#010203"}) == class_colors(names) | {"b": "#010203"}


@pytest.mark.parametrize("grey", ["#e0e0e0", "#ffffff", "#f8f8f0", "#777777"])
def test_what_is_right_is_not_taken_for_a_class(grey):
    colors = ["#000000", grey, "#7030a0"]
    neutral = np.array(rgb_bytes(neutral_color(colors)))
    assert min(np.linalg.norm(neutral - rgb_bytes(color)) for color in colors) > 60


def test_two_classes_are_black_and_white():
    assert list(class_colors(["membrane", "cell"]).values()) == ["#000000", "#FFFFFF"]


def test_errors_keep_the_class_that_was_given():
    found = error_map(np.array([[0, 1, 2, 2]]), np.array([[0, 2, 2, 255]]), 3)
    assert found.tolist() == [[3, 1, 3, 255]]


def test_a_legend_of_many_classes_has_rows():
    handles = [patch("#000000", f"a class with a long name {index}") for index in range(13)]
    columns, height = legend_size(handles, DOUBLE_COLUMN)
    assert (columns, round(height / 0.17)) == (4, 4)


def test_the_background_is_known_however_it_is_written():
    inputs = FigureInputs(runs=[], data_kind="own", classes=("Background", "nucleus", "stroma"))
    assert inputs.shown_class == "nucleus"
    assert inputs.palette["Background"] == "#000000"
