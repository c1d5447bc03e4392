# SPDX-License-Identifier: MIT
"""Tasks: scaling, targets, validity, augmentation."""

import numpy as np
import pytest
import torch

from microtome.augment import Augmentation, augment
from microtome.config.sampling import Input
from microtome.training.batches import Batch
from microtome.training.tasks import BinaryTask, WindowTask, normalize, to_device
from microtome.windows import WindowTransform, transform_windows

FLIPS = Augmentation(horizontal_flip=0.5, vertical_flip=0.5, rotate90=0.75)
SETTINGS = Input(scale=200.0, mean=0.3, std=0.7)


def batch(count=6, size=9, one_label=False, seed=0):
    generator = np.random.default_rng(seed)
    images = torch.from_numpy(generator.integers(0, 256, (count, 1, size, size)).astype(np.float32))
    side = 1 if one_label else size
    labels = torch.from_numpy(generator.choice([0, 1, 2, 255], (count, 1, side, side)))
    return Batch(images, labels, tuple("abcdef"[:count]))


def test_pixels_are_scaled_as_the_settings_say():
    found = BinaryTask(SETTINGS, FLIPS).prepare(batch(), seed=None)
    expected = (batch().images.double() / 200 - 0.3) / 0.7
    assert torch.allclose(found.inputs.double(), expected, atol=1e-6)
    pixels = batch().images
    assert torch.allclose(normalize(pixels, SETTINGS).double(), expected, atol=1e-6)
    assert torch.equal(pixels, batch().images)


def test_binary_targets_and_validity():
    given = batch()
    found = BinaryTask(SETTINGS, FLIPS, positive=2).prepare(given, seed=None)
    assert torch.equal(found.target, (given.labels == 2).float())
    assert torch.equal(found.valid, given.labels != 255)


def test_images_and_targets_share_their_geometry_and_the_batch_stays():
    given, before = batch(), batch()
    found = BinaryTask(SETTINGS, FLIPS).prepare(given, seed=5)
    images, labels = augment(before.images / 200, before.labels, FLIPS, seed=5)
    assert torch.allclose(found.inputs, (images - 0.3) / 0.7, atol=1e-6)
    assert torch.equal(found.valid, labels != 255)
    assert not torch.equal(found.valid, given.labels != 255)
    assert torch.equal(given.images, before.images)
    assert torch.equal(given.labels, before.labels)


@pytest.mark.parametrize("transform", [WindowTransform(), WindowTransform(foveate=True, nonuniform=True)])
def test_windows_keep_their_label(transform):
    given = batch(size=13 if transform.nonuniform else 9, one_label=True)
    found = WindowTask(SETTINGS, FLIPS, transform, 9).prepare(given, seed=5)
    images, _ = augment(given.images / 200, given.images, FLIPS, seed=5)
    expected = transform_windows((images - 0.3) / 0.7, 9, transform)
    assert found.inputs.shape == (6, 1, 9, 9)
    assert torch.allclose(found.inputs, expected, atol=1e-5)
    assert torch.equal(found.target, given.labels[:, 0, 0, 0])
    assert torch.equal(found.valid, given.labels[:, 0, 0, 0] != 255)


def test_the_centre_stays_in_the_centre():
    turning = Augmentation(horizontal_flip=0.5, rotate90=0.75, rotation=30, scale=(0.8, 1.2), shear=0.2)
    given = Batch(torch.zeros(6, 1, 9, 9), torch.ones(6, 1, 1, 1, dtype=torch.int64), tuple("abcdef"))
    given.images[:, :, 4, 4] = 255
    found = WindowTask(Input(), turning, WindowTransform(), 9).prepare(given, seed=3).inputs
    assert torch.allclose(found[:, 0, 4, 4], torch.ones(6), atol=1e-4)


@pytest.mark.parametrize("moving", [{"translate": 0.1}, {"elastic_alpha": 3.0}])
def test_augmentations_that_move_the_centre_are_refused(moving):
    with pytest.raises(ValueError, match=f"augment.{next(iter(moving))} would move the central pixel"):
        WindowTask(SETTINGS, Augmentation(**moving), WindowTransform(), 9)


def test_memory_format():
    found = BinaryTask(SETTINGS, FLIPS).prepare(batch(), seed=None)
    doubled = found.inputs.expand(-1, 3, -1, -1).contiguous()
    prepared = type(found)(doubled, found.target, found.valid)
    last = to_device(prepared, torch.device("cpu"), channels_last=True).inputs
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(last, doubled)
    assert to_device(prepared, torch.device("cpu"), channels_last=False).inputs.is_contiguous()
    volume = type(found)(torch.zeros(1, 2, 3, 4, 5), found.target, found.valid)
    assert to_device(volume, torch.device("cpu"), channels_last=True).inputs.is_contiguous()
