# SPDX-License-Identifier: MIT
"""Averaged weights: against a plain recursion, through a kill, and as what is validated and kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from microtome.config.training import Training
from microtome.training import checkpoint as checkpoints
from microtome.training import loop
from microtome.training.averaging import AveragedWeights, decay_at
from microtome.training.kept import KeptWeights
from microtome.training.loop import fit, validate
from microtome.training.selection import Criterion, criterion_of
from tests.training import problems
from tests.training.problems import KEY, Interrupted, StoppedError
from tests.training.test_resume import assert_same_end

CLASSES = ("ground", "cell")
AFTER_THE_LAST = criterion_of(Training.model_validate({"select": "ema"}), CLASSES)


def trainer(criterion=AFTER_THE_LAST, **settings):
    return replace(problems.trainer(**{"epochs": 4, "ema": 0.9} | settings), criterion=criterion)


def arrays(model):
    return {name: value.double().numpy().copy() for name, value in model.state_dict().items()}


def watched(monkeypatch):
    """The states after each step, as float64 arrays."""
    states, update = [], loop._update

    def noting(trainer, optimizer, step):
        loss = update(trainer, optimizer, step)
        states.append(arrays(trainer.model))
        return loss

    monkeypatch.setattr(loop, "_update", noting)
    return states


def test_the_average_is_that_of_a_plain_recursion(monkeypatch):
    states, start = watched(monkeypatch), trainer()
    wanted = arrays(start.model)
    done = fit(start, *problems.parts())
    for step, state in enumerate(states, start=1):
        keeps = min(0.9, (1 + step) / (10 + step))
        for name, value in state.items():
            wanted[name] = value if "num_batches" in name else keeps * wanted[name] + (1 - keeps) * value
    assert done.averaged_steps == len(states) == 4 * len(problems.parts()[0])
    assert done.weights.keys() == wanted.keys()
    for name, value in done.weights.items():
        assert np.allclose(value, wanted[name], rtol=1e-5, atol=1e-7), name
    trained = states[-1]
    assert not np.allclose(done.weights["0.weight"], trained["0.weight"], rtol=1e-2)
    assert not np.allclose(done.weights["1.running_mean"], trained["1.running_mean"], rtol=1e-2)


def test_training_goes_on_as_without_an_average():
    """What is averaged is not what is trained."""
    rows = [fit(chosen, *problems.parts()).history for chosen in (trainer(), trainer(Criterion("last")))]
    losses = [[row["train_loss"] for row in history] for history in rows]
    assert losses[0] == losses[1]
    assert [row["val_loss"] for row in rows[0]] != [row["val_loss"] for row in rows[1]]


def test_the_averaged_weights_are_validated():
    chosen = trainer()
    done = fit(chosen, *problems.parts())
    again = problems.trainer()
    again.model.load_state_dict(done.weights)
    assert validate(again, problems.parts()[1]) == pytest.approx(done.history[-1]["val_loss"], rel=1e-6)


@pytest.mark.parametrize("at", [1, 3])
def test_stopped_and_gone_on_with(tmp_path, at):
    train, validation = problems.parts()
    done = fit(trainer(), train, validation, checkpoint=tmp_path / "whole", key=KEY)
    with pytest.raises(StoppedError):
        fit(trainer(), Interrupted(train, at=at), validation, checkpoint=tmp_path / "c", key=KEY)
    again = fit(trainer(), train, validation, checkpoint=tmp_path / "c", key=KEY)
    assert (again.resumed, again.averaged_steps) == (1, done.averaged_steps)
    assert_same_end(tmp_path / "whole", tmp_path / "c")
    assert all(torch.equal(again.weights[name], value) for name, value in done.weights.items())
    states = [checkpoints.load(tmp_path / name, KEY).averaged for name in ("whole", "c")]
    assert all(torch.equal(states[1][name], value) for name, value in states[0].items())


def test_a_checkpoint_without_an_average_is_not_gone_on_with(tmp_path, caplog):
    fit(trainer(Criterion("last"), epochs=2), *problems.parts(), checkpoint=tmp_path / "c", key=KEY)
    assert fit(trainer(), *problems.parts(), checkpoint=tmp_path / "c", key=KEY).resumed == 0
    assert "the checkpoint's average differs" in caplog.text


def test_the_best_of_the_averaged_epochs_is_kept(tmp_path):
    criterion = Criterion("iou", "cell", CLASSES, keep=2, averages=True)
    path = tmp_path / "c.safetensors"
    done = fit(trainer(criterion), *problems.parts(), checkpoint=path, key=KEY)
    assert done.best_epoch == int(np.argmax([row["val_iou"] for row in done.history])) + 1
    kept = load_file(KeptWeights.beside(path).path(done.best_epoch))
    assert all(torch.equal(value, done.weights[name]) for name, value in kept.items())


def test_the_model_gets_its_own_weights_back_bit_by_bit():
    model = problems.network()
    averaged = AveragedWeights(model, decay=0.5)
    before = {name: value.clone() for name, value in averaged.state.items()}
    with torch.no_grad():
        for value in model.parameters():
            value.mul_(1.1)
    trained = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(StoppedError), averaged.in_place():
        assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
        raise StoppedError
    assert all(torch.equal(model.state_dict()[name], value) for name, value in trained.items())


def test_a_short_training_is_not_left_with_its_start():
    share = np.prod([decay_at(step, 0.999) for step in range(1, 31)])
    assert share < 1e-6 < 0.999**30


@pytest.mark.parametrize(
    ("select", "wanted"),
    [
        ("best", Criterion()),
        (None, Criterion()),
        ("last", Criterion("last", None, CLASSES)),
        ("ema", Criterion("last", None, CLASSES, averages=True)),
        ({"metric": "loss", "weights": "ema"}, Criterion(None, None, CLASSES, averages=True)),
        ({"metric": "dice", "class": "cell"}, Criterion("dice", "cell", CLASSES)),
    ],
)
def test_words_stand_for_ways_to_choose(select, wanted):
    assert criterion_of(Training.model_validate({"select": select}), CLASSES) == wanted
