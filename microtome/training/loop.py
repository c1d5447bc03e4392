# SPDX-License-Identifier: MIT
"""The training loop: epochs, validation, early stopping, checkpoints, resume."""

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from tqdm import tqdm

from microtome.config.training import Training
from microtome.training import checkpoint as checkpoints
from microtome.training.batch_norm import synchronize
from microtome.training.batches import Batch, BatchSource, ahead, epoch_seed
from microtome.training.checkpoint import Checkpoint, CheckpointError
from microtome.training.kept import KeptWeights
from microtome.training.optimizers import build_optimizer, learning_rate_factor, set_learning_rate
from microtome.training.processes import SOLO, Team
from microtome.training.selection import BY_LOSS, LOSS, ConfusionCounts, Criterion
from microtome.training.step_errors import BatchError, TrainingDivergedError, check_finite, explained
from microtome.training.supervision import LevelLosses
from microtome.training.tasks import Prepared, Task, to_device

__all__ = ["BatchError", "Fit", "Trainer", "TrainingDivergedError", "fit", "validate"]

logger = logging.getLogger(__name__)
Loss = Callable[..., Tensor]
History = tuple[dict[str, float], ...]
REGISTER = 8
"""Single-precision numbers in a register of AVX2."""
IMAGE_DIMENSIONS = 4


@dataclass(frozen=True)
class Fit:
    """A trained model.

    Attributes:
        weights: State of the best epoch, on the CPU.
        history: epoch, train_loss, val_loss (NaN where an epoch was not validated), learning_rate,
            train_seconds, val_seconds of each epoch, then the metric that epochs are compared by, if they
            are, and the means over training windows of what the loss logs (its `logged()`); an epoch that was
            interrupted and repeated counts once.
        best_epoch: The epoch with the lowest validation loss, or the best by the metric, from 1; of several
            see `Criterion.best`.
        resumed: How often training was resumed from a checkpoint.
        started: When training first started, ISO 8601.
    """

    weights: dict[str, Tensor]
    history: History
    best_epoch: int
    resumed: int
    started: str = ""


