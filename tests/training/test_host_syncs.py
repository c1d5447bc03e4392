# SPDX-License-Identifier: MIT
"""No step of training waits for the device: every network, loss and sampler of the studies, as published.

The device is `meta`, whose tensors have no values: whatever would read one on the host fails there, and so
does what makes a tensor whose size depends on values. Copies that would wait are noted on the way. With a GPU
the same steps are taken on it, small, where PyTorch itself refuses to wait.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch

from microtome import losses, networks
from microtome.config.losses import activation_of
from microtome.config.losses._classes import INVERSE_FREQUENCY
from microtome.config.training import Optimizer
from microtome.networks.windows import WindowTransform, input_window
from microtome.training import late, loop, steps
from microtome.training.batch import Batch, Drawn
from microtome.training.late import OnHost
from microtome.training.loop import validate
from microtome.training.selection import ConfusionCounts, Criterion, criterion_of
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import BinaryTask, SoftmaxTask, WindowTask
from microtome.training.trainer import Trainer
from tests.config.studies import load_study
from tests.host_syncs import HostSyncs

META = torch.device("meta")
STUDIES = ("membranes", "nuclei", "melanoma", "bcc", "rcm", "skin_layers")
SIDE, COUNT, BATCHES = 64, 2, 2
IGNORE = 255


@dataclass(frozen=True)
class Made:
    """Batches of made-up windows; if some labels may be unknown, they are in every second one."""

    channels: int
    maps: int
    side: int
    classes: int
    centres: bool
    copies: int | None
    ignores: bool
    count: int = BATCHES

    def __len__(self):
        return self.count

    def drawn(self, number):
        for place in range(self.count):
            draws = tuple(None if one % 2 else one + 1 for one in range(COUNT)) if self.copies else ()
            yield Drawn(
                place, ("a", "b"), np.zeros(COUNT, np.int64), np.zeros(COUNT, np.int64), self.side, draws
            )

    def read(self, drawn):
        generator = torch.Generator().manual_seed(drawn.number)
        shape = (COUNT, self.maps, 1, 1) if self.centres else (COUNT, self.maps, self.side, self.side)
        labels = torch.randint(0, self.classes, shape, generator=generator, dtype=torch.uint8)
        known = not self.ignores or drawn.number % 2 == 0
        if not known:
            labels[:, :, : self.side // 2] = IGNORE
        pixels = torch.randint(
            0, 255, (COUNT, self.channels, self.side, self.side), generator=generator, dtype=torch.uint8
        )
        return Batch(pixels, labels, drawn.samples, drawn.draws, known=known)


@cache
def studies():
    return {name: load_study(name, "full") for name in STUDIES}


def runs():
    """Runs at full scale, until every network, loss, sampler and augmentation is among them."""
    found, seen = [], set()
    for study in studies().values():
        for name, run in study.runs.items():
            if not run.is_trained:
                continue
            parts = {(run.network.name, run.supervision.levels), (run.loss.name, run.activation)}
            parts |= {(run.sampler.kind, run.window), run.augment}
            if parts - seen:
                found.append((study.name, name))
            seen |= parts
    return found


def prepared_run(study, run, device):
    """The trainer of a run and its batches, on a device."""
    classes = list(study.data.classes)
    options = run.loss.model_dump(mode="json")
    if options.get("class_weight") == INVERSE_FREQUENCY:
        options["class_weight"] = [1.0] * len(classes)
    small = {"width": 4, "weights": None}
    small = {name: value for name, value in small.items() if hasattr(run.network, name)}
    model = networks.build(**run.network.model_dump(mode="json") | small)
    loss = losses.build(**options)
    if run.supervision.levels == "all":
        loss = LevelLosses(loss, model.reductions, run.supervision)
    windows = run.sampler.kind == "balanced_windows"
    side = SIDE
    if windows:
        transform = WindowTransform(foveate=run.window.foveate, nonuniform=run.window.nonuniform)
        side = input_window(model.window, transform)
        task = WindowTask(run.input, run.augment, transform, model.window)
    else:
        task = {"softmax": SoftmaxTask, "sigmoid": BinaryTask}[activation_of(run.loss)](
            run.input, run.augment
        )
    changes = {"precision": "fp32", "batch_size": COUNT, "optimizer": Optimizer(name="sgd")}
    settings = run.training.model_copy(update=changes)
    told = classes if run.activation == "softmax" else classes[:2]
    criterion = replace(criterion_of(settings, told), averages=True)
    trainer = Trainer(model, loss, task, settings, device, criterion=criterion, readers=2)
    source = Made(
        getattr(run.network, "in_channels", 1),
        len(run.outputs),
        side,
        2 if windows else len(told),
        windows,
        getattr(run.sampler, "copies", None),
        ignores=not windows and run.input.zoom == 1 and run.augment.target_rounding == "nearest",
    )
    return trainer, source


def begun(trainer, source):
    """A training as it is when its first epoch begins; it validates on one batch."""
    trainer.place()
    once = replace(source, count=1)
    return loop._Run(trainer, loop._optimizer(trainer), loop._average(trainer), source, once)


@pytest.fixture
def without_values(monkeypatch):
    """Numbers that are on their way from a device without values arrive as ones; batches count as pinned."""
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda _: True)

    def to_host(values):
        return OnHost(torch.ones(values.shape))

    monkeypatch.setattr(late, "to_host", to_host)
    monkeypatch.setattr(steps, "to_host", to_host)
    monkeypatch.setattr(Trainer, "autocast", property(lambda _: nullcontext()))
    monkeypatch.setattr(Criterion, "values", lambda *_: {})


@pytest.mark.parametrize(("study", "run"), runs(), ids=str)
def test_no_step_reads_a_number(study, run, without_values):
    trainer, source = prepared_run(studies()[study], studies()[study].runs[run], META)
    state = begun(trainer, source)
    with HostSyncs(META) as waits:
        loss, _, _ = loop._train(state, 0)
        loop._validated(state)
    assert waits.found == []
    assert loss == 1


def test_what_reads_a_number_fails_there(without_values):
    """The stand-in is one: a loss that is read in its step cannot be computed on it."""
    study = studies()["membranes"]
    trainer, source = prepared_run(study, next(run for run in study.runs.values() if run.is_trained), META)
    inner = trainer.loss

    class Reading(torch.nn.Module):
        def forward(self, *given):
            return inner(*given) * float(given[0].detach().mean() > 0)

    trainer = replace(trainer, loss=Reading())
    state = begun(trainer, source)
    with pytest.raises(RuntimeError, match="meta"):
        loop._train(state, 0)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_readers_pin_what_a_gpu_copies(device):
    """Batches and draws alike; else each copy to the GPU would be waited for."""
    pinned = []

    @dataclass(frozen=True)
    class Pinnable:
        name: str

        def pinned(self):
            pinned.append(self.name)
            return self

    class Everything:
        def drawn(self, number):
            return iter([number, number])

        def read(self, drawn):
            return Pinnable("batch")

        def draw(self, batch, *, seed):
            return Pinnable("draws")

    trainer, _ = prepared_run(studies()["membranes"], studies()["membranes"].runs["dice"], META)
    trainer = replace(trainer, device=torch.device(device), task=Everything())
    loaded = [call() for call in steps._calls(trainer, Everything(), 3)]
    assert pinned == (["batch", "draws"] * 2 if device == "cuda" else [])
    assert [one.where for one in loaded] == ["epoch 4, step 1", "epoch 4, step 2"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("study", "run"), runs(), ids=str)
def test_no_step_waits_for_a_gpu(study, run):
    device = torch.device("cuda")
    trainer, source = prepared_run(studies()[study], studies()[study].runs[run], device)
    state = begun(trainer, source)
    loop._train(state, 0)  # kernels are chosen, and memory is taken
    torch.cuda.set_sync_debug_mode("error")
    try:
        loop._train(state, 1)
        validate(trainer, source, ConfusionCounts(2, device))
    finally:
        torch.cuda.set_sync_debug_mode("default")
