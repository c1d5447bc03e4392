# SPDX-License-Identifier: MIT
"""Checkpoints: everything a training run needs to go on as if it had not been interrupted.

A checkpoint is a safetensors file: tensors of the model, of its best epoch and of the optimizer, and JSON for
the rest, under one checksum, which with the key says that this run wrote it. No pickle is read or written.
The file under its name is always complete: a new one is written next to it, flushed to the disk, and renamed.
"""

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from microtome.files import finished_file
from microtome.training.averaging import AveragedWeights

logger = logging.getLogger(__name__)
FORMAT = 4
CHECKSUM_DIGITS = 64
PARTS = ("model", "best", "loss", "averaged")
"""Fields of a checkpoint that are tensors by name; those of the optimizer are sorted out."""
TOLD = ("key", "epoch", "history", "resumed", "started", "averaged_steps")
HOW = ("foreach", "fused", "capturable")
"""Options of an optimizer that say how it computes on a device, not what."""
LONGEST_REASON = 200
"""Characters of a library's error that a warning repeats."""


class CheckpointError(ValueError):
    """A checkpoint that does not fit the run it is to be resumed by."""


class _Group(BaseModel):
    """Options of an optimizer; the numbers of its parameters."""

    model_config = ConfigDict(extra="allow", strict=True)
    params: list[NonNegativeInt] = []


class _Optimizer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    param_groups: list[_Group]
    state: dict[str, dict[str, Any]]


class _Meta(BaseModel):
    """What is no tensor."""

    model_config = ConfigDict(extra="forbid", strict=True)
    format: int
    key: str
    epoch: NonNegativeInt
    optimizer: _Optimizer
    history: list[dict[str, float | None]]
    resumed: int = Field(ge=0, le=10**9)
    started: str
    averaged_steps: NonNegativeInt
    kept: dict[str, str] = {}


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after an epoch.

    Attributes:
        key: What the run is; a checkpoint of another run is never resumed.
        epoch: Epochs done.
        model: The model's state.
        best: The state of the best epoch so far.
        optimizer: The optimizer's state dict.
        history: One row per epoch.
        resumed: How often this run was resumed before.
        started: When the run first started, ISO 8601.
        loss: State of the loss, where it has one.
        kept: Files of the weights of other epochs that are kept, and their digests; see `training.kept`.
        averaged: Weights averaged over the steps, where they are; see `training.averaging`.
        averaged_steps: How many steps are in them.
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
    kept: dict[str, str] = field(default_factory=dict)
    averaged: dict[str, Tensor] = field(default_factory=dict)
    averaged_steps: int = 0


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, in place of one that is there.

    Raises:
        OSError: The disk is full or cannot be written; the file that was there stays.
    """
    slots, scalars = _split_optimizer(checkpoint.optimizer)
    parts = {part: getattr(checkpoint, part) for part in PARTS} | {"optimizer": slots}
    copies = _apart(
        {f"{part}/{name}": value for part, tensors in parts.items() for name, value in tensors.items()}
    )
    told = {name: getattr(checkpoint, name) for name in TOLD}
    told |= {"kept": checkpoint.kept} if checkpoint.kept else {}
    text = json.dumps({"format": FORMAT, "optimizer": scalars} | told)
    write_tensors(path, copies, _checksum(text, copies) + text)


def write_tensors(path: Path, tensors: dict[str, Tensor], text: str) -> None:
    """Write tensors and a text to a safetensors file, under its name only when it is on the disk.

    Raises:
        OSError: The disk is full or cannot be written; the file that was there stays.
    """
    with finished_file(path) as partial:
        try:
            save_file(tensors, partial, metadata={"microtome": text})  # several texts have no order
        except SafetensorError as error:
            msg = f"{path} could not be written ({error})"
            raise OSError(msg) from error
        with partial.open("rb+") as file:
            os.fsync(file.fileno())


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
            text = "checkpoint %s is of other settings, data or code; training starts from the beginning"
            logger.warning(text, path)
            return None
        parts = {part: _below(tensors, f"{part}/") for part in PARTS}
        optimizer = _join_optimizer(_below(tensors, "optimizer/"), meta["optimizer"])
        told = {name: meta[name] for name in TOLD} | {"resumed": meta["resumed"] + 1}
        told |= {"history": tuple(meta["history"]), "kept": meta.get("kept", {})}
        return Checkpoint(**parts, optimizer=optimizer, **told)
    except (SafetensorError, ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON]
        logger.warning("checkpoint %s cannot be read (%s); training starts from the beginning", path, reason)
        return None


def restore(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    checkpoint: Checkpoint,
    *,
    loss: torch.nn.Module | None = None,
    averaged: AveragedWeights | None = None,
) -> None:
    """Load a checkpoint into a model and its optimizer; tensors take the memory format of the parameters.

    The optimizer goes on to compute as it was built here (fused, by lists), whatever wrote the checkpoint.

    Args:
        model: Changed in place, as are the others.
        optimizer: Of the model's parameters.
        checkpoint: What `load` found.
        loss: The loss, if it has a state.
        averaged: The average of the weights, if there is one.

    Raises:
        CheckpointError: It is of another model, loss or kind of optimizer; the model is not changed then.
    """
    for kind, found in (("model", checkpoint.model), ("best", checkpoint.best)):
        _check_tensors(kind, found, model.state_dict())
    if loss is not None and checkpoint.loss:
        _check_tensors("loss", checkpoint.loss, loss.state_dict())
    if averaged is not None:
        _check_tensors("average", checkpoint.averaged, averaged.state)
    _check_real(checkpoint.optimizer, model)
    try:
        _check_numbers(checkpoint.optimizer)
        optimizer.load_state_dict(_as_built(checkpoint.optimizer, optimizer))
    except (ValueError, KeyError, TypeError) as error:
        msg = f"the checkpoint is of another optimizer ({error})"
        raise CheckpointError(msg) from error
    model.load_state_dict(checkpoint.model)
    if loss is not None and checkpoint.loss:
        loss.load_state_dict(checkpoint.loss)
    if averaged is not None:
        averaged.restore(checkpoint.averaged, checkpoint.averaged_steps)
    for parameter, slots in optimizer.state.items():
        for name, value in slots.items():
            if name != "step" and isinstance(value, Tensor) and value.shape == parameter.shape:
                slots[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What is no tensor, and the tensors, as they were written."""
    with safe_open(path, framework="pt") as file:
        stated = (file.metadata() or {})["microtome"]
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    checksum, text = stated[:CHECKSUM_DIGITS], stated[CHECKSUM_DIGITS:]
    if checksum != _checksum(text, tensors):
        msg = "its content does not fit its checksum"
        raise ValueError(msg)
    meta = json.loads(text)
    _Meta.model_validate(meta)
    return meta, tensors


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the text and the name, type, shape and bytes of each tensor."""
    digest = hashlib.sha256(text.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        if value.numel():
            digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _check_tensors(kind: str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Compare names, shapes and types.

    Raises:
        CheckpointError: Some differ.
    """
    shapes, expected = ({n: (t.shape, t.dtype) for n, t in ts.items()} for ts in (found, wanted))
    other = [
        name for name in sorted(shapes.keys() | expected.keys()) if shapes.get(name) != expected.get(name)
    ]
    if other:
        msg = (
            f"the checkpoint's {kind} differs in {len(other)} tensors, such as {other[0][:LONGEST_REASON]!r}"
        )
        raise CheckpointError(msg)


