# SPDX-License-Identifier: MIT
"""The training loop: epochs, validation, early stopping, checkpoints, resume."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from microtome.config.training import Training
from microtome.training import checkpoint as checkpoints
from microtome.training.batches import Batch, BatchSource, epoch_seed
from microtome.training.checkpoint import Checkpoint
from microtome.training.optimizers import build_optimizer, learning_rate_factor, set_learning_rate
from microtome.training.tasks import Task, to_device

logger = logging.getLogger(__name__)
Loss = Callable[..., Tensor]


class TrainingDivergedError(ValueError):
    """The loss is no number."""


@dataclass(frozen=True)
class Fit:
    """A trained model.

    Attributes:
        weights: State of the best epoch, on the CPU.
        history: epoch, train_loss, val_loss, learning_rate, train_seconds, val_seconds of each epoch.
        best_epoch: The epoch with the lowest validation loss, from 1.
        resumed: How often training was resumed from a checkpoint.
    """

    weights: dict[str, Tensor]
    history: tuple[dict[str, float], ...]
    best_epoch: int
    resumed: int


@dataclass(frozen=True)
class Trainer:
    """Everything that stays the same from epoch to epoch."""

    model: torch.nn.Module
    loss: Loss
    task: Task
    settings: Training
    device: torch.device
    seed: int = 0

    @property
    def autocast(self) -> torch.autocast:
        """Mixed precision: bf16 where asked for, by default on GPUs only."""
        gpu = self.device.type == "cuda"
        enabled = self.settings.precision == "bf16" or (self.settings.precision == "auto" and gpu)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=enabled)

    def loss_of(self, batch: Batch, *, seed: int | None) -> Tensor:
        """The loss of one batch."""
        ready = to_device(
            self.task.prepare(batch, seed=seed), self.device, channels_last=self.settings.channels_last
        )
        with self.autocast:
            output = self.model(ready.inputs)
        return self.loss(output.float(), ready.target, ready.valid)


def fit(
    trainer: Trainer,
    train: BatchSource,
    validation: BatchSource,
    *,
    checkpoint: Path | None = None,
    key: str = "",
) -> Fit:
    """Train a model and keep the weights of the epoch with the lowest validation loss.

    The same seed, data, settings and thread count give the same weights on a CPU, also when the run was killed and resumed.

    Args:
        trainer: Model, loss, task and settings.
        train: Training batches.
        validation: Validation batches, not augmented.
        checkpoint: File written after each epoch and resumed from; None keeps no state on disk.
        key: What the run is; a checkpoint with another key is not resumed.

    Returns:
        The best weights and the history.

    Raises:
        TrainingDivergedError: The loss became NaN or infinite; names the step and the samples of the batch.
    """
    settings = trainer.settings
    layout = torch.channels_last if settings.channels_last else torch.contiguous_format
    trainer.model.to(trainer.device, memory_format=layout) if _is_2d(trainer.model) else trainer.model.to(
        trainer.device
    )
    optimizer = build_optimizer(trainer.model.parameters(), settings.optimizer)
    state = Checkpoint(key, 0, _copy(trainer.model), _copy(trainer.model), optimizer.state_dict(), ())
    found = checkpoints.load(checkpoint, key) if checkpoint else None
    if found:
        state = found
        checkpoints.restore(trainer.model, optimizer, state)
        logger.info("resumed after epoch %d of %d", state.epoch, settings.epochs)
    progress = tqdm(total=settings.epochs, initial=state.epoch, unit="epoch", disable=None)
    while state.epoch < settings.epochs and not _should_stop(state.history, settings.patience):
        state = _epoch(trainer, optimizer, train, validation, state)
        if checkpoint:
            checkpoints.save(checkpoint, state)
        progress.update()
        progress.set_postfix(
            train=f"{state.history[-1]['train_loss']:.4f}", val=f"{state.history[-1]['val_loss']:.4f}"
        )
    progress.close()
    return Fit(state.best, state.history, _best_epoch(state.history), state.resumed)


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
    torch.manual_seed(epoch_seed(trainer.seed, number))
    start = time.perf_counter()
    train_loss = _train(trainer, optimizer, train, number)
    middle = time.perf_counter()
    due = (number + 1) % settings.validate_every == 0 or number + 1 == settings.epochs
    val_loss = validate(trainer, validation) if due else float("nan")
    end = time.perf_counter()
    row = {
        "epoch": number + 1,
        "train_loss": train_loss,
        "val_loss": val_loss,
        "learning_rate": rate,
        "train_seconds": middle - start,
        "val_seconds": end - middle,
    }
    logger.info(
        "epoch %d: train %.5f, validation %.5f, %.1f s", number + 1, train_loss, val_loss, end - start
    )
    history = (*state.history, row)
    model = _copy(trainer.model)
    best = model if _best_epoch(history) == number + 1 else state.best
    return replace(
        state, epoch=number + 1, model=model, best=best, optimizer=optimizer.state_dict(), history=history
    )


def _train(trainer: Trainer, optimizer: torch.optim.Optimizer, batches: BatchSource, epoch: int) -> float:
    """One pass of training; the mean loss over windows."""
    trainer.model.train()
    total, count = 0.0, 0
    for step, batch in enumerate(batches.epoch(epoch)):
        optimizer.zero_grad(set_to_none=True)
        loss = trainer.loss_of(batch, seed=epoch_seed(trainer.seed, epoch, step))
        value = float(loss.detach())
        _check_finite(value, f"epoch {epoch + 1}, step {step + 1}", batch)
        loss.backward()
        if trainer.settings.grad_clip:
            torch.nn.utils.clip_grad_norm_(trainer.model.parameters(), trainer.settings.grad_clip)
        optimizer.step()
        total, count = total + value * len(batch.samples), count + len(batch.samples)
    return total / count


@torch.inference_mode()
def validate(trainer: Trainer, batches: BatchSource) -> float:
    """The mean loss over the validation windows."""
    trainer.model.eval()
    total, count = 0.0, 0
    for step, batch in enumerate(batches.epoch(0)):
        value = float(trainer.loss_of(batch, seed=None))
        _check_finite(value, f"validation step {step + 1}", batch)
        total, count = total + value * len(batch.samples), count + len(batch.samples)
    return total / count


def _check_finite(value: float, where: str, batch: Batch) -> None:
    if value != value or abs(value) == float("inf"):
        names = ", ".join(sorted(set(batch.samples)))
        msg = (
            f"the loss is {value} in {where}, in a batch of the samples {names}. Look at these images, "
            "or lower training.optimizer.lr, or set training.grad_clip."
        )
        raise TrainingDivergedError(msg)


def _best_epoch(history: tuple[dict[str, float], ...]) -> int:
    """The first epoch, from 1, with the lowest validation loss."""
    valid = [row for row in history if row["val_loss"] == row["val_loss"]]
    return int(min(valid, key=lambda row: row["val_loss"])["epoch"]) if valid else len(history)


def _should_stop(history: tuple[dict[str, float], ...], patience: int | None) -> bool:
    return patience is not None and bool(history) and len(history) - _best_epoch(history) >= patience


def _copy(model: torch.nn.Module) -> dict[str, Tensor]:
    """The model's state, apart from the model."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _is_2d(model: torch.nn.Module) -> bool:
    """Whether channels_last applies: no parameter of a 3-D convolution."""
    return all(parameter.dim() <= 4 for parameter in model.parameters())
