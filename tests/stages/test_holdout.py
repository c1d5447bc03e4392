# SPDX-License-Identifier: MIT
"""What a training validates on that holds out of its own images: copies of them, or images of their own."""

import torch

from microtome.stages.training_data import TrainingFiles, batches, read_images
from tests.stages import folders

LEARNT = {"s0", "s1", "s2"}
"""Of the parts `train` and `val`."""


def drawn(root, **sampler):
    """(sample, augmentation) of every window that each part sees in an epoch."""
    files = TrainingFiles((root / "index.parquet",), (root / "images",), (root / "targets",))
    plain = folders.RUNS["unet"]["sampler"] | {"crop": None, "repeats": 1, "copies": 5, "holdout": 0.34}
    options = folders.options("unet", sampler=plain | sampler)
    images = read_images(options, files, None, 1)
    model = torch.nn.Identity()
    found = {}
    for part in ("train", "val"):
        every = list(batches(options, files, images, part, model).epoch(0))
        found[part] = [pair for one in every for pair in zip(one.samples, one.draws, strict=True)]
    return found


def test_an_image_that_validates_by_source_is_not_learnt(root):
    found = drawn(root, split_by="source")
    learnt, held = ({sample for sample, _ in found[part]} for part in ("train", "val"))
    assert len(held) == 1
    assert not learnt & held
    assert learnt | held == LEARNT
    assert len(found["val"]) == 6, "the window of the image and its copies"


def test_copies_of_an_image_are_on_both_sides_as_published(root):
    found = drawn(root, split_by="window")
    learnt, held = ({sample for sample, _ in found[part]} for part in ("train", "val"))
    assert learnt & held
    assert not set(found["train"]) & set(found["val"]), "no copy is learnt and validated"
    assert drawn(root) == found, "and so it is where nothing is said"
