# SPDX-License-Identifier: MIT
"""Checkpoints: what is written is what is read, or nothing is."""

import dataclasses
import json
import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from microtome.training import checkpoint as checkpoints
from microtome.training.checkpoint import Checkpoint
from microtome.training.loop import fit
from tests.training.problems import KEY, parts, trainer

DTYPES = (torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool)
SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False)
NAMES = st.text("abcdefghij_./", min_size=1, max_size=8)


def random_tensor(dtype, shape, seed):
    values = np.random.default_rng(seed).normal(0, 40, shape)
    return torch.as_tensor(values).to(dtype)


TENSORS = st.builds(
    random_tensor,
    st.sampled_from(DTYPES),
    st.lists(st.integers(0, 3), max_size=4).map(tuple),
    st.integers(0, 1000),
)
STATES = st.dictionaries(
    st.integers(0, 20), st.dictionaries(NAMES, TENSORS | SCALARS, max_size=4), max_size=4
)
GROUPS = st.lists(st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=3), max_size=4), max_size=3)


def equal(first, second):
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(
            equal(value, second[key]) for key, value in first.items()
        )
    return type(first) is type(second) and first == second


@settings(max_examples=40, deadline=None)
@given(
    model=st.dictionaries(NAMES, TENSORS, max_size=4),
    state=STATES,
    groups=GROUPS,
    losses=st.lists(st.floats(allow_nan=False), max_size=3),
    resumed=st.integers(0, 9),
)
def test_round_trip(model, state, groups, losses, resumed):
    history = tuple({"epoch": k + 1, "val_loss": value} for k, value in enumerate(losses))
    optimizer = {"state": state, "param_groups": groups}
    written = Checkpoint("key", len(losses), model, model, optimizer, history, resumed, "2026-01-01")
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.save(Path(folder) / "deep" / "c", written)
        found = checkpoints.load(Path(folder) / "deep" / "c", "key")
    assert equal(found.model, model)
    assert equal(found.best, model)
    assert equal(found.optimizer, optimizer)
    assert (found.history, found.epoch, found.started) == (history, len(losses), "2026-01-01")
    assert found.resumed == resumed + 1


def trained(kind, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 3))
    model.to(memory_format=torch.channels_last)
    optimizer = kind(model.parameters(), **options)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(2, 2, 8, 8)).square().mean().backward()
        optimizer.step()
    return model, optimizer


