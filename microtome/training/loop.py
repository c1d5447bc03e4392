# SPDX-License-Identifier: MIT
"""The training loop: epochs, validation, early stopping, checkpoints, resume."""

import logging
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from microtome.training import checkpoint as checkpoints
from microtome.training.averaging import AveragedWeights
from microtome.training.batches import BatchSource, epoch_seed
from microtome.training.checkpoint import Checkpoint, CheckpointError
from microtome.training.kept import KeptWeights
from microtome.training.late import LateMeans
from microtome.training.optimizers import build_optimizer, learning_rate_factor, set_learning_rate
from microtome.training.saving import AFTER_EACH_EPOCH, CheckpointWriter, Timing, copied
from microtome.training.selection import LOSS, ConfusionCounts
from microtome.training.step_errors import BatchError, TrainingDivergedError, explained
from microtome.training.steps import Step, steps
from microtome.training.trainer import Trainer

__all__ = ["BatchError", "Fit", "Timing", "Trainer", "TrainingDivergedError", "fit", "validate"]

logger = logging.getLogger(__name__)
History = tuple[dict[str, float], ...]


@dataclass(frozen=True)
class Fit:
    """A trained model.

    Attributes:
        weights: State of the best epoch, on the CPU; averaged, if that is what the criterion says.
        history: epoch, train_loss, val_loss (NaN where an epoch was not validated), learning_rate (of its
            last step), train_seconds, val_seconds of each epoch, then the metric that epochs are compared by,
            if they are, and the means over training windows of what the loss logs (its `logged()`); an epoch
            that was interrupted and repeated counts once.
        best_epoch: The epoch with the lowest validation loss, or the best by the metric, from 1; of several
            see `Criterion.best`.
        resumed: How often training was resumed from a checkpoint.
        started: When training first started, ISO 8601.
        averaged_steps: How many steps are in the averaged weights after the last epoch; 0: there are none.
    """

    weights: dict[str, Tensor]
    history: History
    best_epoch: int
    resumed: int
    started: str = ""
    averaged_steps: int = 0


@dataclass(frozen=True)
class _Run:
    """What the epochs of a training change and draw from."""

    trainer: Trainer
    optimizer: torch.optim.Optimizer
    averaged: AveragedWeights | None
    train: BatchSource
    validation: BatchSource | None


def fit(
    trainer: Trainer,
    train: BatchSource,
    validation: BatchSource | None,
    *,
    checkpoint: Path | None = None,
    key: str = "",
    timing: Timing = AFTER_EACH_EPOCH,
) -> Fit:
    """Train a model and keep the weights of the best epoch, that of the lowest validation loss or of the
    highest metric.

    The same seed, data, settings and thread count give the same weights on a CPU, also if the run was killed
    and resumed. Several processes give the same but for rounding: each calls this with its own place in the
    team, and `batch_size` is of all of them together. The loss of an epoch is the mean over its windows of
    the loss of the batch they are in. For losses that flatten a batch (Dice, IoU, Tversky, focal in its form
    `batch_mean`) this is not the loss of all windows together, and it depends on the batch size. Batches
    without a labelled pixel do not count. Where weights are averaged, the averaged ones are validated.

    Args:
        trainer: Model, loss, task and settings; the model is trained in place.
        train: Training batches.
        validation: Validation batches, not augmented; None: nothing is validated, and the criterion takes the
            last epoch.
        checkpoint: File written by the first process and resumed from, by any number of processes; None keeps
            no state on disk. The epochs that the criterion keeps are files in the folder `checkpoint.kept`
            beside it (its name without the suffix), see `KeptWeights`.
        key: What the run is; a checkpoint with another key is not resumed.
        timing: After which epochs the checkpoint is written; what is repeated after a kill depends on it, the
            weights do not.

    Returns:
        The best weights and the history.

    Raises:
        TrainingDivergedError: The loss became NaN or infinite; names the step and the samples of the batch.
        BatchError: A batch does not fit into the memory, or is too small for batch normalisation.
        ValueError: No batch has a labelled pixel, or none is of the class that epochs are compared by; or the
            precision is unsafe here; or epochs are to be compared without validation.
        TeamLostError: Another process of the team ended.
        OSError: A checkpoint cannot be written.
    """
    if validation is None and trainer.criterion.compares:
        msg = "found no batches to validate by, expected some, or training.select last or ema"
        raise ValueError(msg)
    trainer.place()
    trainer.team.adopt(trainer.model)
    run = _Run(trainer, _optimizer(trainer), _average(trainer), train, validation)
    state = _start(run, checkpoint, key)
    trainer.team.require_same(state.epoch, trainer.device)
    writes = checkpoint and trainer.team.is_first
    with CheckpointWriter(checkpoint, trainer.criterion, timing) if writes else nullcontext() as writer:
        state = _epochs(run, state, writer)
    weights = {name: value.cpu() for name, value in state.best.items()}
    best_epoch = trainer.criterion.best(state.history)
    return Fit(weights, state.history, best_epoch, state.resumed, state.started, state.averaged_steps)


