# SPDX-License-Identifier: MIT
"""Images that lie on the device: decided by their size and its memory, and the same network."""

import logging

import pytest
import torch
from safetensors.torch import load_file

from microtome.stages import training_data
from microtome.stages.training_data import read_images
from microtome.training.resident import Resident
from tests.stages import folders

CPU = torch.device("cpu")
SIZE = 3 * 2 * 48 * 48
"""Bytes of the three images of training and validation with their targets."""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return folders.write(tmp_path_factory.mktemp("gpu"))


def with_memory(monkeypatch, size):
    """Let the CPU have a memory of its own, as a GPU has."""
    monkeypatch.setattr(training_data, "device_memory", lambda device: size if device == CPU else 0)


@pytest.mark.parametrize(
    ("run", "changes"), [("unet", {}), ("dense", {}), ("unet", {"learn": {"share": 0.5}})]
)
def test_the_network_is_that_of_images_on_the_host(files, tmp_path, monkeypatch, caplog, run, changes):
    caplog.set_level(logging.INFO)
    root = files.images[0].parent
    one = folders.train(root, run, tmp_path / "host", **changes)
    assert "lie on the device" not in caplog.text
    with_memory(monkeypatch, 5 * SIZE)
    other = folders.train(root, run, tmp_path / "device", **changes)
    assert "lie on the device" in caplog.text
    found, expected = (load_file(folder / "model.safetensors") for folder in (other, one))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("memory", "share", "fits"),
    [(4 * SIZE, None, True), (4 * SIZE - 4, None, False), (SIZE, 1.0, True), (9 * SIZE, 0.0, False)],
)
def test_images_lie_there_if_all_fit_into_a_share_of_its_memory(files, monkeypatch, memory, share, fits):
    with_memory(monkeypatch, memory)
    found = read_images(folders.options("unet"), files, None, 1, CPU, share)
    assert (found.resident is not None) == fits
    held = [type(one).__name__ for labelled in found.values() for one in (labelled.image, labelled.label)]
    assert held == ["TiffSource" if fits else "ArraySource", "ArraySource"] * 3, "the host holds labels alone"
    assert not found.buffers.pinned


def test_they_stay_on_the_host_where_other_programs_leave_no_room(files, monkeypatch, caplog):
    def full(images, device):
        msg = "CUDA out of memory"
        raise torch.OutOfMemoryError(msg)

    with_memory(monkeypatch, 4 * SIZE)
    monkeypatch.setattr(Resident, "collect", full)
    changed = folders.options("unet") | {"learn": {"share": 0.5}}
    found = read_images(changed, files, None, 1, CPU)
    assert found.resident is None
    assert "they stay on the host" in caplog.text
    assert {type(one.image).__name__ for one in found.values()} == {"ArraySource"}
    assert "PartialLabels" in {type(one.label).__name__ for one in found.values()}
