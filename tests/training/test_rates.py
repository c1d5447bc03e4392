# SPDX-License-Identifier: MIT
"""The learning rate of each step of a training."""

import pytest
import torch
from torch import nn

from microtome.training import loop
from microtome.training.loop import fit
from tests.training.problems import parts, trainer


def rates(monkeypatch, **settings):
    """The rate of each step of a training of four epochs, and what its history says."""
    found, update = [], loop._update
    monkeypatch.setattr(
        loop, "_update", lambda t, o, s: (found.append(o.param_groups[0]["lr"]), update(t, o, s))[1]
    )
    done = fit(trainer(epochs=4, **settings), *parts())
    return found, [row["learning_rate"] for row in done.history]


def test_each_step_of_a_cycle_has_the_rate_of_pytorchs_own(monkeypatch):
    found, told = rates(monkeypatch, schedule={"name": "one_cycle", "rise": 0.25})
    steps = len(parts()[0])
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    options = {"max_lr": 0.02, "total_steps": 4 * steps, "pct_start": 0.25, "cycle_momentum": False}
    scheduler, expected = torch.optim.lr_scheduler.OneCycleLR(optimizer, **options), []
    for _ in range(4 * steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert found == pytest.approx(expected)
    assert told == pytest.approx(expected[steps - 1 :: steps])


def test_rates_change_with_epochs_unless_steps_are_asked_for(monkeypatch):
    steps = len(parts()[0])
    by_epoch, _ = rates(monkeypatch, schedule={"name": "poly"})
    assert by_epoch == pytest.approx([0.02 * (1 - n // steps / 4) ** 0.9 for n in range(4 * steps)])
    by_step, _ = rates(monkeypatch, schedule={"name": "poly", "unit": "step"})
    assert by_step == pytest.approx([0.02 * (1 - n / steps / 4) ** 0.9 for n in range(4 * steps)])
