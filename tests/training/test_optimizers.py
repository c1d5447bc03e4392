# SPDX-License-Identifier: MIT
"""Optimizers and schedules, against closed forms and PyTorch's own schedulers."""

import math
from itertools import pairwise

import pytest
import torch

from microtome.config.training import Optimizer, Schedule
from microtome.training import checkpoint as checkpoints
from microtome.training.checkpoint import Checkpoint
from microtome.training.optimizers import build_optimizer, learning_rate_factor, set_learning_rate
from tests.host_syncs import HostSyncs


def factors(epochs, **schedule):
    return [learning_rate_factor(Schedule(**schedule), epoch, epochs) for epoch in range(epochs)]


def torch_factors(kind, epochs, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, found = kind(optimizer, **options), []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_constant():
    assert factors(4, name="constant") == [1, 1, 1, 1]


def test_step_is_that_of_pytorch():
    expected = torch_factors(torch.optim.lr_scheduler.StepLR, 70, step_size=30, gamma=0.1)
    assert factors(70, name="step", every=30, factor=0.1) == pytest.approx(expected)


def test_cosine_is_that_of_pytorch():
    expected = torch_factors(torch.optim.lr_scheduler.CosineAnnealingLR, 25, T_max=25)
    assert factors(25, name="cosine") == pytest.approx(expected)


def test_exponential_is_that_of_pytorch():
    expected = torch_factors(torch.optim.lr_scheduler.ExponentialLR, 30, gamma=0.03 ** (1 / 30))
    assert factors(30, name="exponential", factor=0.03) == pytest.approx(expected)


@pytest.mark.parametrize("power", [0.9, 2.0])
def test_poly_is_that_of_pytorch(power):
    expected = torch_factors(torch.optim.lr_scheduler.PolynomialLR, 25, total_iters=25, power=power)
    assert factors(25, name="poly", power=power) == pytest.approx(expected)


@pytest.mark.parametrize(("steps", "rise"), [(40, 0.3), (1000, 0.05), (7, 0.5)])
def test_one_cycle_is_that_of_pytorch(steps, rise):
    options = {"max_lr": 1.0, "total_steps": steps, "pct_start": rise, "cycle_momentum": False}
    expected = torch_factors(torch.optim.lr_scheduler.OneCycleLR, steps, **options)
    assert factors(steps, name="one_cycle", rise=rise) == pytest.approx(expected)


def test_a_cycle_too_short_to_rise_falls():
    assert factors(2, name="one_cycle", rise=0.3) == pytest.approx([1, 1 / 250_000])
    assert factors(1, name="one_cycle", rise=0.3) == pytest.approx([1])


def test_a_cycle_has_no_other_warm_up():
    with pytest.raises(ValueError, match="warmup 0 beside one_cycle"):
        Schedule(name="one_cycle", warmup=1)


@pytest.mark.parametrize("name", ["cosine", "poly", "exponential", "step"])
def test_steps_of_a_schedule_pass_through_its_epochs(name):
    """At the first step of an epoch the rate is that of the epoch, in between it goes on without a jump."""
    schedule = Schedule(name=name, every=2)
    found = [learning_rate_factor(schedule, step, 60, per_epoch=10) for step in range(60)]
    assert found[::10] == pytest.approx([learning_rate_factor(schedule, epoch, 6) for epoch in range(6)])
    assert all(later <= earlier for earlier, later in pairwise(found))


def test_warm_up_by_steps_takes_as_many_epochs():
    found = [learning_rate_factor(Schedule(warmup=2), step, 60, per_epoch=10) for step in range(60)]
    assert found[:20] == pytest.approx([(step + 1) / 21 for step in range(20)])
    assert found[20:] == [1.0] * 40


def test_warm_up_rises_evenly_and_the_rest_follows():
    found = factors(12, name="cosine", warmup=3)
    assert found[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert found[3:] == pytest.approx([0.5 * (1 + math.cos(math.pi * k / 9)) for k in range(9)])
    assert factors(3, name="cosine", warmup=9) == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        ({"name": "adam", "lr": 0.1}, torch.optim.Adam, {"lr": 0.1, "weight_decay": 0}),
        ({"name": "adamw", "weight_decay": 0.2}, torch.optim.AdamW, {"lr": 1e-3, "weight_decay": 0.2}),
        (
            {"name": "sgd", "momentum": 0.5, "weight_decay": 0.1},
            torch.optim.SGD,
            {"momentum": 0.5, "weight_decay": 0.1},
        ),
    ],
)
def test_build(settings, kind, expected):
    optimizer = build_optimizer([torch.nn.Parameter(torch.ones(2))], Optimizer(**settings))
    assert type(optimizer) is kind
    assert {key: optimizer.param_groups[0][key] for key in expected} == expected


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.0), (0.99, 0.01)])
def test_nesterov_looks_a_step_ahead(momentum, decay):
    """The recurrence of Sutskever et al. (2013), of velocities that hold no rate, as PyTorch keeps them."""
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    settings = {"lr": 0.1, "momentum": momentum, "nesterov": True, "weight_decay": decay}
    optimizer = build_optimizer([weight], Optimizer(name="sgd", **settings))
    value, velocity = 1.0, 0.0
    for rate in (0.1, 0.05, 0.2):
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
        slope = 2 * value + decay * value
        velocity = momentum * velocity + slope
        value -= rate * (slope + momentum * velocity)
        assert weight.item() == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("settings", [{"name": "adam"}, {"name": "sgd", "momentum": 0}])
