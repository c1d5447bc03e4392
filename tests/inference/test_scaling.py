# SPDX-License-Identifier: MIT
"""Pixels become numbers on the host or on the device, with the same values."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from microtome.inference.axis import plan_axis
from microtome.inference.grid import Grid
from microtome.inference.read_ahead import BandReader
from microtome.inference.scaling import Scaling
from microtome.io.images import ArraySource

TYPES = ("uint8", "int8", "uint16", "int16", "float16", "float32")
SCALING = Scaling(255.0, 0.485, 0.229)


def pixels(dtype: str, shape: tuple[int, ...] = (3, 90, 70)) -> np.ndarray:
    values = np.random.default_rng(0).uniform(-100 if np.dtype(dtype).kind != "u" else 0, 127, shape)
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", [*TYPES, "float64"])
def test_a_tensor_has_the_values_of_the_array_bit_for_bit(dtype):
    found = pixels(dtype)
    before, expected = found.copy(), SCALING(found)
    tensor = SCALING.of_tensor(torch.from_numpy(found)).numpy()
    assert tensor.dtype == expected.dtype == np.float32
    assert np.array_equal(tensor, expected)
    assert np.array_equal(found, before), "the caller's array stays as it is"
    assert expected == pytest.approx((found.astype(np.float64) / 255 - 0.485) / 0.229, abs=1e-5)


@dataclass(frozen=True, eq=False)
class Apart(BandReader):
    """A reader whose device is told to be no CPU."""

    @property
    def carries_stored(self) -> bool:
        told = BandReader(self.source, self.grid, self.margin, self.normalize, torch.device("meta"))
        return told.carries_stored


def reader(kind: type[BandReader], image: np.ndarray, readers: int = 1) -> BandReader:
    lengths, settings = image.shape[1:], {"overlap": 8, "border": 0, "weights": "gaussian", "sigma": None}
    rows, columns = (plan_axis(length, 32, **settings) for length in lengths)
    mask = np.ones((len(rows.starts), len(columns.starts)), bool)
    mask[1, 1] = False
    grid = Grid(rows, columns, mask, 2)
    return kind(ArraySource(image), grid, 3, SCALING, torch.device("cpu"), readers)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("readers", [1, 3])
def test_bands_that_travel_as_stored_are_those_scaled_before(dtype, readers):
    image = pixels(dtype)
    near, apart = reader(BandReader, image, readers), reader(Apart, image, readers)
    assert apart.carries_stored
    assert not near.carries_stored
    assert apart.read(apart.stretches()[0]).dtype == image.dtype, "half as much or less to move"
    pairs = list(zip(near.bands(), apart.bands(), strict=True))
    assert len(pairs) > 2
    for (group, expected), (other, found) in pairs:
        assert group == other
        assert found.dtype == torch.float32
        assert torch.equal(found, expected)


def test_what_a_gpu_cannot_hold_is_scaled_before():
    assert not reader(Apart, pixels("float64")).carries_stored
    assert not reader(Apart, pixels("uint32")).carries_stored


@pytest.mark.parametrize(("dtype", "expected"), [("uint8", True), ("int16", True), ("uint16", False)])
def test_what_apples_gpus_cannot_hold_is_scaled_before(dtype, expected):
    near = reader(BandReader, pixels(dtype))
    there = BandReader(near.source, near.grid, near.margin, near.normalize, torch.device("mps"))
    assert there.carries_stored == expected