def validate(trainer: Trainer, batches: BatchSource, counts: ConfusionCounts | None = None) -> float:
    """The mean loss over the validation windows, see `fit`; pixels are added to the counts, if there are."""
    trainer.set_mode(training=False)
    means = LateMeans()
    with torch.inference_mode():
        for step in steps(trainer, batches):
            with explained(step.where, step.batch, trainer.device):
                outputs, prepared = trainer.outputs_of(step.prepared), step.prepared
                loss = trainer.loss_of(outputs, prepared)
                if counts is not None:
                    counts.add(outputs[-1], prepared.target, prepared.valid)
            means.add(loss, {}, step.batch, step.where)
    mean, _ = means.finish()
    return mean


def _optimizer(trainer: Trainer) -> torch.optim.Optimizer:
    fused = trainer.device.type == "cuda"
    return build_optimizer(trainer.model.parameters(), trainer.settings.optimizer, fused=fused)


def _average(trainer: Trainer) -> AveragedWeights | None:
    """What averages the weights, if they are averaged."""
    averages = trainer.criterion.averages
    return AveragedWeights(trainer.model, decay=trainer.settings.ema) if averages else None


def _start(run: _Run, checkpoint: Path | None, key: str) -> Checkpoint:
    """The state to go on from: the checkpoint's, or that before the first epoch."""
    trainer = run.trainer
    found = checkpoints.load(checkpoint, key) if checkpoint else None
    if found:
        try:
            KeptWeights.beside(checkpoint).require(found.kept)
            _restore(run, found)
        except CheckpointError as error:
            logger.warning("%s; training starts from the beginning", error)
        else:
            logger.info("resumed after epoch %d of %d", found.epoch, trainer.settings.epochs)
            return found
    weights, now = copied(trainer.model.state_dict()), datetime.now(UTC).isoformat(timespec="seconds")
    return Checkpoint(key, 0, weights, weights, run.optimizer.state_dict(), (), started=now)


def _restore(run: _Run, found: Checkpoint) -> None:
    """Go on as a checkpoint says.

    Raises:
        CheckpointError: It does not fit; nothing is changed then.
    """
    trainer = run.trainer
    loss = trainer.loss if isinstance(trainer.loss, torch.nn.Module) else None
    checkpoints.restore(trainer.model, run.optimizer, found, loss=loss, averaged=run.averaged)
    if loss is not None:
        loss.to(trainer.device)


def _epochs(run: _Run, state: Checkpoint, writer: CheckpointWriter | None) -> Checkpoint:
    """Train until the last epoch, or until none gets better; the state at the end."""
    settings = run.trainer.settings
    with tqdm(total=settings.epochs, initial=state.epoch, unit="epoch", disable=None) as progress:
        while state.epoch < settings.epochs and not _should_stop(run.trainer, state.history):
            state = _epoch(run, state)
            if writer:
                writer.offer(state, state.averaged or state.model)
            last = state.history[-1]
            progress.update()
            progress.set_postfix(train=f"{last['train_loss']:.4f}", val=f"{last['val_loss']:.4f}")
    return state


