# SPDX-License-Identifier: MIT
"""Steps of augmentation that change a share of the images, and images shrunk and enlarged again."""

import pytest
import torch
from torch.nn import functional

from microtome.config.augment import INTENSITIES, Augment
from microtome.training.augment import augment, changed
from microtome.training.draws import draw, draw_copies
from microtome.training.low_resolution import coarsened, sampling_of
from microtome.training.turns import turned
from tests.host_syncs import HostSyncs

COUNT, SHARE = 300, 0.3
STRENGTHS = {
    "blur_sigma": 2.0,
    "low_resolution": 0.4,
    "stain": 0.2,
    "contrast": 0.3,
    "brightness": 0.3,
    "intensity_shift": 0.1,
    "gamma": 0.4,
    "speckle": 0.2,
    "gaussian_noise": 0.1,
}
GEOMETRY = {"rotation": 40.0, "scale": (0.7, 1.4), "translate": 0.2, "shear": 0.3}
NAMES = {name: f"{name.removesuffix('_sigma')}_probability" for name in STRENGTHS | GEOMETRY}
META = torch.device("meta")


def images(count=COUNT, side=12):
    return 0.2 + 0.6 * torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(1))


def with_share(name, share, order=False):
    listed = {"order": (name,)} if order else {}
    return Augment(**{name: (STRENGTHS | GEOMETRY)[name], NAMES[name]: share}, **listed)


def test_every_intensity_has_a_share():
    assert set(STRENGTHS) == set(INTENSITIES)


@pytest.mark.parametrize("order", [False, True])
@pytest.mark.parametrize("name", STRENGTHS | GEOMETRY)
def test_about_as_many_images_are_changed_as_asked_for(name, order):
    before = images()
    found, _ = augment(before, before, with_share(name, SHARE, order), seed=2)
    differ = (found - before).abs().amax((1, 2, 3))
    assert SHARE - 0.08 < (differ > 1e-5).double().mean().item() < SHARE + 0.08


@pytest.mark.parametrize("name", STRENGTHS)
def test_images_that_are_changed_are_those_of_a_step_for_all(name):
    """Which images are chosen is drawn before the step itself."""
    before, settings = images(8, side=40), with_share(name, 0.5)
    (step,) = draw(before.shape, settings, seed=7).steps
    generator = torch.Generator().manual_seed(7)
    wanted = torch.rand(8, generator=generator) < 0.5
    assert torch.equal(step.chosen, wanted)
    assert 0 < wanted.sum() < 8
    found, _ = augment(before, before, settings, seed=7)
    assert torch.equal((found != before).flatten(1).any(1), wanted)


@pytest.mark.parametrize("name", STRENGTHS)
def test_no_share_is_no_step(name):
    before, settings = images(2), with_share(name, 0.0)
    assert not settings.takes(name)
    assert augment(before, before, settings, seed=0)[0] is before


def test_targets_stay_with_images_that_only_some_steps_move():
    labels = (images(40, side=33)[:, :1] > 0.5).float()
    smooth = functional.avg_pool2d(labels, 5, stride=1, padding=2)
    settings = Augment(**GEOMETRY, **{NAMES[name]: 0.4 for name in GEOMETRY})
    moved, targets = augment(smooth, (smooth > 0.5).to(torch.uint8), settings, seed=3)
    assert ((moved > 0.5) == (targets > 0)).double().mean() > 0.93
    still = (moved - smooth).abs().amax((1, 2, 3)) < 1e-4
    assert 0.02 < still.double().mean() < 0.4  # 0.6 to the fourth is 0.13
    assert torch.equal(targets[still].bool(), smooth[still] > 0.5)


EVERYTHING = STRENGTHS | GEOMETRY | dict.fromkeys(NAMES.values(), 0.5)


def test_copies_are_those_made_one_by_one():
    seeds, settings, before = (4, None, 5, 6), Augment(**EVERYTHING), images(4, side=20)
    draws = draw_copies(before.shape, settings, seeds=seeds)
    found, _ = changed(turned(before, draws.turns), None, settings, draws)
    for number, seed in enumerate(seeds):
        one, chosen = before[number : number + 1], Augment() if seed is None else settings
        expected, _ = augment(one, one, chosen, seed=seed or 0)
        assert torch.allclose(found[number], expected[0], atol=1e-5)


def test_a_device_needs_no_numbers_of_what_is_drawn():
    settings, before = Augment(**EVERYTHING), images(3)
    draws = draw(before.shape, settings, seed=1)
    with HostSyncs() as syncs:
        expected, _ = changed(before, None, settings, draws)
    assert syncs.found == []
    found, _ = changed(before.to(META), None, settings, draws.on(META))
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert [step.chosen.device.type for step in draws.on(META).steps[1:]] == ["meta"] * len(STRENGTHS)


def shrunk_and_enlarged(before, factor):
    """By PyTorch, one factor for all images."""
    size = before.shape[2:]
    fewer = [max(1, round(side * factor)) for side in size]
    shrunk = functional.interpolate(before, fewer, mode="nearest-exact")
    return functional.interpolate(shrunk, size, mode="bilinear")


@pytest.mark.parametrize("size", [(16, 16), (13, 20), (1, 7)])
@pytest.mark.parametrize("factor", [0.01, 0.3, 0.5, 0.77, 1.0])
def test_low_resolution_is_that_of_pytorch(size, factor):
    before = torch.rand(1, 2, *size, dtype=torch.float64)
    sampling = [values for side in size for values in sampling_of(torch.tensor([factor]), side)]
    found = coarsened(before, *(values.double() for values in sampling))
    torch.testing.assert_close(found, shrunk_and_enlarged(before, factor), rtol=0, atol=1e-6)


def test_each_image_has_a_resolution_of_its_own():
    before = images(6, side=24)
    found, _ = augment(before, before, Augment(low_resolution=0.3), seed=4)
    factors = torch.rand(6, generator=torch.Generator().manual_seed(4)) * 0.7 + 0.3
    for one, factor, image in zip(found, factors.tolist(), before, strict=True):
        expected = shrunk_and_enlarged(image[None], factor)[0]
        torch.testing.assert_close(one, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"low_resolution": 0.0}, "low_resolution"),
        ({"low_resolution": 1.5}, "low_resolution"),
        ({"gamma_probability": 1.1}, "gamma_probability"),
        ({"rotation_probability": -0.1}, "rotation_probability"),
    ],
)
def test_settings_out_of_range_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        Augment(**options)


def test_what_is_not_used_is_not_told():
    """So that cards and the states of jobs are those of before the options were there."""
    told = {name for name in Augment().model_dump() if name.endswith("_probability")}
    assert told == {"elastic_probability"}
    assert "low_resolution" not in Augment().model_dump()
    told = Augment(gamma=0.2, gamma_probability=0.3, low_resolution=0.5)
    assert Augment(**told.model_dump()) == told
