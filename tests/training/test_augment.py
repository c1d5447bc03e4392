# SPDX-License-Identifier: MIT
"""Augmentation: image and target stay together, seeds decide, the rest of the program is not disturbed."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from microtome.config.augment import Augment
from microtome.training import draws, intensity
from microtome.training.augment import augment
from microtome.training.intensity import HED
from microtome.training.resampling import require_masks, round_targets

GEOMETRY = {
    "horizontal_flip": {"horizontal_flip": 0.5},
    "vertical_flip": {"vertical_flip": 0.5},
    "rotate90": {"rotate90": 1.0},
    "rotation": {"rotation": 180.0},
    "scale": {"scale": (0.7, 1.4)},
    "translate": {"translate": 0.2},
    "shear": {"shear": 0.2},
    "elastic": {"elastic_alpha": 200.0, "elastic_sigma": 6.0},
    "all": {
        "horizontal_flip": 0.5,
        "vertical_flip": 0.5,
        "rotate90": 0.5,
        "rotation": 30.0,
        "scale": (0.9, 1.1),
        "translate": 0.1,
        "shear": 0.1,
        "elastic_alpha": 60.0,
    },
}
INTENSITY = {
    "brightness": 0.3,
    "contrast": 0.3,
    "gamma": 0.4,
    "intensity_shift": 0.1,
    "blur_sigma": 2.0,
    "speckle": 0.2,
    "gaussian_noise": 0.1,
}


def smooth(shape, seed=0, sigma=6.0):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), (0, 0, sigma, sigma))
    noise = (noise - noise.min()) / (noise.max() - noise.min())
    return torch.from_numpy(noise.astype(np.float32))


@pytest.mark.parametrize("name", GEOMETRY)
@pytest.mark.parametrize("size", [(65, 65), (64, 64)])
def test_targets_go_where_images_go(name, size):
    """A smooth image and its own copy as target stay within the half pixel of nearest sampling."""
    image = smooth((4, 1, *size))
    labels = (image * 1000).round().long()
    images, targets = augment(image, labels, Augment(**GEOMETRY[name]), seed=3)
    assert (images != image).any()
    steepest = max(float(image.diff(dim=axis).abs().max()) for axis in (2, 3))
    assert float((images - targets / 1000).abs().max()) < steepest + 1e-3
    assert targets.dtype == torch.int64
    assert set(targets.unique().tolist()) <= set(labels.unique().tolist())


@pytest.mark.parametrize("name", GEOMETRY)
def test_labels_overlap_their_image(name):
    image = (smooth((4, 1, 80, 80), seed=1) > 0.5).float()
    images, targets = augment(image, image.to(torch.uint8), Augment(**GEOMETRY[name]), seed=8)
    found, expected = images > 0.5, targets > 0
    assert (found == expected).float().mean() > 0.995
    assert targets.dtype == torch.uint8


@given(seed=st.integers(0, 2**32), channels=st.sampled_from([1, 3, 16]), height=st.integers(5, 24))
@settings(max_examples=15, deadline=None)
def test_shapes_and_types_hold(seed, channels, height):
    image = torch.rand(2, channels, height, height + 3, generator=torch.Generator().manual_seed(seed))
    target = torch.randint(0, 5, (2, 2, height, height + 3))
    chosen = Augment(**(GEOMETRY["all"] | {"rotate90": 0.0} | INTENSITY))
    images, targets = augment(image, target, chosen, seed=seed)
    assert (images.shape, images.dtype) == (image.shape, image.dtype)
    assert (targets.shape, targets.dtype) == (target.shape, target.dtype)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    assert set(targets.unique().tolist()) <= set(range(5))


def test_seeds_decide_alone():
    image, everything = smooth((3, 1, 48, 48)), Augment(**(GEOMETRY["all"] | INTENSITY))
    state = torch.random.get_rng_state()
    first = augment(image, image, everything, seed=1)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.manual_seed(99)
    again = augment(image, image, everything, seed=1)
    other = augment(image, image, everything, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_images_of_a_batch_differ():
    image = smooth((1, 1, 48, 48)).repeat(4, 1, 1, 1)
    images, _ = augment(image, image, Augment(rotation=90.0), seed=0)
    assert len({tuple(i.flatten().tolist()) for i in images}) == 4


def test_off_returns_the_tensors_themselves():
    image, target = torch.rand(2, 1, 8, 9), torch.zeros(2, 1, 8, 9)
    images, targets = augment(image, target, Augment(), seed=0)
    assert images is image
    assert targets is target


def test_callers_tensors_stay():
    image, labels = smooth((2, 1, 32, 32)), torch.randint(0, 9, (2, 1, 32, 32))
    copies = image.clone(), labels.clone()
    augment(image, labels, Augment(**(GEOMETRY["all"] | INTENSITY)), seed=0)
    assert torch.equal(image, copies[0])
    assert torch.equal(labels, copies[1])


def test_flips_and_turns_are_exact():
    image = torch.rand(60, 1, 5, 5)
    images, _ = augment(image, image, Augment(horizontal_flip=0.5, vertical_flip=0.5, rotate90=0.5), seed=0)
    kinds = set()
    for before, after in zip(image[:, 0], images[:, 0], strict=True):
        orbit = [torch.rot90(f, k) for f in (before, before.flip(1)) for k in range(4)]
        kinds |= {number for number, candidate in enumerate(orbit) if torch.equal(candidate, after)}
        assert any(torch.equal(candidate, after) for candidate in orbit)
    assert kinds == set(range(8))


def test_rotation_follows_scipy():
    """A single rotation equals the resampling of an independent library, for some sign of the drawn angle."""
    image = smooth((1, 1, 61, 61), sigma=4.0)
    images, _ = augment(image, image, Augment(rotation=40.0), seed=4)
    angle = (torch.rand(1, generator=torch.Generator().manual_seed(4)).item() * 2 - 1) * 40
    expected = [
        ndimage.rotate(image[0, 0].numpy(), a, reshape=False, order=1, mode="mirror") for a in (angle, -angle)
    ]
    error = min(float(np.abs(images[0, 0].numpy() - e).max()) for e in expected)
    assert error < 1e-3


def test_scale_magnifies():
    image = torch.zeros(1, 1, 41, 41)
    image[..., 15:26, 15:26] = 1
    _, larger = augment(image, image, Augment(scale=(2.0, 2.0)), seed=0)
    assert float(larger.sum()) == pytest.approx(4 * 121, rel=0.1)


@pytest.mark.parametrize("name", INTENSITY)
def test_intensities_change_images_only(name):
    image = 0.25 + 0.5 * smooth((3, 2, 40, 40))
    images, targets = augment(image, image, Augment(**{name: INTENSITY[name]}), seed=1)
    assert targets is image
    assert (images != image).any()
    assert 0 <= float(images.min()) <= float(images.max()) <= 1


def test_noise_has_the_strength_drawn():
    image = torch.full((200, 1, 40, 40), 0.5)
    images, _ = augment(image, image, Augment(gaussian_noise=0.1), seed=0)
    spread = images.std((1, 2, 3))
    assert float(spread.max()) < 0.105
    assert float(spread.mean()) == pytest.approx(0.05, abs=0.008)
    speckled, _ = augment(image, image, Augment(speckle=0.2), seed=0)
    assert float(speckled.std((1, 2, 3)).mean()) == pytest.approx(0.5 * 0.1, abs=0.008)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"horizontal_flip": 1.5}, "horizontal_flip"),
        ({"rotation": -1.0}, "rotation"),
        ({"shear": 1.6}, "shear"),
        ({"scale": (1.2, 0.8)}, "found 1.2 to 0.8, expected the smallest"),
        ({"elastic_sigma": 0.0}, "elastic_sigma"),
        ({"target_fill": "zero"}, "target_fill"),
        ({"border": "wrap"}, "border"),
        ({"target_rounding": "ceil"}, "target_rounding"),
        ({"stain": -0.1}, "stain"),
    ],
)
def test_settings_out_of_range_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        Augment(**options)


@pytest.mark.parametrize("sigma", [0.001, 0.7, 2.5, 9.0])
@pytest.mark.parametrize("size", [(33, 20), (1, 7)])
def test_blur_is_that_of_scipy(sigma, size):
    images = torch.rand(2, 3, *size, dtype=torch.float64)
    widths = torch.tensor([sigma, sigma / 2]).clamp(min=0.001).double()
    found = intensity.blurred(images, *intensity.gaussians(widths, size))
    reach = [min(math.ceil(3 * sigma), length - 1) for length in size]
    for image, blurred, width in zip(images, found, (sigma, max(sigma / 2, 0.001)), strict=True):
        expected = ndimage.gaussian_filter(image.numpy(), width, axes=(1, 2), radius=reach, mode="mirror")
        np.testing.assert_allclose(blurred.numpy(), expected, rtol=1e-6)


def test_batches_that_do_not_fit_are_refused():
    image = torch.rand(2, 1, 8, 9)
    with pytest.raises(ValueError, match="of one size"):
        augment(image, torch.rand(2, 1, 8, 8), Augment(), seed=0)
    with pytest.raises(ValueError, match="floating point"):
        augment(image.to(torch.uint8), image, Augment(), seed=0)
    with pytest.raises(ValueError, match="square"):
        augment(image, image, Augment(rotate90=0.5), seed=0)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    chances=st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * 3),
    count=st.integers(1, 6),
)
def test_flips_and_turns_are_those_of_the_whole_batch_bit_for_bit(seed, chances, count):
    """Only the images drawn are changed; the oracle changes all and picks."""
    horizontal, vertical, turned = chances
    images = torch.rand(count, 2, 6, 6, generator=torch.Generator().manual_seed(seed))
    targets = (images[:, :1] * 9).to(torch.int64)
    settings_ = Augment(horizontal_flip=horizontal, vertical_flip=vertical, rotate90=turned)
    generator, expected = torch.Generator().manual_seed(seed), [images.clone(), targets.clone()]

    def pick(chosen, change):
        expected[:] = [torch.where(chosen.view(-1, 1, 1, 1), change(batch), batch) for batch in expected]

    if horizontal:
        pick(torch.rand(count, generator=generator) < horizontal, lambda batch: batch.flip(3))
    if vertical:
        pick(torch.rand(count, generator=generator) < vertical, lambda batch: batch.flip(2))
    if turned:
        chosen = torch.rand(count, generator=generator) < turned
        turns = torch.randint(1, 4, (count,), generator=generator) * chosen
        for quarter in (1, 2, 3):
            pick(turns == quarter, lambda batch, quarter=quarter: batch.rot90(quarter, (2, 3)))
    before = images.clone(), targets.clone()
    found = augment(images, targets, settings_, seed=seed)
    assert all(map(torch.equal, found, expected))
    assert all(batch.is_contiguous() for batch in found)
    assert all(map(torch.equal, (images, targets), before))


def shifted_by(monkeypatch, rows, columns):
    """Let every warp sample so many pixels below and to the right."""
    affine = draws.affine

    def moved(count, size, settings, generator):
        placed = affine(count, size, Augment(), generator)
        return placed._replace(shift=placed.shift - torch.tensor([rows, columns]))

    monkeypatch.setattr(draws, "affine", moved)


def square(low=6, high=14, size=20):
    labels = torch.zeros(1, 1, size, size, dtype=torch.uint8)
    labels[..., low:high, low:high] = 1
    return labels


WARPS = {"rotation": 1.0}
"""Something that interpolates; what it does is replaced by a shift."""


@pytest.mark.parametrize(
    ("rounding", "rows", "columns"),
    [
        ("floor", (6, 13), (6, 14)),
        ("round", (5, 14), (6, 14)),
    ],
)
def test_half_a_pixel_erodes_or_keeps_what_is_half_covered(monkeypatch, rounding, rows, columns):
    """Half a pixel down: the first and last row of the square are half covered."""
    shifted_by(monkeypatch, 0.5, 0.0)
    labels = square()
    _, found = augment(labels.float(), labels, Augment(**WARPS, target_rounding=rounding), seed=0)
    expected = torch.zeros_like(labels)
    expected[..., rows[0] : rows[1], columns[0] : columns[1]] = 1
    assert torch.equal(found, expected)
    assert found.dtype == labels.dtype


@pytest.mark.parametrize("rounding", ["nearest", "floor", "round"])
def test_whole_pixels_leave_every_rounding_alike(monkeypatch, rounding):
    shifted_by(monkeypatch, -2.0, 3.0)
    labels = square()
    images, found = augment(labels.float(), labels, Augment(**WARPS, target_rounding=rounding), seed=0)
    assert torch.equal(found, labels.roll((2, -3), (2, 3)))
    assert torch.allclose(images, found.float(), atol=1e-5)


@given(seed=st.integers(0, 2**32), angle=st.floats(1, 90))
@settings(max_examples=15, deadline=None)
def test_floor_lies_within_round_and_both_are_a_threshold_of_the_interpolated_mask(seed, angle):
    labels = (smooth((2, 1, 40, 40), seed=seed % 1000, sigma=3.0) > 0.5).to(torch.uint8)
    chosen = {"rotation": angle, "translate": 0.2, "border": "zero"}
    soft, floor = augment(labels.float(), labels, Augment(**chosen, target_rounding="floor"), seed=seed)
    _, middle = augment(labels.float(), labels, Augment(**chosen, target_rounding="round"), seed=seed)
    assert torch.equal(floor.bool(), (soft * 255).round() >= 255)
    assert torch.equal(middle.bool(), soft >= 0.5)
    assert not (floor > middle).any()


def test_targets_that_cannot_be_interpolated_are_refused():
    labels = square()
    labels[..., 0, 0] = 255
    for rounding in ("floor", "round"):
        with pytest.raises(ValueError, match=r"found targets with values from 0 to 25.*, expected 0 and 1"):
            augment(labels.float(), labels, Augment(**WARPS, target_rounding=rounding), seed=0)
    with pytest.raises(ValueError, match="values from -1 to 1"):
        require_masks(torch.tensor([-1.0, 1.0]))
    assert round_targets(torch.zeros(0, 1, 2, 2), "floor").shape == (0, 1, 2, 2)


@pytest.mark.parametrize("rounding", ["nearest", "floor", "round"])
def test_zero_border_makes_images_and_targets_zero_outside(monkeypatch, rounding):
    shifted_by(monkeypatch, 0.0, 7.0)
    images, labels = torch.rand(2, 3, 16, 16) + 0.1, torch.ones(2, 2, 16, 16, dtype=torch.int64)
    chosen = Augment(**WARPS, border="zero", target_rounding=rounding)
    found, targets = augment(images, labels, chosen, seed=0)
    assert torch.allclose(found[..., :9], images[..., 7:], atol=1e-5)
    assert not found[..., 9:].any()
    assert (targets[..., :9] == 1).all()
    assert not targets[..., 9:].any()


def test_reflected_border_has_no_zeros_where_the_image_has_none(monkeypatch):
    shifted_by(monkeypatch, 0.0, 7.0)
    images, labels = torch.rand(2, 3, 16, 16) + 0.1, torch.ones(2, 1, 16, 16, dtype=torch.int64)
    found, targets = augment(images, labels, Augment(**WARPS), seed=0)
    assert found.min() >= 0.1 - 1e-6
    assert (targets == 1).all()
    assert torch.allclose(found[..., 9:], images[..., 15 - torch.arange(1, 8)], atol=1e-5)


def densities(images):
    """Amounts of haematoxylin, eosin and the rest, by NumPy."""
    vectors = np.array(HED) / np.linalg.norm(HED, axis=1, keepdims=True)
    optical = -np.log(images.double().numpy())
    return np.einsum("nchw,ck->nkhw", optical, np.linalg.inv(vectors))


def stained_image(count=1, seed=0):
    """Amounts that stay well within 0..1 after any change that the tests draw."""
    generator = np.random.default_rng(seed)
    amounts = generator.uniform(0.1, 0.6, (count, 3, 8, 9))
    vectors = np.array(HED) / np.linalg.norm(HED, axis=1, keepdims=True)
    return torch.from_numpy(np.exp(-np.einsum("nkhw,kc->nchw", amounts, vectors)).astype(np.float32))


@given(seed=st.integers(0, 2**32), strength=st.floats(0.01, 0.2))
@settings(max_examples=20, deadline=None)
def test_densities_of_stains_are_scaled_and_shifted_as_drawn(seed, strength):
    images = stained_image(3)
    before = images.clone()
    found, targets = augment(images, images[:, :1], Augment(stain=strength), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    factor, shift = ((torch.rand((3, 3), generator=generator).numpy() * 2 - 1) * strength for _ in range(2))
    expected = densities(images) * (1 + factor)[:, :, None, None] + shift[:, :, None, None] / 10
    assert np.allclose(densities(found), expected, atol=1e-4)
    assert targets.data_ptr() == images[:, :1].data_ptr()
    assert torch.equal(images, before)


def test_no_strength_leaves_stains_alone():
    images = stained_image(2)
    assert augment(images, images, Augment(stain=0.0), seed=0)[0] is images
    drawn = intensity.stain_changes(2, 0.0, torch.Generator())
    assert torch.allclose(intensity.restained(images, *drawn), images, atol=1e-6)


def test_black_and_white_stay_finite_and_within_range():
    images = torch.cat([torch.zeros(8, 3, 4, 4), torch.ones(8, 3, 4, 4)])
    found, _ = augment(images, images, Augment(stain=0.5), seed=0)
    assert torch.isfinite(found).all()
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_stains_are_of_rgb_images(channels):
    images = torch.rand(1, channels, 4, 4)
    with pytest.raises(ValueError, match=f"needs RGB images, found {channels} channels"):
        augment(images, images, Augment(stain=0.1), seed=0)


def test_stain_augmentation_leaves_the_draws_of_others_alone():
    images = stained_image(2)
    chosen = {"rotation": 30.0, "horizontal_flip": 0.5}
    plain, with_stain = (
        augment(images, images, Augment(**chosen, stain=strength), seed=5)[1] for strength in (0.0, 0.2)
    )
    assert torch.equal(plain, with_stain)
