# SPDX-License-Identifier: MIT
"""Weights of trained runs (`model.safetensors`): tensors alone, checked before a network takes them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

LISTED = 3
"""Tensors that a message names."""
LONGEST = 80
"""Characters of a name that a message repeats."""


class WeightsFileError(ValueError):
    """Weights that cannot be read, or are of another network."""


def load_weights(model: torch.nn.Module, path: Path, *, network: str) -> None:
    """Give a network the weights of a file.

    Args:
        model: The network; changed in place, or left alone if the weights do not fit.
        path: Safetensors with every tensor of the network, of its shape and type, and no other.
        network: The network in words, for messages.

    Raises:
        FileNotFoundError: There is no file.
        WeightsFileError: The file is damaged, or its tensors are not those of the network.

    Example:
        >>> import tempfile
        >>> from safetensors.torch import save_file
        >>> model, file = torch.nn.Linear(1, 1, bias=False), Path(tempfile.mkdtemp()) / "model.safetensors"
        >>> save_file({"weight": torch.tensor([[2.0]])}, file)
        >>> load_weights(model, file, network="a line")
        >>> model(torch.tensor([3.0])).item()
        6.0
    """
    try:
        found = load_file(path)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        msg = f"{path} cannot be read as safetensors ({str(error)[:LONGEST]}); train the run again"
        raise WeightsFileError(msg) from error
    faults = _faults(found, model.state_dict())
    if faults:
        more = f" and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
        found = f"{path} holds the weights of another network than {network}"
        msg = f"{found}; train it again ({'; '.join(faults[:LISTED])}{more})"
        raise WeightsFileError(msg)
    model.load_state_dict(found)


def _faults(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> list[str]:
    """What differs, tensor by tensor."""
    faults = [f"{name[:LONGEST]} is missing" for name in wanted if name not in found]
    faults += [f"{name[:LONGEST]} is unknown" for name in found if name not in wanted]
    return faults + [
        f"{name[:LONGEST]} is {_described(found[name])}, expected {_described(value)}"
        for name, value in wanted.items()
        if name in found and (found[name].shape, found[name].dtype) != (value.shape, value.dtype)
    ]


def _described(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
