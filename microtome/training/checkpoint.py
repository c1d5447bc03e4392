# SPDX-License-Identifier: MIT
"""Checkpoints: everything a training run needs to go on as if it had not been interrupted.

A checkpoint is a safetensors file: tensors of the model, of its best epoch and of the optimizer, and JSON for
the rest. No pickle is read or written. The file under its name is always complete: a new one is written next
to it, flushed to the disk, and renamed.
"""

import json
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

logger = logging.getLogger(__name__)
FORMAT = 2


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after an epoch.

    Attributes:
        key: What the run is; a checkpoint of another run is never resumed.
        epoch: Epochs done.
        model: The model's state.
        best: The state of the epoch with the lowest validation loss.
        optimizer: The optimizer's state dict.
        history: One row per epoch.
        resumed: How often this run was resumed before.
        started: When the run first started, ISO 8601.
        loss: State of the loss, where it has one.
    """

    key: str
    epoch: int
    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Any]
    history: tuple[dict[str, float], ...]
    resumed: int = 0
    started: str = ""
    loss: dict[str, Tensor] = field(default_factory=dict)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint under a temporary name and rename it.

    Args:
        path: The file; a checkpoint that is there is replaced.
        checkpoint: What is written.
    """
    slots, scalars = _split_optimizer(checkpoint.optimizer)
    parts = {
        "model/": checkpoint.model,
        "best/": checkpoint.best,
        "optimizer/": slots,
        "loss/": checkpoint.loss,
    }
    meta = {
        "format": FORMAT,
        "key": checkpoint.key,
        "epoch": checkpoint.epoch,
        "optimizer": scalars,
        "history": checkpoint.history,
        "resumed": checkpoint.resumed,
        "started": checkpoint.started,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")  # one name: what a killed job leaves is overwritten
    copies = {
        prefix + name: value.detach().cpu().contiguous().clone()
        for prefix, tensors in parts.items()
        for name, value in tensors.items()
    }
    try:
        save_file(copies, partial, metadata={"microtome": json.dumps(meta)})
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path, key: str) -> Checkpoint | None:
    """Read a checkpoint.

    Args:
        path: The file; it may be absent.
        key: What the run is.

    Returns:
        The checkpoint; None, with a warning where there was one, if it is absent, damaged or of another run.
    """
    if not path.is_file():
        return None
    try:
        meta, tensors = _read(path)
        if (meta["format"], meta["key"]) != (FORMAT, key):
            logger.warning(
                "checkpoint %s is of other settings, data or code; training starts from the beginning",
                path,
            )
            return None
        return Checkpoint(
            key=key,
            epoch=meta["epoch"],
            model=_below(tensors, "model/"),
            best=_below(tensors, "best/"),
            optimizer=_join_optimizer(_below(tensors, "optimizer/"), meta["optimizer"]),
            history=tuple(meta["history"]),
            resumed=meta["resumed"] + 1,
            started=meta["started"],
            loss=_below(tensors, "loss/"),
        )
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        logger.warning("checkpoint %s cannot be read (%s); training starts from the beginning", path, error)
        return None


def restore(model: torch.nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Load a checkpoint into a model and its optimizer; tensors take the memory format of the parameters."""
    model.load_state_dict(checkpoint.model)
    optimizer.load_state_dict(checkpoint.optimizer)
    for parameter, slots in optimizer.state.items():
        for name, value in slots.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        meta = json.loads((file.metadata() or {})["microtome"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    return meta, tensors


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _split_optimizer(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Part an optimizer's state dict into tensors by `number/slot`, and JSON."""
    tensors: dict[str, Tensor] = {}
    others: dict[str, dict[str, Any]] = {}
    for number, slots in state["state"].items():
        others[str(number)] = {slot: value for slot, value in slots.items() if not isinstance(value, Tensor)}
        tensors |= {f"{number}/{slot}": value for slot, value in slots.items() if isinstance(value, Tensor)}
    return tensors, {"param_groups": state["param_groups"], "state": others}


def _join_optimizer(tensors: dict[str, Tensor], scalars: dict[str, Any]) -> dict[str, Any]:
    """Undo `_split_optimizer`."""
    state = {int(number): dict(slots) for number, slots in scalars["state"].items()}
    for name, value in tensors.items():
        number, slot = name.split("/", 1)
        state[int(number)][slot] = value
    groups = [
        {key: tuple(v) if key == "betas" else v for key, v in group.items()}
        for group in scalars["param_groups"]
    ]
    return {"state": state, "param_groups": groups}
