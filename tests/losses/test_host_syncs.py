# SPDX-License-Identifier: MIT
"""No loss waits for the device, with or without entries that do not count; and what it logs stays there."""

import pytest
import torch

from microtome import losses
from microtome.config.training import Supervision
from microtome.training.supervision import LevelLosses
from tests.host_syncs import HostSyncs

IGNORE, CLASSES, SIDE = 255, 3, 8
SIGMOID = {
    **{name: {} for name in ("bce", "bce_dice", "dicebce", "dice", "iou", "tversky")},
    **{f"focal {form}": {"form": form} for form in ("batch_mean", "per_pixel")},
    "bce_dice squared": {"squared": True},
}
SOFTMAX = {
    **{name: {} for name in ("cross_entropy", "softmax_focal", "ce_dice", "lovasz", "softmax_dice")},
    **{f"{name} of classes": {"activation": "softmax"} for name in ("bce", "dice", "iou", "tversky")},
    **{
        f"focal {form} of classes": {"activation": "softmax", "form": form}
        for form in ("batch_mean", "per_pixel")
    },
    "cross_entropy weighted": {"class_weight": (0.5, 1.0, 2.0)},
    "dice of images": {"activation": "softmax", "batch": False, "average": "present"},
    "weighted_cross_entropy soft": {"counts": "soft", "momentum": 0.5},
    **{
        f"{name} {which}": {"positive": which}
        for name in ("weighted_cross_entropy", "compound")
        for which in (1, "all")
    },
    "mdsc_tv": {},
    "mdsc_tv labelled": {"tv_pixels": "labelled", "tv": "windows"},
}


def case(name, *, reduction=1):
    generator = torch.Generator().manual_seed(4)
    count = 2 if name in SIGMOID else CLASSES
    side = SIDE // reduction
    logits = torch.randn((2, count, side, side), generator=generator, requires_grad=True)
    valid = torch.rand((2, SIDE, SIDE), generator=generator) < 0.6
    if name in SIGMOID:
        target = (torch.rand((2, count, SIDE, SIDE), generator=generator) < 0.5).float()
        return logits, target, valid[:, None].expand_as(target)
    return logits, torch.randint(0, CLASSES, (2, SIDE, SIDE), generator=generator), valid


def built(name):
    return losses.build(name.split()[0], **(SIGMOID | SOFTMAX)[name])


@pytest.mark.parametrize("name", [*SIGMOID, *SOFTMAX])
@pytest.mark.parametrize("ignored", [True, False])
def test_nothing_is_read_before_the_step_is_over(name, ignored):
    logits, target, valid = case(name)
    loss = built(name)
    with HostSyncs() as waits:
        value = loss(logits, target, valid if ignored else None)
        value.backward()
        logged = getattr(loss, "logged", dict)()
    assert waits.found == []
    assert all(
        type(one) is torch.Tensor and not one.requires_grad and one.ndim == 0 for one in logged.values()
    )


@pytest.mark.parametrize("name", [*SIGMOID, *SOFTMAX])
def test_without_a_mask_all_entries_count(name):
    """A run whose labels are all known does not depend on who knows it."""
    found = []
    for valid in (None, True):
        logits, target, mask = case(name)
        value = built(name)(logits, target, valid and torch.ones_like(mask))
        value.backward()
        found.append((value.item(), logits.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-6, atol=1e-8)


def orders(values):
    """The same logits as layers leave them: maps one by one, channels last, and cut out of larger ones."""
    for order in (torch.contiguous_format, torch.channels_last):
        yield values.contiguous(memory_format=order)
        larger = torch.nn.functional.pad(values, (4, 4, 4, 4)).contiguous(memory_format=order)
        yield larger[..., 4:-4, 4:-4]


@pytest.mark.parametrize("name", [*SIGMOID, *SOFTMAX])
def test_rounding_is_that_of_a_mask_in_any_order_of_memory(name):
    """Else a network with normalisation, whose last bits grow to digits, learns other weights."""
    logits, target, mask = case(name)
    for values in orders(logits.detach()):
        found = []
        for valid in (None, torch.ones_like(mask)):
            values = values.detach().requires_grad_()
            value = built(name)(values, target, valid)
            found.append((value.detach(), *torch.autograd.grad(value, values)))
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("name", ["dice", "cross_entropy", "lovasz"])
@pytest.mark.parametrize("how", ["nearest", "majority"])
@pytest.mark.parametrize("ignored", [True, False])
def test_losses_of_levels_wait_for_nothing(name, how, ignored):
    reductions = (4, 2, 1)
    loss = LevelLosses(built(name), reductions, Supervision(levels="all", targets=how))
    outputs = [case(name, reduction=reduction)[0] for reduction in reductions]
    _, target, valid = case(name)
    with HostSyncs() as waits:
        loss(outputs, target, valid if ignored else None).backward()
        logged = loss.logged()
    assert waits.found == []
    assert [f"level_{number}_loss" for number in range(3)] == [*logged]
    assert all(output.grad.abs().sum() > 0 for output in outputs)


def test_reading_a_number_would_be_seen():
    values = torch.tensor([1.0, -1.0])
    with HostSyncs() as waits:
        float(values.sum())
        values[values > 0]
        values.gather(0, torch.tensor([1]))
        torch.nonzero(values)
    assert waits.found == ["aten._local_scalar_dense.default", "aten.index.Tensor", "aten.nonzero.default"]
