# SPDX-License-Identifier: MIT
"""Losses of the study `melanoma`: adaptive weight, Lovász-Softmax, and their sum."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome import losses
from microtome.losses.lovasz import jaccard_gradient
from tests.losses.contract import LossContract
from tests.reference import lovasz as oracle


class SoftmaxContract(LossContract):
    classes = 2

    def case(self, seed=0, shape=(3, 5, 4)):
        generator = torch.Generator().manual_seed(seed)
        size = (shape[0], self.classes, *shape[1:])
        logits = torch.randn(size, generator=generator, dtype=torch.float64) * 2
        target = torch.randint(0, self.classes, shape, generator=generator)
        return logits, target, torch.rand(shape, generator=generator) < 0.7

    def perfect(self, target):
        return torch.nn.functional.one_hot(target, self.classes).movedim(-1, 1).double() * 200

    def test_pixels_labelled_255_do_not_count(self, loss):
        logits, target, valid = self.case()
        marked = torch.where(valid, target, torch.full_like(target, 255))
        assert loss(logits, marked).item() == loss(logits, target, valid).item()

    def test_flattens_the_batch(self, loss):
        logits, target, _ = self.case()
        flat = loss(logits.movedim(1, -1).reshape(-1, self.classes), target.reshape(-1))
        assert loss(logits, target).item() == pytest.approx(flat.item(), rel=1e-12)


class TestWeightedCrossEntropy(SoftmaxContract):
    name = "weighted_cross_entropy"

    def expected(self, logits, target, valid):
        return oracle.weighted_cross_entropy(logits, target, valid)

    def test_alpha_of_the_last_batch_is_said(self, loss):
        assert loss.logged() == {}
        logits, target, valid = self.case(2)
        loss(logits, target, valid)
        want = oracle.adaptive_alpha(logits.numpy(), target.numpy(), valid.numpy())
        assert loss.logged() == {"alpha": pytest.approx(want, rel=1e-12)}
        assert 1 < loss.alpha.item() == loss.logged()["alpha"]
        assert not loss.alpha.requires_grad


class TestWeightOfAnotherClass(TestWeightedCrossEntropy):
    options = {"positive": 2, "largest": 1.5}
    classes = 4

    def expected(self, logits, target, valid):
        return oracle.weighted_cross_entropy(logits, target, valid, **self.options)

    def test_alpha_of_the_last_batch_is_said(self, loss):
        logits, target, valid = self.case(2)
        loss(logits, target, valid)
        want = oracle.adaptive_alpha(logits.numpy(), target.numpy(), valid.numpy(), **self.options)
        assert loss.alpha.item() == pytest.approx(want)


class TestSoftCounts(TestWeightedCrossEntropy):
    options = {"counts": "soft"}

    def expected(self, logits, target, valid):
        return oracle.weighted_cross_entropy(logits, target, valid, soft=True)

    def test_alpha_of_the_last_batch_is_said(self, loss):
        logits, target, _ = self.case(2)
        loss(logits, target)
        want = oracle.adaptive_alpha(logits.numpy(), target.numpy(), soft=True)
        assert loss.alpha.item() == pytest.approx(want, rel=1e-12)

    def test_gradient(self, loss):
        """None passes through α: the gradient is that with α as a number."""
        logits, target, _ = self.case()
        loss(logits.requires_grad_(), target).backward()
        alpha, copy = loss.alpha.item(), logits.detach().clone().requires_grad_()
        entropy = torch.nn.functional.cross_entropy(copy, target, reduction="none")
        (torch.where(target == 1, alpha, 1.0) * entropy).mean().backward()
        torch.testing.assert_close(logits.grad, copy.grad)


class TestLovasz(SoftmaxContract):
    name = "lovasz"
    classes = 3

    def expected(self, logits, target, valid):
        return oracle.lovasz(logits, target, valid)

    def test_large_batches_stay_accurate_in_float32(self, loss):
        logits, target, _ = self.case(4, (2, 40, 40))
        want = oracle.lovasz(logits.numpy(), target.numpy())
        assert loss(logits.float(), target).item() == pytest.approx(want, rel=1e-5)

    def test_classes_that_are_absent_do_not_count(self, loss):
        logits, target, _ = self.case()
        target = target.clamp_max(1)
        want = oracle.lovasz(logits.numpy(), target.numpy())
        assert loss(logits, target).item() == pytest.approx(want, rel=1e-12)


class TestLovaszOfTwoClasses(TestLovasz):
    classes = 2


class TestCompound(SoftmaxContract):
    name = "compound"

    def expected(self, logits, target, valid):
        weight = self.options.get("weight", 1)
        entropy = oracle.weighted_cross_entropy(logits, target, valid)
        return entropy + weight * oracle.lovasz(logits, target, valid)

    def test_alpha_is_passed_on(self, loss):
        logits, target, _ = self.case()
        assert loss.alpha is None
        loss(logits, target)
        assert loss.logged() == {"alpha": loss.alpha.item()} == loss.entropy.logged()


class TestCompoundOfOtherWeight(TestCompound):
    options = {"weight": 0.3}


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_both_definitions_of_the_lovasz_extension_agree_with_the_loss(data):
    count = data.draw(st.integers(1, 5))
    target = np.array(data.draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    values = st.lists(st.floats(-3, 3), min_size=2 * count, max_size=2 * count)
    logits = np.array(data.draw(values)).reshape(count, 2)
    found = losses.build("lovasz")(torch.from_numpy(logits), torch.from_numpy(target)).item()
    for extension in (oracle.extension_by_thresholds, oracle.extension_by_permutations):
        assert found == pytest.approx(oracle.lovasz(logits, target, extension=extension), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12))
def test_of_hard_predictions_lovasz_is_the_jaccard_loss(pixels):
    predicted, truth = (torch.tensor(values) for values in zip(*pixels, strict=True))
    logits = torch.nn.functional.one_hot(predicted, 3).double() * 1000
    found = losses.build("lovasz")(logits, truth).item()
    present = truth.unique().tolist()
    iou = [((predicted == c) & (truth == c)).sum() / ((predicted == c) | (truth == c)).sum() for c in present]
    assert found == pytest.approx(1 - float(np.mean(iou)), abs=1e-6)


def test_jaccard_gradient_of_many_pixels_is_exact_in_float32():
    """As differences of two losses near 1, most of these would be wrong in the second digit."""
    truth = torch.arange(200_000)[:, None] % 3 == 0
    single, double = jaccard_gradient(truth), jaccard_gradient(truth, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=0)
    assert double.sum().item() == pytest.approx(1, rel=1e-12)


def confusion(true_positive, false_positive, false_negative, true_negative):
    """Logits and target of a batch with these counts."""
    truth = [1] * true_positive + [0] * false_positive + [1] * false_negative + [0] * true_negative
    found = [1] * (true_positive + false_positive) + [0] * (false_negative + true_negative)
    logits = torch.nn.functional.one_hot(torch.tensor(found), 2).float() * 3
    return logits.T[None], torch.tensor(truth)[None]


@pytest.mark.parametrize(
    ("counts", "alpha"),
    [
        ((5, 0, 0, 5), 1.0),
        ((5, 4, 0, 5), 1.0),
        ((5, 1, 2, 5), 2.0),
        ((5, 4, 6, 5), 2.2),
        ((0, 0, 9, 5), 10.0),
        ((0, 0, 80, 5), 10.0),
        ((0, 9, 1, 0), 1.1),
    ],
)
def test_alpha_follows_the_printed_form(counts, alpha):
    """(FN + FP + 1) / (FP + 1), from 1 to 10: more missed pixels, more weight."""
    logits, target = confusion(*counts)
    loss = losses.build("weighted_cross_entropy")
    value = loss(logits, target).item()
    assert loss.alpha.item() == pytest.approx(alpha, rel=1e-6)
    right, wrong = math.log1p(math.exp(-3)), math.log1p(math.exp(3))
    tp, fp, fn, tn = counts
    total = alpha * (tp * right + fn * wrong) + fp * wrong + tn * right
    assert value == pytest.approx(total / sum(counts), rel=1e-6)  # by the pixels, not by their weights


def test_a_running_mean_changes_in_training_alone():
    loss = losses.build("weighted_cross_entropy", momentum=0.75)
    one, two = confusion(5, 1, 2, 5), confusion(5, 0, 5, 5)  # 2 and 6
    loss.eval()
    loss(*two)
    assert loss.alpha.item() == 6  # nothing else is known yet
    loss.train()
    seen = []
    for batch in (one, two, two):
        loss(*batch)
        seen.append(loss.alpha.item())
    assert seen == pytest.approx([2, 3, 3.75])
    loss.eval()
    loss(*one)
    assert loss.alpha.item() == pytest.approx(3.75)
    again = losses.build("weighted_cross_entropy", momentum=0.75)
    again.load_state_dict(loss.state_dict())
    again(*one)
    assert again.alpha.item() == pytest.approx(0.75 * 3.75 + 0.25 * 2)


def test_a_positive_class_without_logits_is_named():
    with pytest.raises(ValueError, match="positive=2 is no class of logits"):
        losses.build("compound", positive=2)(torch.zeros(1, 2, 3), torch.zeros(1, 3, dtype=torch.int64))