def test_nesterov_is_momentum_of_gradient_descent(settings):
    with pytest.raises(ValueError, match="nesterov false, or name sgd with a momentum above 0"):
        Optimizer(nesterov=True, **settings)
    assert "nesterov" not in Optimizer().model_dump()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_fused_steps_are_those_of_the_others_and_read_nothing(name):
    """Only Adam and AdamW are fused, as only they count steps, which then stay on the device."""
    settings, ends = Optimizer(name=name, lr=0.1, weight_decay=0.01), []
    for fused in (True, False):
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 7))
        optimizer = build_optimizer([weight], settings, fused=fused)
        assert bool(optimizer.param_groups[0].get("fused")) == (fused and name != "sgd")
        with HostSyncs() as waits:
            for _ in range(3):
                optimizer.zero_grad()
                (weight**3).sum().backward()
                optimizer.step()
        assert waits.found == [] or not fused
        ends.append(weight.detach())
    assert torch.allclose(*ends, rtol=1e-6)


@pytest.mark.parametrize("fused", [True, False])
def test_a_checkpoint_is_gone_on_with_as_the_device_computes(tmp_path, fused):
    """A run that began on a GPU, where Adam is fused, goes on on a CPU as CPUs do; and vice versa."""
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    models = {first: fused, second: not fused}
    optimizers = [build_optimizer(one.parameters(), Optimizer(), fused=how) for one, how in models.items()]
    first(torch.ones(1, 3)).sum().backward()
    optimizers[0].step()
    weights = first.state_dict()
    checkpoints.save(tmp_path / "c", Checkpoint("k", 1, weights, weights, optimizers[0].state_dict(), ()))
    checkpoints.restore(second, optimizers[1], checkpoints.load(tmp_path / "c", "k"))
    assert bool(optimizers[1].param_groups[0].get("fused")) == (not fused)
    for model, optimizer in zip(models, optimizers, strict=True):
        optimizer.zero_grad()
        model(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.allclose(one, two, rtol=1e-6)


def test_sgd_with_momentum_follows_its_recurrence():
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = build_optimizer([weight], Optimizer(name="sgd", lr=0.1, momentum=0.9))
    value, velocity = 1.0, 0.0
    for rate in (0.1, 0.05, 0.2):
        set_learning_rate(optimizer, rate)
        optimizer.zero_grad()
        weight.square().sum().backward()
        optimizer.step()
        velocity = 0.9 * velocity + 2 * value
        value -= rate * velocity
        assert weight.item() == pytest.approx(value, rel=1e-6)
