# SPDX-License-Identifier: MIT
"""Windows with their surroundings, steps in an order, intensities that are cut, targets beyond the border."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage

from microtome.class_maps import IGNORE
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.io.raster import ArraySource
from microtome.training.augment import augment, without
from microtome.training.batches import PatchBatches
from microtome.training.geometry import MOVES, unmoved
from microtome.training.labelled import Labelled, Surroundings
from microtome.training.tasks import SoftmaxTask
from tests.training.problems import prepared

PAPER = {
    "rotation": 180.0,
    "horizontal_flip": 0.5,
    "vertical_flip": 0.5,
    "intensity_shift": 20 / 255,
    "scale": (0.9, 1.1),
    "shear": 0.2,
    "speckle": 0.2,
}
GEOMETRY = {name: PAPER[name] for name in ("rotation", "horizontal_flip", "vertical_flip", "scale", "shear")}
ORDER = tuple(PAPER)


def ramp(side, count=3):
    """Images whose two channels say row and column, as fractions of 1000."""
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (torch.stack([rows, columns]).float() / 1000).expand(count, 2, side, side).contiguous()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    side=st.integers(4, 40),
    rotation=st.sampled_from([0.0, 20.0, 180.0]),
    low=st.sampled_from([0.5, 0.9, 1.0, 1.3]),
    shear=st.sampled_from([0.0, 0.2, 0.6]),
    translate=st.sampled_from([0.0, 0.3]),
    ordered=st.booleans(),
)
def test_geometry_looks_no_farther_than_its_reach(seed, side, rotation, low, shear, translate, ordered):
    """Of an image that says where it is, every pixel is one of a plane: none is mirrored."""
    order = ("shear", "rotation", "translate", "scale", "horizontal_flip") if ordered else ()
    chosen = Augment(
        rotation=rotation,
        scale=(low, low + 0.2),
        shear=shear,
        translate=translate,
        horizontal_flip=0.5,
        margin=True,
        order=order,
    )
    margin = chosen.reach(side)
    images = ramp(side + 2 * margin)
    found, _ = augment(images, images[:, :1], chosen, seed=seed, margin=margin)
    assert found.shape[-2:] == (side, side)
    for axis in (2, 3):  # second differences of a linear map are 0, at a fold they are not
        assert float(found.diff(n=2, dim=axis).abs().max()) < 2e-5


def test_the_reach_is_needed():
    chosen = Augment(**GEOMETRY, margin=True)
    margin = chosen.reach(256)
    assert margin == 118
    folded = []
    for less in (0, 60):
        images = ramp(256 + 2 * (margin - less), count=24)
        found, _ = augment(images, images[:, :1], chosen, seed=1, margin=margin - less)
        folded.append(float(found.diff(n=2, dim=3).abs().max()))
    assert folded[0] < 2e-5 < 1e-3 < folded[1]


def test_deformations_have_room():
    chosen = Augment(elastic_alpha=60.0, elastic_sigma=6.0, margin=True)
    margin = chosen.reach(48)
    assert 5 < margin < 12
    images = ramp(48 + 2 * margin, count=8)
    found, _ = augment(images, images[:, :1], chosen, seed=2, margin=margin)
    places = without(images, margin)
    assert float((found - places).abs().max()) < margin / 1000
    assert Augment(elastic_alpha=3.0, elastic_sigma=0.1, margin=True).reach(48) == 3


def test_without_margin_the_same_draws_give_the_same_middle():
    """Where a window has no need of its surroundings, they change nothing."""
    images = torch.rand(4, 1, 40, 40)
    labels = torch.randint(0, 5, (4, 1, 40, 40))
    chosen = Augment(horizontal_flip=0.5, rotate90=0.5, brightness=0.1)
    wide = augment(images, labels, chosen, seed=3, margin=5)
    alone = augment(without(images, 5), without(labels, 5), chosen, seed=3)
    assert all(torch.equal(one, other) for one, other in zip(wide, alone, strict=True))


def test_a_margin_that_leaves_nothing_is_refused():
    images = torch.rand(1, 1, 8, 8)
    with pytest.raises(ValueError, match="margin of 4 of images"):
        augment(images, images, Augment(), seed=0, margin=4)


def compose(names, options, seed):
    """The drawn maps multiplied by NumPy, in the order given: the position that each corner comes from."""
    generator = torch.Generator().manual_seed(seed)
    total = np.eye(2)
    for name in names:
        total = MOVES[name](1, torch.Size([9, 9]), options, generator).forward[0].numpy() @ total
    return np.linalg.inv(total)


@pytest.mark.parametrize("names", [("rotation", "shear"), ("shear", "rotation"), tuple(GEOMETRY)])
def test_steps_follow_each_other_as_listed(names):
    """One resampling of SciPy by the product of what each step drew."""
    options = Augment(**{name: GEOMETRY[name] for name in names}, order=names)
    image = np.random.default_rng(0).random((61, 61))
    image = ndimage.gaussian_filter(image, 3)
    given_ = torch.from_numpy(image)[None, None].float()
    found, _ = augment(given_, given_, options, seed=7)
    inverse = compose(names, options, seed=7)
    offset = 30 - inverse @ np.array([30, 30])
    expected = ndimage.affine_transform(image, inverse, offset=offset, order=1, mode="mirror")
    assert np.abs(found[0, 0].numpy() - expected).max() < 1e-4


def test_shear_after_rotation_keeps_the_axes_of_the_result():
    """Sheared last by the same draw, columns of the result are those of the rotated image moved along it."""
    generator = torch.Generator().manual_seed(0)
    options = Augment(rotation=90.0, shear=0.3)
    turn, shear = (MOVES[name](2, torch.Size([4, 4]), options, generator) for name in ("rotation", "shear"))
    both = unmoved(2).then(turn).then(shear)
    assert torch.allclose(both.forward, shear.forward @ turn.forward)
    assert not torch.allclose(both.forward, turn.forward @ shear.forward)


def test_intensities_before_the_last_geometry_are_resampled_with_it():
    """An image that is bright everywhere is cut before it is turned, and speckled after it."""
    images = torch.full((6, 1, 32, 32), 0.97)
    shifted = Augment(
        intensity_shift=0.08, rotation=45.0, order=("intensity_shift", "rotation"), intensity_clip="bright"
    )
    found, _ = augment(images, images, shifted, seed=0)
    assert float(found.max()) == pytest.approx(1.0, abs=1e-6)
    assert (found.std((1, 2, 3)) < 1e-6).all()
    speckled = Augment(speckle=0.5, rotation=45.0, order=("rotation", "speckle"))
    smooth = Augment(speckle=0.5, rotation=45.0, order=("speckle", "rotation"))
    half = torch.full((6, 1, 32, 32), 0.5)
    noise, mixed = (augment(half, half, one, seed=5)[0].std() for one in (speckled, smooth))
    assert mixed < 0.9 * noise  # interpolation averages the noise


@pytest.mark.parametrize(
    ("clip", "low", "high"), [("both", 0.0, 1.0), ("bright", -0.05, 1.0), ("none", -0.05, 1.05)]
)
@pytest.mark.parametrize("order", [(), ("intensity_shift",)])
def test_intensities_are_cut_at_the_ends_asked_for(clip, low, high, order):
    images = torch.cat([torch.zeros(40, 1, 2, 2), torch.ones(40, 1, 2, 2)])
    chosen = Augment(intensity_shift=0.05, intensity_clip=clip, order=order)
    found, _ = augment(images, images, chosen, seed=0)
    assert float(found.min()) == pytest.approx(low, abs=0.004)
    assert float(found.max()) == pytest.approx(high, abs=0.004)


@pytest.mark.parametrize("border", ["reflect", "zero"])
def test_targets_beyond_the_border_are_no_labels(border):
    """They are where an image of ones is 0 by interpolation, or less than half along an axis."""
    labels = torch.ones(3, 1, 40, 40, dtype=torch.uint8)
    chosen = {"rotation": 45.0, "scale": (0.7, 0.8)}
    _, found = augment(labels.float(), labels, Augment(**chosen, border=border, target_fill="ignore"), seed=1)
    soft, _ = augment(labels.float(), labels, Augment(**chosen, border="zero"), seed=1)
    assert set(found.unique().tolist()) == {1, IGNORE}
    # of a pixel t beyond the border, (1 - t) is left of it along each axis; the nearest one is inside to ½
    assert (soft[found == 1] >= 0.25 - 1e-4).all()
    assert (found[soft > 0.5 + 1e-4] == 1).all()
    assert (found == IGNORE).float().mean() > 0.05


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rotation": 5, "shear": 0.1, "order": ["rotation"]}, "names each step once, shear"),
        ({"rotation": 5, "order": ["rotation", "rotation"]}, "none of them twice"),
        ({"rotation": 5, "elastic_alpha": 3, "order": ["rotation"]}, "elastic_alpha 0 beside an order"),
        ({"order": ["zoom"]}, "order"),
        ({"target_fill": "ignore", "target_rounding": "floor"}, "target_rounding nearest"),
        ({"intensity_clip": "dark"}, "intensity_clip"),
    ],
)
def test_options_that_do_not_fit_together(options, match):
    with pytest.raises(ValidationError, match=match):
        Augment(**options)


def test_steps_that_are_listed_and_off_draw_nothing():
    images = torch.rand(2, 1, 16, 16)
    on = {"rotation": 30.0, "order": ("rotation",)}
    off = {"rotation": 30.0, "order": ("speckle", "shear", "rotation", "stain")}
    results = [augment(images, images, Augment(**one), seed=2)[0] for one in (on, off)]
    assert torch.equal(*results)


def placed(height=60, width=50):
    """An image that says where it is, all of one class."""
    image = 1000.0 * np.arange(height)[:, None] + np.arange(width)
    return {
        "a": Labelled(ArraySource(image.astype(np.float32)), ArraySource(np.zeros((height, width), np.uint8)))
    }


def test_windows_come_with_what_surrounds_them():
    around = Surroundings(margin=4, mirrors_labels=False)
    windows = [("a", 20, 16, 16), ("a", 0, 0, 16), ("a", 44, 34, 16)]
    plain, wide = (
        list(PatchBatches(placed(), windows, 1, 8, seed=3, around=one).epoch(2))
        for one in (Surroundings(), around)
    )
    for alone, batch in zip(plain, wide, strict=True):
        assert batch.images.shape == (1, 1, 16, 16)
        assert batch.margin == 4
        assert torch.equal(without(batch.images, 4), alone.images)
        rows, columns = alone.images[0, 0, 0, 0] // 1000 - 4, alone.images[0, 0, 0, 0] % 1000 - 4
        rows, columns = (start + torch.arange(16) for start in (rows, columns))
        inside = ((rows >= 0) & (rows < 60))[:, None] & ((columns >= 0) & (columns < 50))
        assert torch.equal(batch.labels[0, 0] == 0, inside)
        assert (batch.labels[0, 0][~inside] == IGNORE).all()
        assert torch.equal(batch.images[0, 0][inside], (1000 * rows[:, None] + columns)[inside])


@pytest.mark.parametrize("copies", [None, 1])
@pytest.mark.parametrize("seed", [None, 0])
def test_tasks_cut_the_surroundings_off(copies, seed):
    """Augmented or not, and of fixed copies too."""
    chosen = Augment(rotation=180.0, margin=True)
    around = Surroundings(chosen.reach(16))
    source = PatchBatches(placed(), [("a", 20, 16, 16)], 4, copies=copies, around=around)
    (batch,) = source.epoch(0)
    found = prepared(SoftmaxTask(Input(scale=1, mean=0, std=1), chosen), batch, seed=seed)
    assert found.inputs.shape[-2:] == found.target.shape[-2:] == (16, 16)
    if copies is None and seed is None:
        assert float(found.inputs[0, 0, 0, 0]) == 20_016
    assert math.isclose(float(found.inputs[0, 0].mean()), 27_523.5, rel_tol=1e-4)
