# SPDX-License-Identifier: MIT
"""What a loss logs is in the history, and what it remembers survives an interruption."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from microtome import losses
from microtome.config.augment import Augment
from microtome.config.sampling import Input
from microtome.config.training import Supervision, Training
from microtome.training.loop import Trainer, fit, validate
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import SoftmaxTask
from tests.training.problems import CPU, KEY, Interrupted, Levels, StoppedError, parts


class Noting(nn.Module):
    """A loss that notes what it logged, with its mode."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.seen = inner, []

    def forward(self, *given):
        value = self.inner(*given)
        self.seen.append((self.training, self.inner.alpha.item(), len(given[0])))
        return value

    def logged(self):
        return self.inner.logged()


def trainer(loss, epochs=3):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1))
    settings = Training(epochs=epochs, batch_size=5, optimizer={"name": "adam", "lr": 0.02})
    return Trainer(model, loss, SoftmaxTask(Input(), Augment(horizontal_flip=0.5)), settings, CPU, 0)


def test_alpha_of_the_training_batches_is_in_the_history():
    loss = Noting(losses.build("compound"))
    done = fit(trainer(loss), *parts())
    assert list(done.history[0])[-1] == "alpha"
    per_epoch = [one for one in loss.seen if one[0]]
    count = len(per_epoch) // 3
    for number, row in enumerate(done.history):
        batches = per_epoch[number * count : (number + 1) * count]
        mean = np.average([alpha for _, alpha, _ in batches], weights=[n for *_, n in batches])
        assert row["alpha"] == pytest.approx(mean, rel=1e-6)
    assert {mode for mode, *_ in loss.seen} == {True, False}


def test_terms_of_every_level_are_in_the_history():
    """The loss of training is the sum of those of the levels, each of which is the sum of its terms."""
    torch.manual_seed(0)
    model = Levels(2)
    total = LevelLosses(
        losses.build("mdsc_tv", tv_weight=0.01),
        model.reductions,
        Supervision(levels="all", weights=(1, 2, 3)),
    )
    done = fit(replace(trainer(total, epochs=2), model=model), *parts())
    named = [f"level_{n}_{name}" for n in range(3) for name in ("loss", "mdsc", "tv")]
    assert list(done.history[0])[-11:] == ["mdsc", "tv", *named]
    for row in done.history:
        weighed = sum(weight * row[f"level_{n}_loss"] for n, weight in enumerate((1, 2, 3)))
        assert row["train_loss"] == pytest.approx(weighed, rel=1e-6)
        for n in range(3):
            terms = row[f"level_{n}_mdsc"] + row[f"level_{n}_tv"]
            assert row[f"level_{n}_loss"] == pytest.approx(terms, rel=1e-6)
        assert (row["mdsc"], row["tv"]) == (row["level_2_mdsc"], row["level_2_tv"])


def test_losses_that_log_nothing_add_no_column():
    assert "alpha" not in fit(trainer(losses.build("lovasz"), epochs=1), *parts()).history[0]


def test_validation_leaves_the_running_mean_alone():
    loss = losses.build("weighted_cross_entropy", momentum=0.5)
    loss.smoothed = torch.tensor(3.0)
    validate(trainer(loss), parts()[1])
    assert loss.smoothed.item() == loss.alpha.item() == 3


def test_the_running_mean_survives_an_interruption(tmp_path: Path):
    def run(train, checkpoint):
        loss = losses.build("weighted_cross_entropy", momentum=0.9)
        return fit(trainer(loss), train, parts()[1], checkpoint=checkpoint, key=KEY)

    whole, file = run(parts()[0], None), tmp_path / "checkpoint.safetensors"
    with pytest.raises(StoppedError):
        run(Interrupted(parts()[0], at=2), file)
    again = run(parts()[0], file)
    assert again.resumed == 1
    assert [row["alpha"] for row in again.history] == [row["alpha"] for row in whole.history]
    assert all(torch.equal(again.weights[name], value) for name, value in whole.weights.items())