@dataclass(frozen=True)
class Trainer:
    """Everything that stays the same from epoch to epoch.

    Attributes:
        loss: Of the result; if it is a `LevelLosses`, of all levels of the model.
        team: The processes that train together.
        criterion: Which epoch is the best.
    """

    model: torch.nn.Module
    loss: Loss
    task: Task
    settings: Training
    device: torch.device
    seed: int = 0
    team: Team = SOLO
    criterion: Criterion = BY_LOSS

    @property
    def precision(self) -> Literal["fp32", "bf16"]:
        """Number format of the forward pass; `auto` is bf16 on GPUs that compute in it, fp32 elsewhere."""
        if self.settings.precision != "auto":
            return self.settings.precision
        gpu = self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return "bf16" if gpu else "fp32"

    @property
    def autocast(self) -> torch.autocast:
        """Context in which the model computes."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def channels_last(self) -> bool:
        """Whether the model and its inputs are channels last: where asked for, unless that would harm.

        3-D models are slower so. And on CPUs without AVX-512, oneDNN (3.12, of torch 2.13) writes beyond its
        buffers in the backward pass of strided 1x1 convolutions of fewer channels than a register holds.
        """
        harmed = _is_volumetric(self.model) or (self.device.type == "cpu" and _has_narrow_strides(self.model))
        return self.settings.channels_last and not harmed

    def loss_on(self, prepared: Prepared) -> Tensor:
        """The loss of a prepared batch, all of it, though the team shares the work of the network."""
        outputs, ready = self.outputs_of(prepared)
        return self.loss_of(outputs, ready)

    def outputs_of(self, prepared: Prepared) -> tuple[list[Tensor], Prepared]:
        """The outputs of a prepared batch, all of it, the result last, and what they are measured against."""
        own = replace(prepared, inputs=prepared.inputs[self.team.share(len(prepared.inputs))])
        ready = to_device(own, self.device, channels_last=self.channels_last)
        with self.autocast:
            outputs = self.model.levels(ready.inputs) if self.trains_levels else [self.model(ready.inputs)]
        return [self.team.whole(output.float()) for output in outputs], ready

    def loss_of(self, outputs: list[Tensor], ready: Prepared) -> Tensor:
        """The loss of outputs of `outputs_of`."""
        return self.loss(outputs if self.trains_levels else outputs[-1], ready.target, ready.valid)

    @property
    def trains_levels(self) -> bool:
        """Whether all levels of the model are trained."""
        return isinstance(self.loss, LevelLosses)


def fit(
    trainer: Trainer,
    train: BatchSource,
    validation: BatchSource,
    *,
    checkpoint: Path | None = None,
    key: str = "",
) -> Fit:
    """Train a model and keep the weights of the best epoch, that of the lowest validation loss or of the
    highest metric.

    The same seed, data, settings and thread count give the same weights on a CPU, also if the run was killed
    and resumed. Several processes give the same but for rounding: each calls this with its own place in the
    team, and `batch_size` is of all of them together. The loss of an epoch is the mean over its windows of
    the loss of the batch they are in. For losses that flatten a batch (Dice, IoU, Tversky, focal in its form
    `batch_mean`) this is not the loss of all windows together, and it depends on the batch size. Batches
    without a labelled pixel do not count.

    Args:
        trainer: Model, loss, task and settings; the model is trained in place.
        train: Training batches.
        validation: Validation batches, not augmented.
        checkpoint: File written after each epoch (by the first process) and resumed from, by any number of
            processes; None keeps no state on disk. The epochs that the criterion keeps are files in the
            folder `checkpoint.kept` beside it (its name without the suffix), see `KeptWeights`.
        key: What the run is; a checkpoint with another key is not resumed.

    Returns:
        The best weights and the history.

    Raises:
        TrainingDivergedError: The loss became NaN or infinite; names the step and the samples of the batch.
        BatchError: A batch does not fit into the memory, or is too small for batch normalisation.
        ValueError: No batch has a labelled pixel, or none is of the class that epochs are compared by; or the
            precision is unsafe here.
        TeamLostError: Another process of the team ended.
    """
    settings, team = trainer.settings, trainer.team
    _place(trainer)
    optimizer = build_optimizer(trainer.model.parameters(), settings.optimizer)
    state = _start(trainer, optimizer, checkpoint, key)
    team.require_same(state.epoch, trainer.device)
    team.adopt(trainer.model)
    with tqdm(total=settings.epochs, initial=state.epoch, unit="epoch", disable=None) as progress:
        while state.epoch < settings.epochs and not _should_stop(trainer, state.history):
            state = _epoch(trainer, optimizer, train, validation, state)
            if checkpoint and team.is_first:
                _save(trainer, checkpoint, state)
            last = state.history[-1]
            progress.update()
            progress.set_postfix(train=f"{last['train_loss']:.4f}", val=f"{last['val_loss']:.4f}")
    best_epoch = trainer.criterion.best(state.history)
    return Fit(state.best, state.history, best_epoch, state.resumed, state.started)


def validate(trainer: Trainer, batches: BatchSource, counts: ConfusionCounts | None = None) -> float:
    """The mean loss over the validation windows, see `fit`; pixels are added to the counts, if there are."""
    _set_mode(trainer, training=False)
    mean = _Mean()
    with torch.inference_mode():
        for step in _steps(trainer, batches):
            with explained(step.where, step.batch, trainer.device):
                outputs, ready = trainer.outputs_of(step.prepared)
                value = float(trainer.loss_of(outputs, ready))
                if counts is not None:
                    counts.add(outputs[-1], ready.target, ready.valid)
            check_finite(value, step.where, step.batch)
            mean.add(value, len(step.batch.samples))
    return mean.value


def _place(trainer: Trainer) -> None:
    """Move the model to the device, in its memory format, its batch normalisation shared by the team."""
    if trainer.precision == "bf16" and trainer.device.type == "cpu" and _is_volumetric(trainer.model):
        msg = "training.precision is bf16 for a 3-D network on a CPU, where PyTorch crashes; set fp32 or auto"
        raise ValueError(msg)
    synchronize(trainer.model, trainer.team)
    trainer.model.to(trainer.device)
    if trainer.channels_last:
        trainer.model.to(memory_format=torch.channels_last)


def _start(
    trainer: Trainer, optimizer: torch.optim.Optimizer, checkpoint: Path | None, key: str
) -> Checkpoint:
    """The state to go on from: the checkpoint's, or that before the first epoch."""
    found = checkpoints.load(checkpoint, key) if checkpoint else None
    if found:
        loss = trainer.loss if isinstance(trainer.loss, torch.nn.Module) else None
        try:
            KeptWeights.beside(checkpoint).require(found.kept)
            checkpoints.restore(trainer.model, optimizer, found, loss=loss)
        except CheckpointError as error:
            logger.warning("%s; training starts from the beginning", error)
        else:
            logger.info("resumed after epoch %d of %d", found.epoch, trainer.settings.epochs)
            return found
    weights, now = _copy(trainer.model), datetime.now(UTC).isoformat(timespec="seconds")
    return Checkpoint(key, 0, weights, weights, optimizer.state_dict(), (), started=now)


