# SPDX-License-Identifier: MIT
"""Training checkpoints and weights, broken at random, by chance or with a checksum that fits."""

import json
import tempfile
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import nn

from microtome.training import checkpoint as checkpoints
from microtome.training.checkpoint import Checkpoint, CheckpointError
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import edited, reshaped

KEY = "key"
ROW = {"epoch": 1, "train_loss": 0.5, "val_loss": 0.5, "learning_rate": 0.1}
NAMES = (
    "key",
    "format",
    "epoch",
    "optimizer",
    "state",
    "param_groups",
    "params",
    "lr",
    "betas",
    "0",
    "step",
    "x",
)
ODD = ([0.9, 0.999], [], {"0": {}}, {"99": {"step": 1}}, KEY, checkpoints.FORMAT, [ROW])
WORDS = (
    b'"dtype":"F64"',
    b'"F8_E4M3"',
    b'"BOOL"',
    b'"shape":[0]',
    b"[2,1]",
    b'"data_offsets":[0,8]',
    b"__metadata__",
)
TENSORS = (
    torch.zeros(0),
    torch.zeros(()),
    torch.ones(2, 1, dtype=torch.int64),
    torch.full((2, 1), torch.nan),
    torch.ones(2, 1, dtype=torch.complex64),
    torch.ones(1, 1, 3),
)


def network():
    model = nn.Linear(1, 2)
    return model, torch.optim.Adam(model.parameters(), lr=0.1)


def trained():
    torch.manual_seed(0)
    model, optimizer = network()
    model(torch.ones(3, 1)).square().mean().backward()
    optimizer.step()
    return model, optimizer


def written(folder):
    """The bytes of a checkpoint, and what is no tensor in it."""
    model, optimizer = trained()
    state = model.state_dict()
    path = folder / "seed"
    checkpoints.save(path, Checkpoint(KEY, 1, state, state, optimizer.state_dict(), (ROW,), started="2026"))
    meta, _ = checkpoints._read(path)
    return path.read_bytes(), meta


def seed():
    with tempfile.TemporaryDirectory() as folder:
        return written(Path(folder))


FILE, META = seed()
MODEL = {name: value.clone() for name, value in trained()[0].state_dict().items()}
WEIGHTS = save(MODEL)


def exchanged(tensors, changes):
    """Tensors of which some are left out, exchanged or renamed."""
    changed = dict(tensors)
    for place, tensor, name in changes:
        chosen = sorted(changed)[place % len(changed)] if changed else "x"
        changed.pop(chosen, None)
        if tensor is not None:
            changed[name or chosen] = tensor.clone()
    return changed


def forged(meta, changes):
    """A checkpoint of any content with the checksum that belongs to it."""
    tensors, text = exchanged(load(FILE), changes), json.dumps(meta)
    return save(tensors, metadata={"microtome": checkpoints._checksum(text, tensors) + text})


CHANGES = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from([None, *TENSORS]),
        st.sampled_from(["", "model/x", "optimizer/9/exp_avg", "optimizer/x", "loss/a", "best/weight", "y"]),
    ),
    max_size=3,
)
FORGED = st.builds(forged, reshaped([META], NAMES, ODD), CHANGES)
NUDGED = st.builds(forged, st.just(META), CHANGES)


def test_the_seed_is_sound(folder):
    (folder / "c").write_bytes(FILE)
    model, optimizer = network()
    checkpoints.restore(model, optimizer, checkpoints.load(folder / "c", KEY))
    assert torch.equal(model.weight, MODEL["weight"])


@fuzzed
@given(content=edited([FILE], WORDS))
def test_a_checkpoint_is_resumed_or_left(content, folder):
    (folder / "c").write_bytes(content)
    model, optimizer = network()
    with bounded(CheckpointError):
        found = resumed(folder / "c", model, optimizer)
        model(torch.ones(3, 1)).square().mean().backward()
        optimizer.step()
        assert found.epoch >= 0
        assert found.resumed >= 1


@fuzzed
@given(content=st.one_of(FORGED, NUDGED))
def test_no_forged_checkpoint_brings_another_model(content, folder):
    """Who forges the checksum may stop the training by the state of the optimizer, and no more."""
    (folder / "c").write_bytes(content)
    model, optimizer = network()
    with bounded(CheckpointError):
        resumed(folder / "c", model, optimizer)
        assert model(torch.ones(3, 1)).shape == (3, 2)


def resumed(path, model, optimizer):
    found = checkpoints.load(path, KEY)
    if found is None:
        raise CheckpointError("refused with a warning")
    checkpoints.restore(model, optimizer, found)
    return found
