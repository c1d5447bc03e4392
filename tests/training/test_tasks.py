# SPDX-License-Identifier: MIT
"""Tasks: scaling, targets, validity, augmentation."""

import numpy as np
import pytest
import torch
from torch import nn

from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.networks.windows import WindowTransform, transform_windows
from microtome.training.augment import augment
from microtome.training.batches import Batch
from microtome.training.tasks import BinaryTask, Prepared, SoftmaxTask, WindowTask, normalize
from tests.training.problems import prepared, trainer

FLIPS = Augment(horizontal_flip=0.5, vertical_flip=0.5, rotate90=0.75)
SETTINGS = Input(scale=200.0, mean=0.3, std=0.7)


def batch(count=6, size=9, one_label=False, seed=0):
    generator = np.random.default_rng(seed)
    images = torch.from_numpy(generator.integers(0, 256, (count, 1, size, size)).astype(np.float32))
    side = 1 if one_label else size
    labels = torch.from_numpy(generator.choice([0, 1, 2, 255], (count, 1, side, side)))
    return Batch(images, labels, tuple("abcdef"[:count]))


def test_pixels_are_scaled_as_the_settings_say():
    found = prepared(BinaryTask(SETTINGS, FLIPS), batch(), seed=None)
    expected = (batch().images.double() / 200 - 0.3) / 0.7
    assert torch.allclose(found.inputs.double(), expected, atol=1e-6)
    pixels = batch().images
    assert torch.allclose(normalize(pixels, SETTINGS).double(), expected, atol=1e-6)
    assert torch.equal(pixels, batch().images)


def test_binary_targets_and_validity():
    given = batch()
    found = prepared(BinaryTask(SETTINGS, FLIPS, positive=2), given, seed=None)
    assert torch.equal(found.target, (given.labels == 2).float())
    assert torch.equal(found.valid, given.labels != 255)


def test_images_and_targets_share_their_geometry_and_the_batch_stays():
    given, before = batch(), batch()
    found = prepared(BinaryTask(SETTINGS, FLIPS), given, seed=5)
    images, labels = augment(before.images / 200, before.labels, FLIPS, seed=5)
    assert torch.allclose(found.inputs, (images - 0.3) / 0.7, atol=1e-6)
    assert torch.equal(found.valid, labels != 255)
    assert not torch.equal(found.valid, given.labels != 255)
    assert torch.equal(given.images, before.images)
    assert torch.equal(given.labels, before.labels)


def test_softmax_targets_are_classes_and_share_the_geometry():
    given = batch()
    found = prepared(SoftmaxTask(SETTINGS, FLIPS), given, seed=None)
    assert found.target.dtype == torch.int64
    assert torch.equal(found.target, given.labels[:, 0])
    assert torch.equal(found.valid, given.labels[:, 0] != 255)
    turned, binary = (prepared(kind(SETTINGS, FLIPS), given, seed=5) for kind in (SoftmaxTask, BinaryTask))
    assert torch.equal(turned.inputs, binary.inputs)
    assert torch.equal((turned.target == 1).float(), binary.target[:, 0])
    assert not torch.equal(turned.target, found.target)


def test_softmax_outputs_have_one_map_of_labels():
    given = batch()
    two = Batch(given.images, given.labels.expand(-1, 2, -1, -1), given.samples)
    with pytest.raises(ValueError, match=r"found 2 label maps, expected one.*outputs to \[mask\]"):
        prepared(SoftmaxTask(SETTINGS, FLIPS), two, seed=None)


@pytest.mark.parametrize("transform", [WindowTransform(), WindowTransform(foveate=True, nonuniform=True)])
def test_windows_keep_their_label(transform):
    given = batch(size=13 if transform.nonuniform else 9, one_label=True)
    found = prepared(WindowTask(SETTINGS, FLIPS, transform, 9), given, seed=5)
    images, _ = augment(given.images / 200, given.images, FLIPS, seed=5)
    expected = transform_windows((images - 0.3) / 0.7, 9, transform)
    assert found.inputs.shape == (6, 1, 9, 9)
    assert torch.allclose(found.inputs, expected, atol=1e-5)
    assert torch.equal(found.target, given.labels[:, 0, 0, 0])
    assert torch.equal(found.valid, given.labels[:, 0, 0, 0] != 255)


def test_the_centre_stays_in_the_centre():
    turning = Augment(horizontal_flip=0.5, rotate90=0.75, rotation=30, scale=(0.8, 1.2), shear=0.2)
    given = Batch(torch.zeros(6, 1, 9, 9), torch.ones(6, 1, 1, 1, dtype=torch.int64), tuple("abcdef"))
    given.images[:, :, 4, 4] = 255
    found = prepared(WindowTask(Input(), turning, WindowTransform(), 9), given, seed=3).inputs
    assert torch.allclose(found[:, 0, 4, 4], torch.ones(6), atol=1e-4)