def _epoch(
    trainer: Trainer,
    optimizer: torch.optim.Optimizer,
    train: BatchSource,
    validation: BatchSource,
    state: Checkpoint,
) -> Checkpoint:
    """Train and validate once; return the state after it."""
    settings, number = trainer.settings, state.epoch
    rate = settings.optimizer.lr * learning_rate_factor(settings.schedule, number, settings.epochs)
    set_learning_rate(optimizer, rate)
    team = trainer.team
    torch.manual_seed(epoch_seed(trainer.seed, number, *([] if team.is_first else [team.rank])))
    start = time.perf_counter()
    train_loss, logged = _train(trainer, optimizer, train, number)
    middle = time.perf_counter()
    due = (number + 1) % settings.validate_every == 0 or number + 1 == settings.epochs
    nothing = dict.fromkeys((LOSS, trainer.criterion.column), math.nan)
    measured = _validated(trainer, validation) if due else nothing
    end = time.perf_counter()
    row = (
        {
            "epoch": number + 1,
            "train_loss": team.agreed(train_loss, trainer.device),
            LOSS: measured[LOSS],
            "learning_rate": rate,
            "train_seconds": middle - start,
            "val_seconds": end - middle,
        }
        | measured
        | logged
    )
    text = "epoch %d: train %.5f, validation %.5f, %.1f s"
    logger.info(text, number + 1, train_loss, row[LOSS], end - start)
    history, model = (*state.history, row), _copy(trainer.model)
    loss = _copy(trainer.loss) if isinstance(trainer.loss, torch.nn.Module) else {}
    best = model if trainer.criterion.best(history) == number + 1 else state.best
    found = {"model": model, "best": best, "optimizer": optimizer.state_dict(), "loss": loss}
    return replace(state, epoch=number + 1, history=history, **found)


def _validated(trainer: Trainer, batches: BatchSource) -> dict[str, float]:
    """The validation loss, and the metric that epochs are compared by, as the first process has them."""
    counts = trainer.criterion.counts(trainer.device)
    found = {LOSS: validate(trainer, batches, counts)} | trainer.criterion.values(counts)
    return {name: trainer.team.agreed(value, trainer.device) for name, value in found.items()}


def _save(trainer: Trainer, path: Path, state: Checkpoint) -> None:
    """Write a checkpoint, the weights that it names before it; those that it no longer names go after it."""
    kept = KeptWeights.beside(path)
    names = trainer.criterion.kept(state.history)
    if state.epoch in names:
        kept.write(state.epoch, state.model, state.key)
    checkpoints.save(path, replace(state, kept=kept.digests(names)))
    kept.leave_only(names)


