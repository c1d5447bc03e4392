# SPDX-License-Identifier: MIT
"""Numbers that are read one step late: whose they are, and when."""

import numpy as np
import pytest
import torch

from microtome.training import late, steps
from microtome.training.batch import Batch
from microtome.training.late import LateMeans, OnHost
from microtome.training.loop import TrainingDivergedError, fit
from tests.training import problems


def batch(*samples):
    return Batch(torch.zeros(len(samples), 1, 4, 4), torch.zeros(len(samples), 1, 4, 4), samples)


def test_means_weigh_steps_by_their_windows():
    losses, alphas, names = (1.0, 4.0, 0.25), (2.0, 3.0, 7.0), (("a",), ("a", "b"), ("b", "c", "c"))
    means = LateMeans()
    for number, loss in enumerate(losses):
        logged = {"alpha": torch.tensor(alphas[number])}
        means.add(torch.tensor(loss, dtype=torch.float32), logged, batch(*names[number]), f"step {number}")
    weights = [len(one) for one in names]
    loss, others = means.finish()
    assert loss == pytest.approx(np.average(losses, weights=weights), rel=1e-12)
    assert others == pytest.approx({"alpha": np.average(alphas, weights=weights)}, rel=1e-12)


def test_a_loss_of_a_plugin_may_log_plain_numbers():
    means = LateMeans()
    means.add(torch.tensor(1.0), {"alpha": 2.5}, batch("a"), "step 1")
    assert means.finish() == (1.0, {"alpha": 2.5})


def test_what_a_loss_logs_does_not_take_the_place_of_the_loss():
    means = LateMeans()
    means.add(torch.tensor(1.0), {"loss": float("nan")}, batch("a"), "step 1")
    means.add(torch.tensor(2.0), {"loss": 5.0}, batch("a"), "step 2")
    loss, others = means.finish()
    assert (loss, others.keys()) == (1.5, {"loss"})


def test_a_step_is_read_once_the_next_is_launched(monkeypatch):
    read = []

    class Watched(OnHost):
        def read(self):
            read.append(self.values.tolist()[0])
            return super().read()

    monkeypatch.setattr(late, "to_host", lambda values: Watched(values))
    means = LateMeans()
    for number in range(3):
        means.add(torch.tensor(float(number)), {}, batch("a"), "step")
        assert read == list(range(number))
    means.finish()
    assert read == [0, 1, 2]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_is_no_number_is_told_of_its_own_step(wrong, at):
    """The step before has its name too, and the step after is under way."""
    means = LateMeans()
    with pytest.raises(TrainingDivergedError, match=rf"in step {at}, in a batch of the samples s{at}\."):
        for number in range(3):
            value = wrong if number == at else 1.0
            means.add(torch.tensor(value), {}, batch(f"s{number}"), f"step {number}")
        means.finish()


def test_nothing_is_saved_or_validated_after_a_loss_that_is_no_number(tmp_path, monkeypatch):
    """Of the last step of an epoch the loss is read before what follows the epoch."""
    last = torch.nn.Module()
    train, validation = problems.parts()
    steps, trainer = len(train), problems.trainer()
    count = []

    def forward(logits, target, valid=None):
        count.append(1)
        return logits.mean() * (float("nan") if len(count) == steps else 1.0)

    last.forward = forward
    changed = type(trainer)(trainer.model, last, trainer.task, trainer.settings, trainer.device)
    with pytest.raises(TrainingDivergedError, match=f"epoch 1, step {steps},"):
        fit(changed, train, validation, checkpoint=tmp_path / "c", key=problems.KEY)
    assert len(count) == steps
    assert list(tmp_path.iterdir()) == []


def test_a_step_whose_numbers_are_awaited_holds_no_pixels():
    """What it says of itself are the names and the size of its windows."""
    train, _ = problems.parts()
    for step, batch in zip(steps.steps(problems.trainer(), train, epoch=0), train.epoch(0), strict=True):
        assert (step.batch.samples, step.batch.images.shape) == (batch.samples, batch.images.shape)
        assert {step.batch.images.device.type, step.batch.labels.device.type} == {"meta"}