@pytest.mark.parametrize("moving", [{"translate": 0.1}, {"elastic_alpha": 3.0}])
def test_augmentations_that_move_the_centre_are_refused(moving):
    with pytest.raises(ValueError, match=f"augment.{next(iter(moving))} would move the central pixel"):
        WindowTask(SETTINGS, Augment(**moving), WindowTransform(), 9)


class Seeing(nn.Module):
    """Keeps what it is given; its weights are of images (4 dimensions) or volumes (5)."""

    def __init__(self, dimensions):
        super().__init__()
        self.weight = nn.Parameter(torch.ones([1] * dimensions))

    def forward(self, images):
        self.seen = images
        return images[:, :1] * self.weight


def test_memory_format():
    found = prepared(BinaryTask(SETTINGS, FLIPS), batch(), seed=None)
    doubled = found.inputs.expand(-1, 3, -1, -1).contiguous()
    volume = torch.rand(1, 2, 3, 4, 5)
    for inputs, chosen, last in ((doubled, True, True), (doubled, False, False), (volume, True, False)):
        model = Seeing(inputs.dim())
        trainer(model=model, channels_last=chosen).outputs_of(Prepared(inputs, found.target, found.valid))
        assert torch.equal(model.seen, inputs)
        layout = torch.channels_last if last else torch.contiguous_format
        assert model.seen.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("kind", [BinaryTask, SoftmaxTask])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    ("options", "fills"),
    [
        ({}, False),
        ({"rotation": 60.0}, False),
        ({"horizontal_flip": 1.0, "gamma": 0.1, "target_fill": "ignore"}, False),
        ({"rotation": 60.0, "target_fill": "ignore"}, True),
    ],
)
def test_where_labels_are_known_is_told_only_if_it_could_be_otherwise(kind, known, options, fills):
    images, labels = torch.zeros(2, 1, 12, 12, dtype=torch.uint8), torch.ones(2, 1, 12, 12, dtype=torch.uint8)
    given = Batch(images, labels, ("a", "b"), known=known)
    found = prepared(kind(Input(), Augment(**options)), given, seed=1)
    assert (found.valid is None) == (known and not fills)
    if found.valid is not None:
        assert bool(found.valid.all()) != fills
    unchanged = prepared(kind(Input(), Augment(**options)), given, seed=None)
    assert (unchanged.valid is None) == known


@pytest.mark.parametrize("known", [True, False])
def test_labels_of_windows_are_known_whatever_is_done_to_their_pixels(known):
    options = Augment(rotation=60.0, target_fill="ignore")
    given = Batch(torch.zeros(2, 1, 9, 9), torch.ones(2, 1, 1, 1, dtype=torch.uint8), ("a", "b"), known=known)
    found = prepared(WindowTask(Input(), options, WindowTransform(), 9), given, seed=1)
    assert (found.valid is None) == known
    assert found.target.tolist() == [1, 1]
    assert found.target.dtype == torch.int64


def labelled(maps=2, count=3, size=24, draws=()):
    """RGB windows with masks and markers of 0 and 1: a square and a smaller one."""
    images = torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(0)) * 255
    labels = torch.zeros(count, maps, size, size, dtype=torch.int64)
    for number in range(maps):
        labels[:, number, 5 + 2 * number : 17 - 2 * number, 4 + 2 * number : 18 - 2 * number] = 1
    return Batch(images, labels, tuple("abcdef"[:count]), draws)


def test_two_maps_give_two_targets():
    given = labelled()
    found = prepared(BinaryTask(Input(), Augment()), given, seed=None)
    assert found.target.shape == (3, 2, 24, 24)
    assert found.target.dtype == torch.float32
    assert torch.equal(found.target, given.labels.float())
    assert found.valid.all()


def test_the_maps_of_a_window_share_its_geometry():
    turning = Augment(horizontal_flip=0.5, rotation=180, translate=0.2, target_rounding="round")
    both = prepared(BinaryTask(Input(), turning), labelled(), seed=7).target
    for number in range(2):
        given = labelled()
        alone = Batch(given.images, given.labels[:, number : number + 1], given.samples)
        found = prepared(BinaryTask(Input(), turning), alone, seed=7).target
        assert torch.equal(found[:, 0], both[:, number])


