# SPDX-License-Identifier: MIT
"""The modified Dice loss with total variation: contract, printed formulas, what is not labelled, batches."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from microtome import losses
from microtome.config.training import Supervision
from microtome.losses._dice_variation import total_variation
from microtome.training.supervision import LevelLosses
from tests.losses.test_softmax_losses import SoftmaxContract
from tests.reference import mdsc_tv as oracle

CLASSES = 4
SHAPE = (3, 5, 4)


def case(seed=0, shape=SHAPE):
    contract = SoftmaxContract()
    contract.classes = CLASSES
    return contract.case(seed, shape)


class TestLabelledPixels(SoftmaxContract):
    """All of it of labelled pixels alone, so that what is not labelled has no influence."""

    name, classes = "mdsc_tv", CLASSES
    options = {"tv_weight": 0.03, "tv_pixels": "labelled"}
    complements = True

    def expected(self, logits, target, valid):
        variation = oracle.total_variation(logits, valid)
        dice = oracle.mdsc(logits, target, valid, complements=self.complements)
        return dice + self.options.get("tv_weight", 1e-6) * variation

    def test_perfect_prediction_is_zero(self, loss):
        """But for ε, which is in the numerator, and the borders of the truth."""
        _, target, _ = self.case()
        flat = losses.build(self.name, **self.options | {"tv_weight": 0})
        assert 0 <= flat(self.perfect(target), target).item() < 1e-6

    def test_gradient(self, loss):
        """Of few pixels, as each of their logits is a run."""
        logits, target, valid = self.case(shape=(2, 3, 3))
        assert torch.autograd.gradcheck(lambda x: loss(x, target, valid), logits.requires_grad_())

    def test_flattens_the_batch(self, loss):
        """The Dice loss does; neighbours are of one image."""
        logits, target, _ = self.case()
        dice = losses.build(self.name, **self.options | {"tv_weight": 0})
        flat = logits.movedim(1, -1).reshape(-1, self.classes), target.reshape(-1)
        assert loss(*flat).item() == pytest.approx(dice(logits, target).item(), rel=1e-12)

    def test_large_batches_stay_accurate_in_float32(self, loss):
        logits, target, _ = self.case(3, (2, 30, 30))
        logits = logits * 0.05 + self.perfect(target) / 25  # nearly perfect: 1 - (almost 1) would cancel
        want = oracle.mdsc(logits.numpy(), target.numpy(), complements=self.complements)
        dice = losses.build(self.name, **self.options | {"tv_weight": 0})
        assert want < 0.01
        assert dice(logits.float(), target).item() == pytest.approx(want, rel=1e-5)


class TestDiceAlone(TestLabelledPixels):
    options = {"tv_weight": 0, "complements": False}
    complements = False


class TestSoftmaxDice(TestDiceAlone):
    name, options = "softmax_dice", {}

    def expected(self, logits, target, valid):
        return oracle.mdsc(logits, target, valid, complements=False)


class TestSoftmaxDiceWithVariation(TestLabelledPixels):
    name, complements = "softmax_dice", False


class TestPublished(TestLabelledPixels):
    """The options of the paper: TV of all pixels."""

    options = {}

    def expected(self, logits, target, valid):
        return oracle.mdsc(logits, target, valid) + 1e-6 * oracle.total_variation(logits)

    def test_invalid_entries_have_no_influence(self, loss):
        """Their labels have none; their logits have some on the total variation."""
        logits, target, valid = self.case()
        spoiled = torch.where(valid, target, torch.full_like(target, 255))
        assert loss(logits, spoiled).item() == loss(logits, target, valid).item()

    def test_nothing_valid_is_zero_without_gradient(self, loss):
        """Without a label the total variation is left."""
        logits, target, valid = self.case()
        value = loss(logits.requires_grad_(), target, torch.zeros_like(valid)).item()
        want = 1e-6 * oracle.total_variation(logits.detach().numpy())
        assert value == pytest.approx(want, rel=1e-10)

    def test_half_precision_is_computed_in_float32(self, loss):
        logits, target, valid = self.case()
        value = loss(logits.half(), target, valid)
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(loss(logits.half().double(), target, valid).item(), rel=1e-5)


class TestOtherEpsilon(TestPublished):
    options = {"epsilon": 0.5, "tv_weight": 0.02}

    def expected(self, logits, target, valid):
        dice = oracle.mdsc(logits, target, valid, epsilon=0.5)
        return dice + 0.02 * oracle.total_variation(logits)

    def test_nothing_valid_is_zero_without_gradient(self, loss):
        logits, target, valid = self.case()
        found = loss(logits, target, torch.zeros_like(valid)).item()
        assert found == pytest.approx(0.02 * oracle.total_variation(logits.numpy()), rel=1e-10)

    def test_perfect_prediction_is_zero(self, loss):
        """A smoothing is left of it: ε / (2·size + ε) of each class and each complement."""
        _, target, _ = self.case()
        sizes = np.bincount(target.flatten(), minlength=CLASSES)
        want = sum(0.5 / (2 * n + 0.5) for size in sizes for n in (size, target.numel() - size))
        flat = losses.build(self.name, epsilon=0.5, tv_weight=0)
        assert flat(self.perfect(target), target).item() == pytest.approx(want)

    def test_large_batches_stay_accurate_in_float32(self, loss):
        logits, target, _ = self.case(3, (2, 30, 30))
        want = self.expected(logits.numpy(), target.numpy(), None)
        assert loss(logits.float(), target).item() == pytest.approx(want, rel=1e-5)


def test_it_is_from_0_to_twice_the_classes():
    target = torch.tensor([[[0, 1, 1, 0]]])
    right = torch.nn.functional.one_hot(target, 2).movedim(-1, 1).double() * 200
    dice = losses.build("mdsc_tv", tv_weight=0)
    assert dice(right, target).item() == pytest.approx(0, abs=1e-6)
    assert dice(right.flip(1), target).item() == pytest.approx(4, rel=1e-6)
    assert losses.build("mdsc_tv", tv_weight=0, complements=False)(right.flip(1), target) == 2


def test_what_is_not_labelled_gets_gradient_from_the_total_variation_alone():
    logits, target, valid = case(1)
    wide = ~valid.unsqueeze(1).expand_as(logits)
    found = {}
    for weight in (0, 1e-6):
        given = logits.clone().requires_grad_()
        losses.build("mdsc_tv", tv_weight=weight)(given, target, valid).backward()
        found[weight] = given.grad[wide]
    assert (found[0] == 0).all()
    assert (found[1e-6] != 0).float().mean() > 0.9


@pytest.mark.parametrize(("tv", "factor"), [("sum", 1), ("windows", 48 / 6), ("mean", 1 / (6 * 20))])
def test_the_total_variation_of_a_batch(tv, factor):
    logits, target, _ = case(2, (6, 5, 4))
    loss = losses.build("mdsc_tv", tv=tv, tv_weight=0.01)
    loss(logits, target)
    want = 0.01 * factor * oracle.total_variation(logits.numpy())
    assert loss.logged()["tv"] == pytest.approx(want, rel=1e-10)


def test_half_the_batch_has_half_the_sum():
    logits, target, _ = case(2, (1, 5, 4))
    twice = logits.repeat(2, 1, 1, 1), target.repeat(2, 1, 1)
    for tv, share in (("sum", 0.5), ("windows", 1), ("mean", 1)):
        loss, terms = losses.build("mdsc_tv", tv=tv), []
        for given in ((logits, target), twice):
            loss(*given)
            terms.append(loss.logged())
        assert terms[0]["tv"] == pytest.approx(share * terms[1]["tv"])
        assert terms[0]["mdsc"] == pytest.approx(terms[1]["mdsc"])


def test_both_terms_are_logged():
    logits, target, valid = case(3)
    loss = losses.build("mdsc_tv", tv_weight=0.1)
    assert loss.logged() == {}
    value = loss(logits, target, valid).item()
    terms = loss.logged()
    assert list(terms) == ["mdsc", "tv"]
    assert terms["mdsc"] == pytest.approx(oracle.mdsc(logits.numpy(), target.numpy(), valid.numpy()))
    assert value == pytest.approx(sum(terms.values()))
    plain = losses.build("mdsc_tv", tv_weight=0)
    plain(logits, target)
    assert list(plain.logged()) == ["mdsc"]


def test_a_class_that_is_absent_has_loss_1_whatever_is_predicted():
    logits, target, _ = case(4)
    target = target.clamp_max(CLASSES - 2)
    right = torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1).double() * 200
    dice = losses.build("mdsc_tv", tv_weight=0, complements=False)
    assert dice(right, target).item() == pytest.approx(1, rel=1e-6)
    want = oracle.mdsc(logits.numpy(), target.numpy(), complements=False)
    assert dice(logits, target).item() == pytest.approx(want, rel=1e-10)


def test_total_variation_of_volumes_and_of_single_pixels():
    maps = torch.from_numpy(np.random.default_rng(0).random((2, 3, 4, 5, 6)))
    want = sum(np.abs(np.diff(maps.numpy(), axis=axis)).sum() for axis in (2, 3, 4))
    assert total_variation(maps).item() == pytest.approx(want)
    assert total_variation(maps[:, :, 0, 0, 0]).item() == 0
    assert total_variation(maps[:, :, :1, :1, 0]).item() == 0


def test_every_level_of_a_network_has_a_loss_of_its_own():
    target = case(5, (2, 8, 8))[1]
    outputs = [case(6 + level, (2, 8 // side, 8 // side))[0] for level, side in enumerate((4, 2, 1))]
    total = LevelLosses(losses.build("mdsc_tv", tv_weight=0.01), (4, 2, 1), Supervision(levels="all"))
    found = total(outputs, target, target != 255).item()
    want = 0.0
    for logits, side in zip(outputs, (4, 2, 1), strict=True):
        labels = target[:, side // 2 :: side, side // 2 :: side] if side > 1 else target
        values = logits.numpy(), labels.numpy()
        want += oracle.mdsc(*values) + 0.01 * oracle.total_variation(values[0])
    assert found == pytest.approx(want, rel=1e-10)


@pytest.mark.parametrize(
    "options", [{"epsilon": 0}, {"tv_weight": -1}, {"tv": "median"}, {"tv_pixels": "some"}]
)
def test_options_that_do_not_fit(options):
    with pytest.raises((ValidationError, ValueError), match=next(iter(options))):
        losses.build("mdsc_tv", **options)
