# SPDX-License-Identifier: MIT
"""What every loss must keep."""

import math

import pytest
import torch

from microtome import losses

SHAPE = (3, 2, 5, 7)


def random_case(seed, shape=SHAPE, scale=3.0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(shape, generator=generator, dtype=torch.float64) * scale
    target = (torch.rand(shape, generator=generator) < 0.6).double()
    valid = torch.rand(shape, generator=generator) < 0.7
    return logits, target, valid


class LossContract:
    """What every loss promises; subclasses name the loss and make cases for it."""

    name = None
    options = {}

    def case(self, seed=0):
        return random_case(seed)

    def perfect(self, target):
        return (target * 2 - 1) * 200.0

    def expected(self, logits, target, valid):
        raise NotImplementedError

    @pytest.fixture
    def loss(self):
        return losses.build(self.name, **self.options)

    def test_equals_formula_when_all_is_valid(self, loss):
        logits, target, _ = self.case()
        want = self.expected(logits.numpy(), target.numpy(), None)
        assert loss(logits, target).item() == pytest.approx(want, rel=1e-10)

    @pytest.mark.parametrize("seed", range(2))
    def test_equals_formula_on_valid_entries(self, loss, seed):
        logits, target, valid = self.case(seed)
        want = self.expected(logits.numpy(), target.numpy(), valid.numpy())
        assert loss(logits, target, valid).item() == pytest.approx(want, rel=1e-10)

    def test_invalid_entries_have_no_influence(self, loss):
        logits, target, valid = self.case()
        spoiled_target = torch.where(valid, target, torch.full_like(target, 255))
        wide = valid if logits.shape == valid.shape else valid.unsqueeze(1).expand_as(logits)
        spoiled = torch.where(wide, logits, torch.full_like(logits, math.nan)).requires_grad_()
        value = loss(spoiled, spoiled_target, valid)
        value.backward()
        assert value.item() == pytest.approx(loss(logits, target, valid).item(), rel=1e-12)
        assert torch.isfinite(spoiled.grad).all()
        assert (spoiled.grad[~wide] == 0).all()

    def test_nothing_valid_is_zero_without_gradient(self, loss):
        logits, target, valid = self.case()
        logits.requires_grad_()
        value = loss(logits, target, torch.zeros_like(valid))
        value.backward()
        assert value.item() == 0
        assert (logits.grad == 0).all()

    def test_gradient(self, loss):
        logits, target, valid = self.case()
        assert torch.autograd.gradcheck(lambda x: loss(x, target, valid), logits.requires_grad_())

    def test_scalar_and_finite_for_extreme_logits(self, loss):
        logits, target, _ = self.case()
        extreme = (logits.float() * 1e4).requires_grad_()
        value = loss(extreme, target)
        value.backward()
        assert value.shape == ()
        assert torch.isfinite(value)
        assert torch.isfinite(extreme.grad).all()

    def test_perfect_prediction_is_zero(self, loss):
        _, target, _ = self.case()
        assert loss(self.perfect(target), target).item() == pytest.approx(0, abs=1e-12)

    def test_saturated_perfect_prediction_has_a_finite_gradient(self, loss):
        _, target, _ = self.case()
        logits = self.perfect(target).float().requires_grad_()
        loss(logits, target).backward()
        assert torch.isfinite(logits.grad).all()

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision_is_computed_in_float32(self, loss, dtype):
        logits, target, valid = self.case()
        half = logits.to(dtype).requires_grad_()
        value = loss(half, target, valid)
        value.backward()
        assert value.dtype == torch.float32
        assert half.grad.dtype == dtype
        assert value.item() == pytest.approx(loss(half.detach().double(), target, valid).item(), rel=1e-5)

    def test_has_no_state_to_save(self, loss):
        assert not loss.state_dict()
