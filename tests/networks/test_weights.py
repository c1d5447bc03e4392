# SPDX-License-Identifier: MIT
"""Weights of trained runs: taken as they are, or refused."""

import pickle

import pytest
import torch
from safetensors.torch import save_file

from microtome.networks.weights import WeightsFileError, load_weights


class Harmful:
    """What a pickle can do to those who open it."""

    def __reduce__(self):
        return exec, ("raise SystemExit('unpickled')",)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def load(path):
    model = torch.nn.Linear(2, 1)
    load_weights(model, path, network="a line")
    return model


def test_weights_are_taken(path):
    save_file({"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}, path)
    assert load(path)(torch.ones(2)).item() == 6


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "weight is missing; bias is missing"),
        ({"weight": torch.zeros(1, 2)}, "bias is missing"),
        (
            {"weight": torch.zeros(2, 1), "bias": torch.zeros(1)},
            r"weight is float32 \(2, 1\), expected float32 \(1, 2\)",
        ),
        ({"weight": torch.zeros(1, 2).double(), "bias": torch.zeros(1)}, "weight is float64"),
        ({"weight": torch.zeros(1, 2), "bias": torch.zeros(1), "x": torch.zeros(1)}, "x is unknown"),
        ({str(n): torch.zeros(1) for n in range(9)}, "and 8 more"),
    ],
)
def test_weights_of_another_network_are_refused(path, tensors, message):
    save_file(tensors, path)
    with pytest.raises(WeightsFileError, match=f"another network than a line.*{message}"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100, pickle.dumps(Harmful())])
def test_what_is_no_safetensors_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(WeightsFileError, match="cannot be read as safetensors"):
        load(path)


def test_a_pickle_of_pytorch_is_refused(path):
    torch.save({"weight": Harmful()}, path)
    with pytest.raises(WeightsFileError, match="cannot be read as safetensors"):
        load(path)
