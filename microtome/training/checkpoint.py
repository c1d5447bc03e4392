# SPDX-License-Identifier: MIT
"""Checkpoints: everything a training run needs to go on as if it had not been interrupted.

A checkpoint is a safetensors file: tensors of the model, of its best epoch and of the optimizer, and JSON for the rest. No pickle is
read or written.
"""

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

logger = logging.getLogger(__name__)
FORMAT = 1


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
    """

    key: str
    epoch: int
    model: dict[str, Tensor]
    best: dict[str, Tensor]
    optimizer: dict[str, Any]
    history: tuple[dict[str, float], ...]
    resumed: int = 0


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint under a temporary name and rename it."""
    tensors = {f"model/{name}": value for name, value in checkpoint.model.items()}
    tensors |= {f"best/{name}": value for name, value in checkpoint.best.items()}
    slots, scalars = _split_optimizer(checkpoint.optimizer)
    tensors |= slots
    meta = {
        "format": FORMAT,
        "key": checkpoint.key,
        "epoch": checkpoint.epoch,
        "optimizer": scalars,
        "history": checkpoint.history,
        "resumed": checkpoint.resumed,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    copies = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    try:
        save_file(copies, partial, metadata={"microtome": json.dumps(meta)})
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
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        logger.warning("checkpoint %s cannot be read (%s); training starts from the beginning", path, error)
        return None
    if meta["key"] != key or meta["format"] != FORMAT:
        logger.warning(
            "checkpoint %s belongs to another configuration; training starts from the beginning", path
        )
        return None
    return Checkpoint(
        key,
        meta["epoch"],
        _below(tensors, "model/"),
        _below(tensors, "best/"),
        _join_optimizer(_below(tensors, "optimizer/"), meta["optimizer"]),
        tuple(meta["history"]),
        meta["resumed"] + 1,
    )


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        meta = json.loads((file.metadata() or {})["microtome"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    return meta, tensors


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _split_optimizer(state: dict[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Part an optimizer's state dict into tensors by name and JSON."""
    tensors = {}
    for number, slots in state["state"].items():
        for slot, value in slots.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{number}/{slot}"] = value
    return tensors, {"param_groups": state["param_groups"]}


def _join_optimizer(tensors: dict[str, Tensor], scalars: dict[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, slot = name.split("/")
        state.setdefault(int(number), {})[slot] = value
    groups = [
        {key: tuple(v) if key == "betas" else v for key, v in group.items()}
        for group in scalars["param_groups"]
    ]
    return {"state": state, "param_groups": groups}


def restore(model: torch.nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint) -> None:
    """Load a checkpoint into a model and its optimizer."""
    model.load_state_dict(checkpoint.model)
    optimizer.load_state_dict(checkpoint.optimizer)