KINDS = [
    (torch.optim.Adam, {"lr": 0.1}),
    (torch.optim.AdamW, {"lr": 0.1, "amsgrad": True}),
    (torch.optim.SGD, {"lr": 0.1}),
    (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
]


def state_of(model, optimizer, key="key"):
    return Checkpoint(
        key, 3, model.state_dict(), model.state_dict(), optimizer.state_dict(), ({"val_loss": np.nan},)
    )


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_optimizers_are_restored_in_the_memory_format_of_their_parameters(tmp_path, kind, options):
    model, optimizer = trained(kind, **options)
    checkpoints.save(tmp_path / "c", state_of(model, optimizer))
    other, fresh = trained(kind, **options | {"lr": 0.5})
    checkpoints.restore(other, fresh, checkpoints.load(tmp_path / "c", "key"))
    assert equal(fresh.state_dict(), optimizer.state_dict())
    assert equal(dict(other.state_dict()), dict(model.state_dict()))
    for parameter, slots in fresh.state.items():
        for value in slots.values():
            if isinstance(value, torch.Tensor) and value.dim() == 4:
                assert value.stride() == parameter.stride()


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "c"
    checkpoints.save(path, state_of(*trained(torch.optim.Adam, lr=0.1)))
    return path


def refused(path, caplog, *, key="key"):
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        found = checkpoints.load(path, key)
    return found is None and "training starts from the beginning" in caplog.text


def test_absent_is_no_warning(tmp_path, caplog):
    assert checkpoints.load(tmp_path / "c", "key") is None
    assert caplog.text == ""


def test_another_key_or_format_is_refused(written, monkeypatch, caplog):
    assert checkpoints.load(written, "key").epoch == 3
    assert refused(written, caplog, key="other")
    monkeypatch.setattr(checkpoints, "FORMAT", checkpoints.FORMAT + 1)
    assert refused(written, caplog)


def test_every_truncation_is_refused(written, caplog):
    content = written.read_bytes()
    for length in (*range(0, 64, 7), *range(64, len(content), len(content) // 20), len(content) - 1):
        written.write_bytes(content[:length])
        assert refused(written, caplog)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff" * 100, b'{"format": 2}', b"PK\3\4" * 40])
def test_garbage_is_refused(written, content, caplog):
    written.write_bytes(content)
    assert refused(written, caplog)


@pytest.mark.parametrize(
    "meta", [None, "no JSON", "[1]", "3", "{}", json.dumps({"format": checkpoints.FORMAT, "key": "key"})]
)
def test_foreign_tensors_are_refused(written, meta, caplog):
    save_file({"model/weight": torch.zeros(2)}, written, metadata=meta and {"microtome": meta})
    assert refused(written, caplog)


def test_every_changed_byte_is_noticed(written, caplog):
    """Also in the tensors, where any bytes are numbers."""
    content = written.read_bytes()
    for place in range(0, len(content), 7):
        written.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        assert refused(written, caplog), place


def test_a_warning_names_the_reason_in_one_line(written, caplog):
    written.write_bytes(written.read_bytes()[:-1])
    assert refused(written, caplog)
    assert len(caplog.messages[0].splitlines()) == 1


@pytest.mark.parametrize("change", ["shape", "missing", "another", "type", "groups", "complex", "stranger"])
def test_a_checkpoint_of_another_model_or_optimizer_is_refused_and_changes_nothing(change):
    model, optimizer = trained(torch.optim.Adam, lr=0.1)
    weights = dict(model.state_dict())
    state = optimizer.state_dict()
    state = {"state": dict(state["state"]), "param_groups": [dict(group) for group in state["param_groups"]]}
    if change == "shape":
        weights["0.weight"] = weights["0.weight"][:1]
    elif change == "missing":
        del weights["0.weight"]
    elif change == "another":
        weights["more"] = torch.zeros(1)
    elif change == "type":
        weights["0.weight"] = weights["0.weight"].double()
    elif change == "groups":
        state["param_groups"] = []
    elif change == "complex":
        first = state["state"][0]
        state["state"][0] = first | {"exp_avg": first["exp_avg"].to(torch.complex64)}
    elif change == "stranger":
        state["state"][99] = {}
    other, fresh = trained(torch.optim.Adam, lr=0.1)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    found = Checkpoint("key", 3, weights, dict(model.state_dict()), state, ())
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.restore(other, fresh, found)
    assert equal(dict(other.state_dict()), before)


def test_training_starts_anew_if_the_checkpoint_does_not_fit(tmp_path, caplog):
    path, settings = tmp_path / "c", {"checkpoint": tmp_path / "c", "key": KEY}
    fit(trainer(epochs=1), *parts(), **settings)
    state = checkpoints.load(path, KEY)
    checkpoints.save(path, dataclasses.replace(state, model={"x": torch.zeros(1)}))
    with caplog.at_level(logging.WARNING):
        done = fit(trainer(epochs=2), *parts(), **settings)
    assert (done.resumed, len(done.history)) == (0, 2)
    assert "differs in" in caplog.text


def test_a_failed_write_leaves_the_last_checkpoint(written, monkeypatch):
    def fail(tensors, path, **_):
        Path(path).write_bytes(b"half")
        msg = "disk full"
        raise OSError(msg)

    before = written.read_bytes()
    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(written, state_of(*trained(torch.optim.Adam, lr=0.2)))
    assert written.read_bytes() == before
    assert [path.name for path in written.parent.iterdir()] == ["c"]


def test_tied_weights_are_written(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    checkpoints.save(tmp_path / "c", state_of(model, torch.optim.SGD(model.parameters(), lr=0.1)))
    assert equal(dict(model.state_dict()), checkpoints.load(tmp_path / "c", "key").model)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "c"
    written = Checkpoint("key", 1, {}, {}, {"state": {}, "param_groups": []}, ())
    checkpoints.save(path, written)

    def fail(_, partial, **__):
        partial.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoints, "save_file", fail)
    with pytest.raises(OSError, match=r"c could not be written .*No space left"):
        checkpoints.save(path, dataclasses.replace(written, epoch=2))
    assert checkpoints.load(path, "key").epoch == 1
    assert [found.name for found in tmp_path.iterdir()] == ["c"]
