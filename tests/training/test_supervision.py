# SPDX-License-Identifier: MIT
"""Deep supervision: labels of coarser levels against brute force, and the sum of the losses of the levels."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from microtome import losses
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.config.training import Supervision
from microtome.training.loop import fit
from microtome.training.supervision import LevelLosses, reduced
from microtome.training.tasks import BinaryTask, SoftmaxTask
from tests.training import problems
from tests.training.problems import Levels

IGNORE = 255
CELLS = [1, 2, 4, 3, 16]
SIZE = (13, 19)


def classes_case(seed, count=3):
    generator = np.random.default_rng(seed)
    target = generator.integers(0, count, (2, *SIZE))
    target[generator.random(target.shape) < 0.3] = IGNORE
    target[:, :6, :6] = IGNORE  # cells without any label
    return torch.from_numpy(target), torch.from_numpy(target != IGNORE)


def maps_case(seed):
    generator = np.random.default_rng(seed)
    target = (generator.random((2, 2, *SIZE)) < 0.5).astype(np.float32)
    valid = generator.random(target.shape) < 0.7
    valid[:, 0, :6, :6] = False
    return torch.from_numpy(target), torch.from_numpy(valid)


def cells(values, side):
    """The pixels of each cell of the last two axes, in order."""
    height, width = values.shape[-2:]
    for y in range(0, height, side):
        for x in range(0, width, side):
            yield (y // side, x // side), values[..., y : y + side, x : x + side]


@pytest.mark.parametrize("side", CELLS)
def test_the_majority_of_classes_is_that_of_a_count(side):
    target, valid = classes_case(side)
    found, known = reduced(target, valid, side, how="majority", classes=3)
    assert tuple(found.shape) == (2, *(-(-length // side) for length in SIZE))
    for image in range(2):
        for (y, x), pixels in cells(target[image], side):
            counts = Counter(value for value in pixels.flatten().tolist() if value != IGNORE)
            assert known[image, y, x].item() == bool(counts)
            wanted = max(counts, key=lambda value: (counts[value], value)) if counts else IGNORE
            assert found[image, y, x].item() == wanted


@pytest.mark.parametrize("side", CELLS)
def test_the_majority_of_a_map_is_half_of_its_labelled_pixels(side):
    target, valid = maps_case(side)
    found, known = reduced(target, valid, side, how="majority", classes=3)
    assert found.dtype == target.dtype
    for image in range(2):
        for output in range(2):
            labels = [cells(values[image, output], side) for values in (target, valid)]
            for ((y, x), pixels), (_, mask) in zip(*labels, strict=True):
                assert known[image, output, y, x].item() == bool(mask.any())
                if mask.any():
                    assert found[image, output, y, x].item() == (pixels[mask].mean().item() >= 0.5)


@pytest.mark.parametrize("side", [2, 4, 8])
def test_the_nearest_label_is_that_of_pytorch(side):
    """Where the side divides the image, PyTorch's `nearest-exact` takes the same pixel."""
    target = torch.from_numpy(np.random.default_rng(side).integers(0, 5, (2, 24, 40)))
    found, known = reduced(target, torch.ones_like(target, dtype=torch.bool), side, how="nearest", classes=5)
    wanted = functional.interpolate(target[:, None].double(), scale_factor=1 / side, mode="nearest-exact")
    assert torch.equal(found, wanted[:, 0].long())
    assert known.all()


def test_beyond_the_image_nothing_is_labelled():
    target = torch.ones(1, 5, 5, dtype=torch.long)
    _, known = reduced(target, target > 0, 4, how="nearest", classes=5)
    assert known[0].tolist() == [[True, False], [False, False]]
    found, known = reduced(target, target > 0, 4, how="majority", classes=2)
    assert known.all()
    assert (found == 1).all()


def trainer(loss, settings=None, **options):
    softmax = isinstance(loss, str) and loss not in ("bce", "dice")
    kind = SoftmaxTask if softmax else BinaryTask
    model = Levels(2 if softmax else 1)
    base = problems.trainer(model=model, epochs=2, batch_size=4)
    built = LevelLosses(
        losses.build(loss, **options), model.reductions, settings or Supervision(levels="all")
    )
    return replace(base, loss=built, task=kind(Input(), Augment()))


def batch(train):
    return problems.prepared(train.task, next(iter(problems.parts()[0].epoch(0))), seed=None)


@pytest.mark.parametrize("loss", ["softmax_focal", "cross_entropy", "ce_dice", "lovasz", "bce", "dice"])
@pytest.mark.parametrize("how", ["nearest", "majority"])
def test_the_loss_is_the_weighted_sum_over_levels(loss, how):
    weights = (0.5, 2.0, 1.0)
    train = trainer(loss, Supervision(levels="all", weights=weights, targets=how))
    given, alone = batch(train), losses.build(loss)
    wanted = 0
    outputs = zip(train.model.levels(given.inputs), train.model.reductions, weights, strict=True)
    for logits, side, weight in outputs:
        labels = reduced(given.target, given.valid, side, how=how, classes=logits.shape[1])
        wanted += weight * alone(logits, *labels)
    assert train.loss_on(given).item() == pytest.approx(wanted.item(), rel=1e-6)
    unweighted = trainer(loss, Supervision(levels="all", weights=(1, 1, 1), targets=how)).loss_on(given)
    plain = trainer(loss, Supervision(levels="all", targets=how)).loss_on(given)
    assert plain.item() == unweighted.item() != wanted.item()


def test_every_level_learns_and_the_result_is_validated_too():
    train = trainer("softmax_focal")
    before = {name: value.clone() for name, value in train.model.state_dict().items()}
    done = fit(train, *problems.parts())
    assert all(not torch.equal(value, before[name]) for name, value in train.model.state_dict().items())
    given = batch(train)
    final = losses.build("softmax_focal")(train.model(given.inputs), given.target, given.valid)
    assert train.loss_on(given).item() > final.item()
    assert done.history[-1]["val_loss"] < done.history[0]["val_loss"]


def test_a_loss_remembers_the_batches_of_its_own_level():
    """The running weight of a level is that of a training on this level alone."""
    train = trainer("weighted_cross_entropy", momentum=0.5)
    given = batch(train)
    train.loss_on(given)
    for number, one in enumerate(train.loss.losses):
        alone = losses.build("weighted_cross_entropy", momentum=0.5)
        labels = reduced(given.target, given.valid, train.model.reductions[number], how="nearest", classes=5)
        alone(train.model.levels(given.inputs)[number], *labels)
        assert one.smoothed.item() == alone.smoothed.item()
    assert train.loss.logged().items() > train.loss.losses[-1].logged().items()
    assert len(train.loss.state_dict()) == 3


def test_weights_for_another_number_of_levels_are_refused():
    with pytest.raises(ValueError, match="has 2 numbers, expected one for each of 3 levels"):
        trainer("bce", Supervision(levels="all", weights=(1, 1)))