@pytest.mark.parametrize(("size", "zoom", "expected"), [(125, 0.992, 124), (24, 0.5, 12), (24, 1.5, 36)])
def test_zoom_changes_the_size_of_images_and_targets(size, zoom, expected):
    """1000 pixels become 992 as 125 become 124."""
    found = prepared(BinaryTask(Input(zoom=zoom), Augment()), labelled(size=size), seed=None)
    assert found.inputs.shape == (3, 3, expected, expected)
    assert found.target.shape == found.valid.shape == (3, 2, expected, expected)
    assert set(found.target.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("rounding", ["nearest", "floor", "round"])
def test_zoomed_targets_are_rounded_as_the_settings_say(rounding):
    settings, given = Input(zoom=0.75, mean=0.2, std=0.4), labelled()
    found = prepared(BinaryTask(settings, Augment(target_rounding=rounding)), given, seed=None)
    soft = torch.nn.functional.interpolate(
        given.labels.float(), (18, 18), mode="bilinear", align_corners=False
    )
    expected = soft >= (1 - 0.5 / 255 if rounding == "floor" else 0.5)
    assert soft[soft < 1].max() > 0
    assert torch.equal(found.target, expected.float())
    pixels = torch.nn.functional.interpolate(given.images, (18, 18), mode="bilinear", align_corners=False)
    assert torch.allclose(found.inputs, (pixels / 255 - 0.2) / 0.4, atol=1e-5)


@pytest.mark.parametrize("zoom", [0.5, 2.0, 0.37])
def test_zoomed_classes_are_those_of_the_nearest_pixels(zoom):
    """No class between two others appears, and pixels that are not labelled stay so."""
    given = batch(size=24)
    given.labels[:] = torch.randint(0, 5, given.labels.shape, generator=torch.Generator().manual_seed(1))
    given.labels[:, :, 3:9, 4:12] = 255
    found = prepared(SoftmaxTask(Input(zoom=zoom), Augment()), given, seed=None)
    side = round(24 * zoom)
    assert (
        found.target.shape == (len(given.images), side, side) == (len(found.inputs), *found.inputs.shape[2:])
    )
    at = [min(int((position + 0.5) * 24 / side), 23) for position in range(side)]
    assert torch.equal(found.target, given.labels[:, 0][:, at][:, :, at])
    assert torch.equal(found.valid, found.target != 255)


def test_zoom_refuses_pixels_that_are_not_labelled():
    with pytest.raises(ValueError, match="interpolate only masks without ignored pixels"):
        prepared(BinaryTask(Input(zoom=0.5), Augment()), batch(size=8), seed=None)


EVERYTHING = Augment(horizontal_flip=0.5, rotation=40, brightness=0.3, stain=0.1)


def test_fixed_copies_are_augmented_by_their_own_draw_and_originals_not_at_all():
    given = labelled(draws=(None, 11, 12))
    found = prepared(BinaryTask(Input(), EVERYTHING), given, seed=5)
    plain = prepared(BinaryTask(Input(), Augment()), labelled(), seed=None)
    assert torch.allclose(found.inputs[0], plain.inputs[0])
    assert torch.equal(found.target[0], plain.target[0])
    for number, seed in ((1, 11), (2, 12)):
        one = given.images[number : number + 1] / 255, given.labels[number : number + 1]
        images, labels = augment(*one, EVERYTHING, seed=seed)
        assert torch.allclose(found.inputs[number], (images[0] - 0.5) / 0.5, atol=1e-5)
        assert torch.equal(found.target[number], labels[0].float())
        assert not torch.allclose(found.inputs[number], plain.inputs[number])


@pytest.mark.parametrize("seed", [None, 0, 99])
def test_fixed_copies_depend_on_nothing_else(seed):
    """Not on the epoch, not on whether they train or validate, not on their neighbours in the batch."""
    task = BinaryTask(Input(), EVERYTHING)
    found = prepared(task, labelled(draws=(3, 4, 5)), seed=seed)
    again = prepared(task, labelled(draws=(3, 4, 5)), seed=1)
    assert torch.equal(found.inputs, again.inputs)
    given = labelled(draws=(3, 4, 5))
    alone = Batch(given.images[1:2], given.labels[1:2], ("b",), (4,))
    assert torch.allclose(prepared(task, alone, seed=seed).inputs[0], found.inputs[1], atol=1e-6)


def test_windows_without_draws_are_augmented_by_the_seed():
    task = BinaryTask(Input(), EVERYTHING)
    first, second = (prepared(task, labelled(), seed=seed).inputs for seed in (1, 2))
    assert not torch.equal(first, second)


def test_networks_of_windows_take_the_centre_of_the_first_map():
    found = prepared(WindowTask(Input(), FLIPS, WindowTransform(), 9), batch(one_label=True), seed=1)
    assert torch.equal(found.target, batch(one_label=True).labels[:, 0, 0, 0])
