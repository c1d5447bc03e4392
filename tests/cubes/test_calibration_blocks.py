# SPDX-License-Identifier: MIT
"""Calibration by blocks: rows in memory that is used again, exact sums, counts of 16 bits, bounded memory."""

import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.cubes import calibration_blocks
from microtome.cubes.calibration import calibrate, calibrate_files
from microtome.cubes.calibration_blocks import total
from microtome.io.band_rows import ArrayRows, FileRows, Scratch
from microtome.io.envi import CubeError, open_cube
from tests.reference.calibration import calibrate_band
from tests.synthetic_cubes import record, write_envi, write_recording


@given(
    st.integers(1, 70), st.integers(1, 9), st.sampled_from([1, 109, 4095, 32_768, 65_535]), st.integers(0, 9)
)
@settings(max_examples=60, deadline=None)
def test_sums_of_counts_are_exact(rows, columns, highest, seed):
    values = np.random.default_rng(seed).integers(0, highest, (rows, columns), np.uint16, endpoint=True)
    values[-1, -1] = highest
    assert total(values, int(values.max())) == sum(map(int, values.ravel()))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_rows_of_a_file_are_those_of_its_bands(tmp_path, order, dtype):
    cube = np.random.default_rng(0).integers(0, 250, (3, 7, 5)).astype(dtype)
    path = write_envi(tmp_path / "a.hdr", cube, order=order, offset=13)
    opened, scratch = open_cube(path), Scratch()
    for band, values in enumerate(cube):
        with opened.rows(band) as rows:
            assert isinstance(rows, FileRows)
            assert (rows.shape, rows.dtype) == ((7, 5), np.dtype(dtype))
            for top, count in ((0, 3), (3, 4), (6, 1), (0, 7)):
                found = rows.read(top, count, scratch, "raw")
                np.testing.assert_array_equal(found, values[top : top + count])
                assert found.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(rows.whole(), values)


@pytest.mark.parametrize("interleave", ["bil", "bip"])
def test_rows_of_interleaved_bands_come_from_the_band(tmp_path, interleave):
    cube = record(bands=3).raw
    opened = open_cube(write_envi(tmp_path / "a.hdr", cube, interleave=interleave))
    with opened.rows(1) as rows:
        assert isinstance(rows, ArrayRows)
        np.testing.assert_array_equal(rows.read(2, 5, Scratch(), "raw"), cube[1, 2:7])


def test_a_file_that_ends_too_early_is_told(tmp_path):
    path = write_envi(tmp_path / "a.hdr", record(bands=2).raw)
    opened = open_cube(path)
    os.truncate(tmp_path / "a.raw", 1500)
    with opened.rows(1) as rows, pytest.raises(CubeError, match=r"found 1500 bytes, expected more"):
        rows.read(0, 20, Scratch(), "raw")


def test_arrays_of_one_name_share_their_memory():
    scratch = Scratch()
    small, other = scratch.array("a", (2, 3), np.uint16), scratch.array("b", (2, 3), np.uint16)
    assert scratch.array("a", (2, 3), np.uint16) is small
    assert not np.shares_memory(small, other)
    large = scratch.array("a", (9, 9), np.float32)
    assert np.shares_memory(large, scratch.array("a", (2, 3), np.uint16))


@pytest.mark.parametrize("largest", [4095, 32_767, 32_768, 65_535])
def test_counts_of_all_16_bits_agree_with_the_reference(monkeypatch, largest):
    """Also where a block is the first with counts that have no sign bit to spare."""
    monkeypatch.setattr(calibration_blocks, "BLOCK_PIXELS", 3 * 24)
    rng = np.random.default_rng(largest)
    dark = rng.integers(0, largest // 9, (2, 20, 24), np.uint16)
    blank = rng.integers(largest // 3, largest, (2, 20, 24), np.uint16, endpoint=True)
    raw = rng.integers(0, largest // 3, (2, 20, 24), np.uint16)
    raw[0, 10], raw[1, 0, 0], dark[1, 3, 3] = largest, 0, 5
    found = calibrate(raw, dark, blank, full_scale=largest)
    for band in range(2):
        expected, valid, clipped = calibrate_band(raw[band], dark[band], blank[band])
        np.testing.assert_allclose(found.transmittance[band], expected, atol=2e-6)
        assert valid.all()
        assert found.clipped[band] == clipped
    assert found.saturated.tolist() == [24, 0]
    assert found.quality.darker == pytest.approx(tuple((raw < dark).mean((1, 2))))
    for name, array in (("raw", raw), ("dark", dark), ("blank", blank)):
        np.testing.assert_allclose(found.quality.spectra[name], array.mean((1, 2)), rtol=1e-12)
    assert found.quality.blank_saturated == pytest.approx(tuple((blank >= largest).mean((1, 2))))


@pytest.mark.parametrize("lines", [False, True])
def test_memory_is_that_of_four_bands_at_most(tmp_path, lines):
    recording = record(bands=6, height=512, width=512)
    paths = write_recording(tmp_path, "a", recording)
    if lines:
        for kind in ("dark", "blank"):
            mean = np.rint(getattr(recording, kind).mean(1, keepdims=True)).astype(np.uint16)
            write_envi(paths[kind], mean)
    calibrate_files(*paths.values(), tmp_path / "warm.hdr")
    tracemalloc.start()
    calibrate_files(*paths.values(), tmp_path / "out.hdr", threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 4 * 512**2
    if not lines:
        found = open_cube(tmp_path / "out.hdr").read()
        np.testing.assert_allclose(found, recording.truth, atol=1.5 / 1200)
