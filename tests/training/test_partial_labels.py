# SPDX-License-Identifier: MIT
"""A share of the labels of each training image, in whole squares, and what is learnt of the rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.class_maps import IGNORE
from microtome.config.training import Learn
from microtome.io.raster import ArraySource
from microtome.training.labelled import Labelled
from microtome.training.partial_labels import PartialLabels, drawn, learn_part, shares_learnt

CLASSES = ("rest", "nest", "ring")


def label(height=130, width=97, share=0.6, seed=0):
    """Classes in squares of 7 pixels, of which a share is labelled."""
    generator = np.random.default_rng(seed)
    squares = -(-height // 7), -(-width // 7)
    classes = np.where(generator.random(squares) < share, generator.integers(0, 3, squares), IGNORE)
    return np.kron(classes, np.ones((7, 7), int))[:height, :width].astype(np.uint8)


def images(*labels):
    return {f"s{number}": Labelled(ArraySource(one), ArraySource(one)) for number, one in enumerate(labels)}


def whole(source):
    return source.read(0, 0, *source.shape[1:])[0]


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.01, 0.99), block=st.integers(1, 40), seed=st.integers(0, 9))
def test_whole_squares_are_learnt_or_not(share, block, seed):
    given_ = images(label(seed=seed))
    found = learn_part(given_, Learn(share=share, block=block, seed=seed), CLASSES)["s0"]
    labels, learnt = label(seed=seed), whole(found.label)
    for y in range(0, labels.shape[0], block):
        for x in range(0, labels.shape[1], block):
            square = slice(y, y + block), slice(x, x + block)
            kept = np.array_equal(learnt[square], labels[square])
            assert kept or (learnt[square] == IGNORE).all()
    largest = min(block**2, labels.size)
    wanted = share * (labels != IGNORE).sum()
    assert abs((learnt != IGNORE).sum() - wanted) <= largest
    assert (learnt != IGNORE).any()
    assert found.image is given_["s0"].image


def test_a_smaller_share_is_part_of_a_larger_one():
    before = np.zeros(1, bool)
    for share in (0.05, 0.2, 0.6, 1.0):
        learnt = drawn(ArraySource(label()), Learn(share=share, block=8), "a")
        assert (learnt >= before).all()
        before = learnt
    others = [
        drawn(ArraySource(label()), Learn(share=0.2, block=8, seed=s), n) for s, n in ((0, "b"), (1, "a"))
    ]
    assert all(
        not np.array_equal(one, drawn(ArraySource(label()), Learn(share=0.2, block=8), "a")) for one in others
    )


def test_a_share_of_all_pixels():
    labels = label(280, 280, share=0.58)
    learnt = learn_part(images(labels), Learn(share=0.2, of="pixels", block=7), CLASSES)
    assert (whole(learnt["s0"].label) != IGNORE).mean() == pytest.approx(0.2, abs=0.001)
    most = learn_part(images(labels), Learn(share=0.9, of="pixels", block=7), CLASSES)
    assert np.array_equal(whole(most["s0"].label), labels)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_what_is_not_learnt_counts_as_a_class(share):
    labels = label()
    left_out, filled = (
        whole(learn_part(images(labels), Learn(share=share, block=16, fill=fill), CLASSES)["s0"].label)
        for fill in (None, "ring")
    )
    expected = np.where(left_out == IGNORE, 2, left_out)
    assert np.array_equal(filled, expected)
    assert filled.dtype == np.uint8
    assert IGNORE not in filled


def test_windows_are_those_of_the_whole():
    labels = label()
    part = PartialLabels(ArraySource(labels), drawn(ArraySource(labels), Learn(share=0.4, block=9), "a"), 9)
    everything = whole(part)
    for y, x, height, width in ((0, 0, 5, 5), (13, 40, 31, 57), (100, 3, 30, 1)):
        assert np.array_equal(part.read(y, x, height, width)[0], everything[y : y + height, x : x + width])
    assert part.shape == (1, *labels.shape)
    assert part.dtype == np.uint8


def test_all_is_left_alone_and_counts_are_told():
    given_ = images(label(), label(40, 60, seed=1))
    assert learn_part(given_, Learn(), CLASSES) == given_
    assert shares_learnt(learn_part(given_, Learn(fill="rest"), CLASSES))["learnt"] == sum(
        int((whole(one.label) != IGNORE).sum()) for one in given_.values()
    )
    part = learn_part(given_, Learn(share=0.3, block=5), CLASSES)
    told = shares_learnt(part)
    assert told["pixels"] == 130 * 97 + 40 * 60
    assert told["labelled"] == sum(int((whole(one.label) != IGNORE).sum()) for one in given_.values())
    assert told["learnt"] == sum(int((whole(one.label) != IGNORE).sum()) for one in part.values())
    assert told["learnt"] == pytest.approx(0.3 * told["labelled"], rel=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_a_square_with_labels_is_always_learnt(seed):
    """However few squares have some, and however small the share is."""
    labels = np.full((80, 80), IGNORE, np.uint8)
    labels[32:40, 48:56] = 1
    learnt = learn_part(images(labels), Learn(share=0.3, block=8, seed=seed), CLASSES)["s0"]
    assert np.array_equal(whole(learnt.label), labels)
    assert learnt.label.learnt.sum() == 1


def test_an_image_without_labels_learns_nothing():
    nothing = images(np.full((20, 20), IGNORE, np.uint8))
    assert (whole(learn_part(nothing, Learn(share=0.5), CLASSES)["s0"].label) == IGNORE).all()
