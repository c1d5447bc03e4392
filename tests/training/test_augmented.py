# SPDX-License-Identifier: MIT
"""Prepared batches: those recorded when each step drew and computed at once, and where they are made."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from microtome.config.augment import Augment
from microtome.training.augment import augment, changed
from microtome.training.batches import Batch
from microtome.training.draws import draw, draw_copies
from microtome.training.resampling import resampled
from microtome.training.turns import turned
from tests.host_syncs import HostSyncs
from tests.training.augment_cases import AFFINE, CASES, COUNT, ELASTIC, INTENSITY, TURNS

RECORDED = Path(__file__).parent / "recorded" / "augmented.npz"
META, GPU = torch.device("meta"), torch.device("cuda")
DTYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32", "int64")


def batch(case):
    images, labels = (torch.from_numpy(values) for values in (case.images, case.labels))
    return Batch(images, labels, tuple("abc"), case.draws, case.margin)


@pytest.mark.parametrize("name", CASES)
def test_batches_are_those_recorded(name):
    case, recorded = CASES[name], np.load(RECORDED)
    given, before = batch(case), batch(case)
    found = case.made.prepare(given, case.made.draw(given, seed=case.seed))
    np.testing.assert_allclose(found.inputs.numpy(), recorded[f"{name}/inputs"], rtol=0, atol=1e-5)
    assert np.array_equal(found.target.numpy(), recorded[f"{name}/target"])
    assert np.array_equal(found.valid.numpy(), recorded[f"{name}/valid"])
    assert torch.equal(given.images, before.images)
    assert torch.equal(given.labels, before.labels)


@pytest.mark.parametrize("name", CASES)
def test_nothing_of_what_is_drawn_and_prepared_needs_the_values_of_a_batch(name):
    """Twice the same draws; of the second, neither batch nor draws have any."""
    case = CASES[name]
    given, task = batch(case), case.made
    draws = task.draw(given, seed=case.seed)
    with HostSyncs() as syncs:
        expected = task.prepare(given, draws)
    assert syncs.found == []
    found = task.prepare(given.on(META), None if draws is None else draws.on(META))
    for one, other in ((found.inputs, expected.inputs), (found.target, expected.target)):
        assert one.device.type == "meta"
        assert (one.shape, one.dtype, one.stride()) == (other.shape, other.dtype, other.stride())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_batches_of_a_gpu_are_those_recorded_and_the_host_does_not_wait():
    recorded = np.load(RECORDED)
    for name, case in CASES.items():
        given, task = batch(case), case.made
        draws = task.draw(given, seed=case.seed)
        sent = given.pinned().on(GPU), None if draws is None else draws.pinned().on(GPU)
        torch.cuda.set_sync_debug_mode("error")
        try:
            found = task.prepare(*sent)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        inputs, target = (values.cpu().numpy() for values in (found.inputs, found.target))
        np.testing.assert_allclose(inputs, recorded[f"{name}/inputs"], rtol=0, atol=1e-4, err_msg=name)
        assert np.array_equal(target, recorded[f"{name}/target"]), name


@pytest.mark.parametrize("dtype", DTYPES)
def test_pixels_change_places_whatever_their_type(dtype):
    values = torch.from_numpy(np.arange(2 * 3 * 16).reshape(2, 3, 4, 4).astype(dtype))
    draws = draw(values.shape, Augment(**TURNS), seed=3)
    found = turned(values, draws.turns)
    expected = turned(values.to(torch.float64), draws.turns)
    assert found.dtype == values.dtype
    assert not torch.equal(expected, values.to(torch.float64))
    assert torch.equal(found.to(torch.float64), expected)


def test_oblong_images_are_flipped():
    values = torch.arange(24).view(2, 1, 3, 4)
    chosen = {"horizontal_flip": 1.0, "vertical_flip": 1.0}
    assert torch.equal(
        turned(values, draw(values.shape, Augment(**chosen), seed=0).turns), values.rot90(2, (2, 3))
    )


SEEDS = (4, None, 5, 6)


@pytest.mark.parametrize("margin", [0, 3])
@pytest.mark.parametrize(
    "options", [TURNS, AFFINE, ELASTIC, INTENSITY, TURNS | AFFINE | ELASTIC | INTENSITY], ids=str
)
def test_copies_are_those_made_one_by_one(options, margin):
    """In one call, though each has a range, a mean and a longest blur of its own."""
    generator, settings = torch.Generator().manual_seed(0), Augment(**options)
    images = torch.rand(len(SEEDS), 3, 22, 22, generator=generator) * torch.tensor([0.5, 1, 2, 3]).view(
        -1, 1, 1, 1
    )
    labels = torch.randint(0, 4, (len(SEEDS), 1, 22, 22), generator=generator, dtype=torch.uint8)
    draws = draw_copies(images.shape, settings, seeds=SEEDS, margin=margin)
    found = changed(turned(images, draws.turns), turned(labels, draws.turns), settings, draws, margin=margin)
    for number, seed in enumerate(SEEDS):
        one = images[number : number + 1], labels[number : number + 1]
        chosen = Augment() if seed is None else settings
        expected = augment(*one, chosen, seed=seed or 0, margin=margin)
        assert torch.allclose(found[0][number], expected[0][0], atol=1e-5)
        assert torch.equal(found[1][number], expected[1][0])


def test_copies_without_seeds_are_not_changed():
    assert draw_copies((2, 3, 8, 8), Augment(**TURNS), seeds=(None, None)) is None


def test_draws_are_moved_whole(monkeypatch):
    """All tensors, once each; those that are pinned stay."""
    pinned = []
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda values: values.dim() == 1)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda values: (pinned.append(values), values.clone())[1])
    draws = draw_copies((2, 3, 8, 8), Augment(**(TURNS | AFFINE | ELASTIC | INTENSITY)), seeds=(None, 1))
    every = [*draws.turns.values(), *(one for step in draws.steps for one in step.numbers), draws.changed]
    ready = draws.pinned()
    assert [one.data_ptr() for one in pinned] == [one.data_ptr() for one in every if one.dim() > 1]
    there = ready.on(META)
    moved = [*there.turns.values(), *(one for step in there.steps for one in step.numbers), there.changed]
    assert [one.device.type for one in moved] == ["meta"] * len(every)
    assert [step.name for step in there.steps] == [step.name for step in draws.steps]
    assert there.alone


def test_images_alone_are_resampled():
    images, middle = torch.arange(4.0).view(1, 1, 2, 2), torch.full((1, 1, 1), 0.5)
    found, none = resampled(images, None, middle, middle, Augment())
    assert none is None
    assert found.item() == 1.5


def test_draws_of_a_batch_are_fit_for_it():
    case = CASES["turns"]
    given = batch(case)
    wide = replace(given, images=given.images[..., :-1], labels=given.labels[..., :-1])
    with pytest.raises(ValueError, match="rotate90 needs square images"):
        case.made.draw(wide, seed=0)
    assert len(case.made.draw(given, seed=0).turns["rows"]) == COUNT