def _train(
    trainer: Trainer, optimizer: torch.optim.Optimizer, batches: BatchSource, epoch: int
) -> tuple[float, dict[str, float]]:
    """One pass of training; the means over windows of the loss and of what it logs."""
    _set_mode(trainer, training=True)
    mean, others = _Mean(), defaultdict(_Mean)
    for step in _steps(trainer, batches, epoch=epoch):
        with explained(step.where, step.batch, trainer.device):
            value = _update(trainer, optimizer, step)
        mean.add(value, len(step.batch.samples))
        for name, other in getattr(trainer.loss, "logged", dict)().items():
            others[name].add(float(other), len(step.batch.samples))
    return mean.value, {name: other.value for name, other in others.items()}


def _set_mode(trainer: Trainer, *, training: bool) -> None:
    """Training or evaluation mode of the model, and of the loss if it is a module."""
    for part in (trainer.model, trainer.loss):
        if isinstance(part, torch.nn.Module):
            part.train(training)


def _update(trainer: Trainer, optimizer: torch.optim.Optimizer, step: "_Step") -> float:
    """One step of the optimizer; the loss before it."""
    optimizer.zero_grad(set_to_none=True)
    loss = trainer.loss_on(step.prepared)
    value = float(loss.detach())
    check_finite(value, step.where, step.batch)
    loss.backward()
    trainer.team.add_gradients(trainer.model.parameters())
    if trainer.settings.grad_clip:
        torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), trainer.settings.grad_clip)
    optimizer.step()
    return value


@dataclass(frozen=True)
class _Step:
    """A batch, ready for the model, and its place in the run."""

    batch: Batch
    prepared: Prepared
    where: str


def _steps(trainer: Trainer, batches: BatchSource, *, epoch: int | None = None) -> Iterator[_Step]:
    """The batches of a training epoch, or of validation, that have a labelled pixel.

    For GPUs they are prepared in a thread while the GPU computes; CPUs have nothing to spare.
    """
    name = "validation" if epoch is None else f"epoch {epoch + 1}"

    def make() -> Iterator[_Step]:
        for number, batch in enumerate(batches.epoch(epoch or 0)):
            seed = None if epoch is None else epoch_seed(trainer.seed, epoch, number)
            prepared = trainer.task.prepare(batch, trainer.task.draw(batch, seed=seed))
            yield _Step(batch, prepared, f"{name}, step {number + 1}")

    for step in ahead(make(), enabled=trainer.device.type == "cuda"):
        if step.prepared.valid is None or bool(step.prepared.valid.any()):
            yield step


class _Mean:
    """Mean of the losses of batches, weighted by their windows."""

    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, value: float, windows: int) -> None:
        """Add the loss of a batch."""
        self.total, self.count = self.total + value * windows, self.count + windows

    @property
    def value(self) -> float:
        """The mean.

        Raises:
            ValueError: No batch was added.
        """
        if not self.count:
            msg = "no batch has a labelled pixel; check the targets and data.ignore"
            raise ValueError(msg)
        return self.total / self.count


def _should_stop(trainer: Trainer, history: History) -> bool:
    """Whether the last epoch was validated and lies `patience` epochs or more after the best one."""
    patience, criterion = trainer.settings.patience, trainer.criterion
    if patience is None or not history or math.isnan(history[-1][criterion.column]):
        return False
    return len(history) - criterion.best(history) >= patience


def _copy(model: torch.nn.Module) -> dict[str, Tensor]:
    """The model's state, apart from the model."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _has_narrow_strides(model: torch.nn.Module) -> bool:
    """Whether a strided 1x1 convolution of the model has fewer input channels than `REGISTER`."""
    layers = (layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d))
    return any(c.kernel_size == (1, 1) and c.stride != (1, 1) and c.in_channels < REGISTER for c in layers)


def _is_volumetric(model: torch.nn.Module) -> bool:
    """Whether the model has weights of 3-D convolutions."""
    return any(parameter.dim() > IMAGE_DIMENSIONS for parameter in model.parameters())