def _epoch(run: _Run, state: Checkpoint) -> Checkpoint:
    """Train and validate once; return the state after it."""
    trainer, number = run.trainer, state.epoch
    settings, team = trainer.settings, trainer.team
    torch.manual_seed(epoch_seed(trainer.seed, number, *([] if team.is_first else [team.rank])))
    start = time.perf_counter()
    train_loss, rate, logged = _train(run, number)
    middle = time.perf_counter()
    due = (number + 1) % settings.validate_every == 0 or number + 1 == settings.epochs
    nothing = dict.fromkeys((LOSS, trainer.criterion.column), math.nan)
    measured = _validated(run) if due and run.validation is not None else nothing
    end = time.perf_counter()
    row = {
        "epoch": number + 1,
        "train_loss": team.agreed(train_loss, trainer.device),
        LOSS: measured[LOSS],
        "learning_rate": rate,
        "train_seconds": middle - start,
        "val_seconds": end - middle,
    }
    text = "epoch %d: train %.5f, validation %.5f, %.1f s"
    logger.info(text, number + 1, train_loss, row[LOSS], end - start)
    return _after(run, state, row | measured | logged)


def _after(run: _Run, state: Checkpoint, row: dict[str, float]) -> Checkpoint:
    """The state after an epoch, apart from the model and the optimizer, which go on."""
    trainer, averaged = run.trainer, run.averaged
    history, model = (*state.history, row), copied(trainer.model.state_dict())
    average = copied(averaged.state) if averaged else {}
    loss = copied(trainer.loss.state_dict()) if isinstance(trainer.loss, torch.nn.Module) else {}
    is_best = trainer.criterion.best(history) == len(history)
    return replace(
        state,
        epoch=state.epoch + 1,
        history=history,
        model=model,
        best=(average or model) if is_best else state.best,
        optimizer=copied(run.optimizer.state_dict()),
        loss=loss,
        averaged=average,
        averaged_steps=averaged.steps if averaged else 0,
    )


def _validated(run: _Run) -> dict[str, float]:
    """The validation loss, and the metric that epochs are compared by, as the first process has them."""
    trainer = run.trainer
    counts = trainer.criterion.counts(trainer.device)
    with run.averaged.in_place() if run.averaged else nullcontext():
        found = {LOSS: validate(trainer, run.validation, counts)} | trainer.criterion.values(counts)
    return {name: trainer.team.agreed(value, trainer.device) for name, value in found.items()}


def _train(run: _Run, epoch: int) -> tuple[float, float, dict[str, float]]:
    """One pass of training.

    Returns:
        The mean over windows of the loss, the learning rate of the last step, and means of what is logged.
    """
    trainer, means = run.trainer, LateMeans()
    trainer.set_mode(training=True)
    rate = _set_rate(run, epoch, 0)
    for number, step in enumerate(steps(trainer, run.train, epoch=epoch)):
        if trainer.settings.schedule.is_by_step:
            rate = _set_rate(run, epoch, number)
        with explained(step.where, step.batch, trainer.device):
            loss = _update(trainer, run.optimizer, step)
            if run.averaged:
                run.averaged.update()
        means.add(loss, getattr(trainer.loss, "logged", dict)(), step.batch, step.where)
    loss, logged = means.finish()
    return loss, rate, logged


def _set_rate(run: _Run, epoch: int, step: int) -> float:
    """Set the learning rate of a step of an epoch, both from 0; it depends on them alone, not on the past."""
    settings = run.trainer.settings
    schedule, per_epoch = settings.schedule, len(run.train) if settings.schedule.is_by_step else 1
    number = epoch * per_epoch + (step if schedule.is_by_step else 0)
    factor = learning_rate_factor(schedule, number, settings.epochs * per_epoch, per_epoch=per_epoch)
    set_learning_rate(run.optimizer, settings.optimizer.lr * factor)
    return settings.optimizer.lr * factor


def _update(trainer: Trainer, optimizer: torch.optim.Optimizer, step: Step) -> Tensor:
    """One step of the optimizer; the loss before it, which is not waited for."""
    optimizer.zero_grad(set_to_none=True)
    loss = trainer.loss_on(step.prepared)
    loss.backward()
    trainer.team.add_gradients(trainer.model.parameters())
    if trainer.settings.grad_clip:
        torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), trainer.settings.grad_clip)
    optimizer.step()
    return loss.detach()


def _should_stop(trainer: Trainer, history: History) -> bool:
    """Whether the last epoch was validated and lies `patience` epochs or more after the best one."""
    patience, criterion = trainer.settings.patience, trainer.criterion
    if patience is None or not history or math.isnan(history[-1][criterion.column]):
        return False
    return len(history) - criterion.best(history) >= patience