def _check_real(optimizer: Mapping[str, Any], model: torch.nn.Module) -> None:
    """Refuse complex tensors for a real model, of which PyTorch would take the real part.

    Raises:
        CheckpointError: There are some.
    """
    slots = [value for slots in optimizer["state"].values() for value in slots.values()]
    is_complex = any(isinstance(value, Tensor) and value.is_complex() for value in slots)
    if is_complex and not any(parameter.is_complex() for parameter in model.parameters()):
        msg = "the checkpoint's optimizer has complex tensors, and the model has none"
        raise CheckpointError(msg)


def _check_numbers(optimizer: Mapping[str, Any]) -> None:
    """Refuse a state of parameters that no group names, which PyTorch would keep beside the model's own.

    Raises:
        ValueError: There is one.
    """
    named = {number for group in optimizer["param_groups"] for number in group["params"]}
    if more := [number for number in optimizer["state"] if number not in named]:
        msg = f"it has a state of parameter {more[0]}, which none of its groups names"
        raise ValueError(msg)


def _as_built(state: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """An optimizer's state whose groups say how to compute as those of the optimizer do.

    Raises:
        ValueError: It has another number of groups.
    """
    pairs = zip(state["param_groups"], optimizer.param_groups, strict=True)
    groups = [group | {key: own[key] for key in HOW if key in own} for group, own in pairs]
    return {**state, "param_groups": groups}


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors on the CPU of which no two share memory, as the format asks for."""
    found: dict[str, Tensor] = {}
    seen = set()
    for name, value in tensors.items():
        plain = value.detach().cpu().contiguous()
        place = plain.untyped_storage().data_ptr()
        found[name] = plain.clone() if place in seen else plain
        seen.add(place)
    return found


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
        {key: tuple(v) if key == "betas" and isinstance(v, list) else v for key, v in group.items()}
        for group in scalars["param_groups"]
    ]
    return {"state": state, "param_groups": groups}
