# SPDX-License-Identifier: MIT
"""The training loop: learning, bookkeeping, stopping, faults."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from microtome import losses, networks
from microtome.config.augment import Augment
from microtome.config.training import Supervision
from microtome.io.images import ArraySource
from microtome.training import loop, steps
from microtome.training.batches import Batch, PatchBatches
from microtome.training.labelled import Labelled
from microtome.training.loop import BatchError, Trainer, TrainingDivergedError, fit, validate
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import Prepared
from tests.training.problems import (
    CPU,
    Interrupted,
    Levels,
    StoppedError,
    network,
    parts,
    patches,
    prepared,
    samples,
    trainer,
)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def loss_of(trainer, batch, *, seed):
    return trainer.loss_on(prepared(trainer.task, batch, seed=seed))


def script(monkeypatch, values):
    """Let validation say these losses, one after the other."""
    left = iter(values)
    monkeypatch.setattr(loop, "validate", lambda *_: next(left))


def test_training_learns_and_repeats_itself():
    done = [fit(trainer(epochs=12), *parts()) for _ in range(2)]
    rows = done[0].history
    assert rows[-1]["train_loss"] < 0.6 * rows[0]["train_loss"]
    assert rows[-1]["val_loss"] < 0.6 * rows[0]["val_loss"]
    assert same(done[0].weights, done[1].weights)
    assert not same(done[0].weights, fit(trainer(epochs=12, seed=1), *parts()).weights)


def test_history_has_a_row_for_each_epoch():
    settings = {"schedule": {"name": "step", "every": 2, "factor": 0.1}, "epochs": 3}
    done = fit(trainer(**settings), *parts())
    assert [row["epoch"] for row in done.history] == [1, 2, 3]
    assert [row["learning_rate"] for row in done.history] == pytest.approx([0.02, 0.02, 0.002])
    keys = {"epoch", "train_loss", "val_loss", "learning_rate", "train_seconds", "val_seconds"}
    assert all(row.keys() == keys and row["train_seconds"] > 0 < row["val_seconds"] for row in done.history)
    assert done.resumed == 0
    assert done.started[:2] == "20"


def test_weights_of_the_best_epoch_are_kept_the_first_if_several_tie(monkeypatch):
    script(monkeypatch, [3.0, 1.0, 2.0, 1.0])
    done = fit(trainer(epochs=4), *parts())
    script(monkeypatch, [3.0, 1.0])
    assert done.best_epoch == 2
    assert same(done.weights, fit(trainer(epochs=2), *parts()).weights)


@pytest.mark.parametrize(
    ("values", "patience", "every", "epochs", "best"),
    [
        ([3, 1, 2, 2, 2, 2], 2, 1, 4, 2),
        ([3, 2, 1, 1, 1, 1], 3, 1, 6, 3),
        ([6, 5, 4, 3, 2, 1], 1, 1, 6, 6),
        ([1, 2], 2, 3, 6, 3),  # not before the second validation
        ([2, 1], 1, 3, 6, 6),
    ],
)
def test_early_stopping(monkeypatch, values, patience, every, epochs, best):
    script(monkeypatch, values)
    done = fit(trainer(epochs=6, patience=patience, validate_every=every), *parts())
    assert (len(done.history), done.best_epoch) == (epochs, best)


def test_patience_longer_than_the_interval_stops_only_after_a_validation(monkeypatch):
    script(monkeypatch, [1, 2, 2, 2])
    done = fit(trainer(epochs=20, patience=4, validate_every=3), *parts())
    assert (len(done.history), done.best_epoch) == (9, 3)


def test_epochs_between_validations_have_no_validation_loss():
    rows = fit(trainer(epochs=5, validate_every=2), *parts()).history
    assert [math.isnan(row["val_loss"]) for row in rows] == [True, False, True, False, False]


def test_validation_leaves_the_model_alone_and_weighs_batches_by_their_windows():
    images = samples(count=3)
    done = trainer(loss="dice")
    batches = patches(images, batch_size=5, shuffle=False)
    before = {name: value.clone() for name, value in done.model.state_dict().items()}
    value = validate(done, batches)
    assert same(before, done.model.state_dict())
    done.model.eval()
    with torch.no_grad():
        expected = [
            (float(loss_of(done, batch, seed=None)), len(batch.samples)) for batch in batches.epoch(0)
        ]
    assert [count for _, count in expected] == [5, 5, 2]
    assert value == pytest.approx(sum(loss * count for loss, count in expected) / 12, rel=1e-12)


def with_nan(name):
    images = samples()
    broken = images[name].image.read(0, 0, 24, 24).astype(np.float32)
    broken[0, 3, 3] = np.nan
    return images | {name: Labelled(ArraySource(broken), images[name].label)}


def test_a_loss_that_is_no_number_names_the_samples():
    images, (_, validation) = with_nan("s1"), parts()
    with pytest.raises(TrainingDivergedError, match=r"loss is nan in epoch 1, step 2, .* samples s1\. "):
        fit(trainer(), patches(images, batch_size=4, shuffle=False), validation)


def test_a_validation_loss_that_is_no_number_names_the_samples():
    train, _ = parts()
    with pytest.raises(TrainingDivergedError, match=r"in validation, step 1, .* samples s0, s1\. Look"):
        fit(trainer(), train, patches(with_nan("s1"), batch_size=8, shuffle=False))


def test_batches_without_a_label_do_not_count():
    images, (train, validation) = samples(ignore=(1,)), parts()
    labelled = {name: images[name] for name in ("s0", "s2")}
    start = network().state_dict()
    values = []
    for chosen in (labelled, {name: images[name] for name in ("s0", "s1", "s2")}):
        model = network()
        model.load_state_dict(start)
        values.append(validate(trainer(model=model), patches(chosen, batch_size=4, shuffle=False)))
    assert values[0] == values[1] > 0
    nothing = patches({"s1": images["s1"]})
    with pytest.raises(ValueError, match="no batch has a labelled pixel"):
        fit(trainer(), nothing, validation)
    with pytest.raises(ValueError, match="no batch has a labelled pixel"):
        fit(trainer(), train, nothing)


def test_batches_without_a_label_move_no_weight(tmp_path):
    images = samples(ignore=(1,))
    batches = patches({name: images[name] for name in ("s0", "s1")}, batch_size=4, shuffle=False)
    path = tmp_path / "checkpoint"
    fit(trainer(epochs=3), batches, batches, checkpoint=path, key="k")
    steps = {float(slots["step"]) for slots in loop.checkpoints.load(path, "k").optimizer["state"].values()}
    assert steps == {3.0}


def test_gradients_are_clipped():
    def moved(**settings):
        model = network()
        before = {name: value.clone() for name, value in model.named_parameters()}
        sgd = {"name": "sgd", "lr": 1.0, "momentum": 0.0}
        batches = patches(samples(count=1), batch_size=4)
        fit(trainer(model=model, epochs=1, optimizer=sgd, **settings), batches, batches)
        squares = [
            (value - before[name]).detach().double().square().sum()
            for name, value in model.named_parameters()
        ]
        return math.sqrt(sum(squares))

    assert moved(grad_clip=1e-3) == pytest.approx(1e-3, rel=1e-3)
    assert moved() > 1e-2


def test_channels_last_is_for_images_only():
    image, volume = trainer(), trainer(model=nn.Conv3d(1, 1, 3))
    assert image.channels_last
    assert not volume.channels_last
    assert not trainer(channels_last=False).channels_last
    plain = trainer(channels_last=False)
    for chosen, layout in ((image, torch.channels_last), (plain, torch.contiguous_format)):
        chosen.place()
        chosen.model.eval()
        assert chosen.model[4].weight.is_contiguous(memory_format=layout)
    batch = next(parts()[0].epoch(0))
    assert torch.allclose(loss_of(image, batch, seed=0), loss_of(plain, batch, seed=0), rtol=1e-5)


@pytest.mark.parametrize(
    ("device", "layouts"),
    [
        ("cuda", {4: torch.channels_last, 5: torch.channels_last_3d}),
        ("cpu", {4: torch.contiguous_format, 5: torch.contiguous_format}),
    ],
)
def test_volumes_are_channels_last_on_cuda_alone(monkeypatch, device, layouts):
    """Without a GPU the layouts can be looked at on the CPU."""
    model = nn.ModuleList([nn.Conv3d(3, 4, 3), nn.Conv2d(3, 4, 3)])
    chosen = replace(trainer(model=model, precision="fp32"), device=torch.device(device))
    monkeypatch.setattr(nn.Module, "to", lambda module, *_: module)
    chosen.place()
    for weight in (layer.weight for layer in model):
        assert weight.is_contiguous(memory_format=layouts[weight.dim()])


@pytest.mark.parametrize("levels", [True, False])
def test_the_network_is_compiled_where_that_is_asked_for(monkeypatch, levels):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda compute: compiled.append(compute) or compute)
    model = Levels(1) if levels else network()
    base = trainer(model=model, compile=True, epochs=2)
    built = losses.build("bce")
    loss = LevelLosses(built, model.reductions, Supervision(levels="all")) if levels else built
    done = fit(replace(base, loss=loss), *parts())
    assert compiled == [model.levels if levels else model]
    assert done.weights.keys() == model.state_dict().keys()
    fit(trainer(epochs=1), *parts())
    assert len(compiled) == 1


def test_bf16_is_for_the_forward_pass_only():
    model, seen = network(), set()
    model[0].register_forward_hook(lambda _, inputs, output: seen.add((inputs[0].dtype, output.dtype)))
    chosen = trainer(model=model, precision="bf16", epochs=2)
    done = fit(chosen, *parts())
    assert chosen.precision == "bf16"
    assert seen == {(torch.float32, torch.bfloat16)}
    assert done.weights["0.weight"].dtype == torch.float32
    assert math.isfinite(done.history[-1]["val_loss"])


@pytest.mark.parametrize(
    ("device", "asked", "capable", "used"),
    [
        ("cpu", "auto", True, "fp32"),
        ("cuda", "auto", True, "bf16"),
        ("cuda", "auto", False, "fp32"),
        ("cuda", "fp32", True, "fp32"),
        ("mps", "auto", True, "fp32"),
    ],
)
def test_precision(monkeypatch, device, asked, capable, used):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: capable)
    base = trainer(precision=asked)
    assert Trainer(base.model, base.loss, base.task, base.settings, torch.device(device)).precision == used


def test_bf16_is_refused_for_volumes_on_a_cpu():
    with pytest.raises(ValueError, match="bf16 for a 3-D network on a CPU"):
        fit(trainer(model=nn.Conv3d(1, 1, 1), precision="bf16"), *parts())


class Failing(nn.Module):
    def __init__(self, fail):
        super().__init__()
        self.weight, self.fail = nn.Parameter(torch.zeros(1)), fail

    def forward(self, images):
        self.fail()
        return images * self.weight


def raising(error):
    def fail():
        raise error

    return fail


@pytest.mark.parametrize(
    "fail",
    [
        lambda: torch.empty(2**55),
        raising(torch.OutOfMemoryError("CUDA out of memory.")),
        raising(MemoryError()),
    ],
    ids=["host", "cuda", "python"],
)
def test_too_little_memory_names_the_remedy(fail):
    found = r"memory on the cpu for 5 window\(s\) of 1×12×12 \(epoch 1, step 1\)\. Lower training\.batch_size"
    with pytest.raises(BatchError, match=found):
        fit(trainer(model=Failing(fail)), *parts())


def test_other_errors_pass():
    for error in (RuntimeError("mat1 and mat2"), ValueError("of the network")):
        with pytest.raises(type(error), match=str(error)):
            fit(trainer(model=Failing(raising(error))), *parts())


def test_one_small_window_is_too_little_for_batch_normalisation():
    images = samples(count=1)
    batches = PatchBatches(images, [("s0", 0, 0, 16)], 4)
    with pytest.raises(BatchError, match=r"1 window\(s\) of 1×16×16 .* Enlarge sampler\.crop"):
        fit(trainer(model=networks.build("unet", width=2)), batches, batches)


def test_odd_sizes_and_a_last_batch_of_one():
    images = samples(count=1)
    batches = PatchBatches(images, [("s0", 0, 0, 19), ("s0", 3, 2, 19), ("s0", 1, 1, 19)], 2)
    rows = fit(trainer(model=networks.build("unet", width=2), epochs=1), batches, batches).history
    assert math.isfinite(rows[0]["train_loss"])


@pytest.mark.parametrize("readers", [1, 3])
def test_making_batches_ahead_changes_nothing(monkeypatch, readers):
    """As for a device: threads read, and two batches are prepared before the one at hand is computed on."""
    expected = fit(trainer(), *parts())
    monkeypatch.setattr(steps, "reads_ahead", lambda _: True)
    found = fit(replace(trainer(), readers=readers), *parts())
    assert same(expected.weights, found.weights)
    assert [row["train_loss"] for row in expected.history] == [row["train_loss"] for row in found.history]


@pytest.mark.parametrize("ahead", [True, False])
def test_batches_are_prepared_two_ahead_of_a_device_alone(monkeypatch, ahead):
    monkeypatch.setattr(steps, "reads_ahead", lambda _: ahead)
    done = []

    class Watching:
        def draw(self, batch, *, seed):
            return None

        def prepare(self, batch, draws):
            done.append(len(done))
            return trainer().task.prepare(batch, draws)

    seen = [len(done) for _ in steps.steps(replace(trainer(), task=Watching()), parts()[0], epoch=0)]
    assert seen == ([3, 3, 3] if ahead else [1, 2, 3])


def test_an_error_of_reading_comes_at_its_place(monkeypatch):
    monkeypatch.setattr(steps, "reads_ahead", lambda _: True)
    train, validation = parts()
    with pytest.raises(StoppedError):
        fit(trainer(), Interrupted(train, at=1), validation)


def test_augmentation_is_new_in_each_step_and_epoch():
    seen = []

    class Watching:
        def draw(self, batch, *, seed):
            seen.append(seed)
            return trainer().task.draw(batch, seed=seed)

        def prepare(self, batch, draws):
            return trainer().task.prepare(batch, draws)

    base = trainer(epochs=2)
    fit(Trainer(base.model, base.loss, Watching(), base.settings, CPU), *parts())
    seeds = [seed for seed in seen if seed is not None]
    assert len(seeds) == len(set(seeds)) == 2 * len(parts()[0])
    assert seen.count(None) == 2 * len(parts()[1])


def test_progress_is_silent_where_nobody_looks(capsys):
    fit(trainer(epochs=1), *parts())
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_softmax_losses_take_class_numbers():
    torch.manual_seed(0)
    batch = Batch(torch.rand(2, 1, 4, 4), torch.zeros(2, 1, 1, 1, dtype=torch.int64), ("a", "b"))
    base = trainer(augmentation=Augment())
    flat = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))

    class Centre:
        def draw(self, batch, *, seed):
            return None

        def prepare(self, batch, draws):
            return Prepared(batch.images, batch.labels[:, 0, 0, 0], torch.ones(2, dtype=torch.bool))

    chosen = Trainer(flat, losses.build("cross_entropy"), Centre(), base.settings, CPU)
    expected = nn.functional.cross_entropy(flat(batch.images), batch.labels[:, 0, 0, 0])
    assert torch.allclose(loss_of(chosen, batch, seed=None), expected)


def test_learning_rates_reach_the_optimizer(monkeypatch):
    rates = []
    original = loop._update
    monkeypatch.setattr(
        loop, "_update", lambda t, o, s: (rates.append(o.param_groups[0]["lr"]), original(t, o, s))[1]
    )
    fit(trainer(epochs=4, schedule={"name": "cosine"}), *parts())
    per_epoch = rates[:: len(parts()[0])]
    assert per_epoch == pytest.approx([0.01 * (1 + math.cos(math.pi * k / 4)) for k in range(4)])
    assert all(first > second for first, second in pairwise(per_epoch))
