# SPDX-License-Identifier: MIT
"""Calibration against known transmittance, against a reference pixel by pixel, and with faulty recordings."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from microtome.cubes import calibration
from microtome.cubes.calibration import CalibrationError, Exposures, calibrate, calibrate_files, scale_files
from microtome.cubes.calibration_band import LARGEST_RADIUS, fill_invalid
from microtome.io.envi import CubeError, open_cube
from tests.reference.calibration import calibrate_band
from tests.synthetic_cubes import braces, record, write_envi, write_recording

ROUNDING = 1.5 / 1200
"""Half a count in each of three recordings, over the smallest light."""


def test_the_true_transmittance_is_recovered():
    truth = record()
    found = calibrate(truth.raw, truth.dark, truth.blank)
    assert found.transmittance.dtype == np.float32
    np.testing.assert_allclose(found.transmittance, truth.truth, atol=ROUNDING)
    assert not found.invalid.any()
    assert found.saturated.tolist() == [0] * 6
    assert max(found.quality.invalid + found.quality.saturated + found.quality.darker) == 0
    assert found.quality.warnings == (
        "the header names no wavelengths: bands are numbered; add 'wavelength = {…}' to it",
    )


def test_noise_stays_within_its_limit():
    """Error propagation: noise of 8 counts over lamps of 1350 to 3520 counts."""
    truth = record(noise=8.0, seed=3)
    found = calibrate(truth.raw, truth.dark, truth.blank)
    light = truth.blank.astype(float) - truth.dark
    error = (found.transmittance - truth.truth) * light
    assert 7.6 < error.std() < 8.4


SMALL = arrays.arrays(np.uint16, (1, 9, 11), elements=st.integers(0, 4095))


@given(SMALL, SMALL, SMALL, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_any_counts_agree_with_the_reference(raw, dark, blank, share):
    dark = dark // 16
    lit = np.random.default_rng(share).random(blank.shape) * 99 >= share
    blank = np.where(lit, np.maximum(blank, 300), dark)
    expected, valid, clipped = calibrate_band(raw[0], dark[0], blank[0])
    try:
        found = calibrate(raw, dark, blank)
    except CalibrationError:
        darker = np.mean(raw < dark)
        assert np.mean(~valid) > 0.5 or darker > 0.5
        return
    np.testing.assert_allclose(found.transmittance[0], expected, atol=2e-6)
    np.testing.assert_array_equal(found.invalid[0], ~valid)
    assert found.clipped.tolist() == [clipped]
    assert found.saturated.tolist() == [int((raw == 4095).sum())]


@pytest.mark.parametrize("shape", ["line", "column", "average", "vector"])
def test_references_that_are_no_full_frames(shape):
    truth = record()
    axes = {"line": 1, "column": 2, "average": (1, 2), "vector": (1, 2)}[shape]
    dark, blank = (array.mean(axes, keepdims=True) for array in (truth.dark, truth.blank))
    full = [np.broadcast_to(array, truth.raw.shape) for array in (dark, blank)]
    lines = [array[:, 0, 0] for array in (dark, blank)] if shape == "vector" else [dark, blank]
    found, expected = calibrate(truth.raw, *lines), calibrate(truth.raw, *full)
    np.testing.assert_allclose(found.transmittance, expected.transmittance, atol=1e-6)
    np.testing.assert_allclose(found.quality.spectra["blank"], expected.quality.spectra["blank"], rtol=1e-5)


def test_blocks_do_not_show():
    truth = record(bands=2, height=70, width=1100, seed=1)
    expected = [calibrate_band(*bands)[0] for bands in zip(truth.raw, truth.dark, truth.blank, strict=True)]
    found = calibrate(truth.raw, truth.dark, truth.blank)
    np.testing.assert_allclose(found.transmittance, expected, atol=2e-6)
    for name, array in (("raw", truth.raw), ("dark", truth.dark), ("blank", truth.blank)):
        np.testing.assert_allclose(found.quality.spectra[name], array.mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.quality.spectra["transmittance"], np.mean(expected, (1, 2)), rtol=1e-5)


def test_zero_columns_of_the_blank_are_filled_from_their_neighbours():
    truth = record()
    truth.blank[2, :, 5:7] = 0
    found = calibrate(truth.raw, truth.dark, truth.blank)
    expected, valid, _ = calibrate_band(truth.raw[2], truth.dark[2], truth.blank[2])
    np.testing.assert_allclose(found.transmittance[2], expected, atol=2e-6)
    np.testing.assert_array_equal(found.invalid[2], ~valid)
    assert found.invalid.sum() == 40
    assert found.quality.invalid == pytest.approx((0, 0, 2 / 24, 0, 0, 0))
    assert "filled from their neighbours: band 2, up to 8.3%" in found.quality.warnings[0]


def test_a_band_without_light_is_zero_and_said():
    truth = record()
    truth.blank[4] = truth.dark[4]
    truth.raw[4] = truth.dark[4] - 1
    found = calibrate(truth.raw, truth.dark, truth.blank)
    assert not found.transmittance[4].any()
    assert found.quality.invalid[4] == 1
    assert found.quality.darker[4] == 1


def test_large_holes_take_the_median_of_the_band():
    values = np.arange(2500, dtype=np.float32).reshape(50, 50)
    valid = np.zeros(values.shape, bool)
    valid[0] = True
    filled = fill_invalid(values, valid)
    assert filled[LARGEST_RADIUS, 25] == 25
    assert (filled[LARGEST_RADIUS + 1 :] == np.median(values[0])).all()
    assert not fill_invalid(values, np.zeros(values.shape, bool)).any()


def test_saturation_and_clipping_are_counted():
    truth = record(noise=0)
    raw, blank = truth.raw.copy(), truth.blank.copy()
    raw[1, :4, :3] = 4095
    blank[3, 0, :2] = 4095
    blank[1] = truth.dark[1] + 1000
    raw[5, 0, :5] = 0
    found = calibrate(raw, truth.dark, blank)
    assert found.saturated.tolist() == [0, 12, 0, 0, 0, 0]
    assert found.quality.blank_saturated[3] == 2 / 480
    assert found.clipped[5] == 5
    assert found.clipped[1] >= 12
    assert found.transmittance.min() == 0
    assert found.transmittance.max() == 1.5
    assert any("blank saturated" in text and "band 3" in text for text in found.quality.warnings)


def test_counts_beyond_full_scale_are_said():
    truth = record()
    warnings = calibrate(truth.raw, truth.dark, truth.blank, full_scale=255).quality.warnings
    assert any("exceed full_scale 255: correct" in text for text in warnings)


def test_no_dark_reference_is_zero_with_a_warning():
    truth = record()
    found, zero = (calibrate(truth.raw, dark, truth.blank) for dark in (None, 0.0))
    np.testing.assert_array_equal(found.transmittance, zero.transmittance)
    np.testing.assert_allclose(found.transmittance, truth.raw / truth.blank.astype(float), rtol=1e-5)
    assert "no dark reference" in found.quality.warnings[0]
    assert not any("no dark" in text for text in zero.quality.warnings)


def test_values_that_are_not_finite_are_invalid_pixels():
    truth = record()
    raw, dark, blank = (array.astype(np.float64) for array in (truth.raw, truth.dark, truth.blank))
    raw[0, 3, 3], dark[1, 4, 4], blank[2, 5, 5] = np.nan, np.inf, np.nan
    found = calibrate(raw, dark, blank)
    assert np.isfinite(found.transmittance).all()
    assert np.argwhere(found.invalid).tolist() == [[0, 3, 3], [1, 4, 4], [2, 5, 5]]
    around = truth.truth[0, 2:5, 2:5].ravel()
    assert found.transmittance[0, 3, 3] == pytest.approx(np.median(np.delete(around, 4)), abs=ROUNDING)
    assert np.isfinite(found.quality.spectra["raw"]).all()


LEVELS = (logging.INFO, logging.WARNING)


def test_what_noise_does_too_is_told_without_alarm(caplog):
    """Pixels darker than the dark stand in the log; what is to be mended is a warning."""
    truth = record()
    raw, blank = truth.raw.copy(), truth.blank.copy()
    raw[1, :5], blank[1, :5] = 50, 50
    with caplog.at_level(logging.INFO):
        calibrate(raw, truth.dark, blank)
    told = {level: [one.message for one in caplog.records if one.levelno == level] for level in LEVELS}
    assert ["darker than the dark reference" in text for text in told[logging.INFO]] == [True]
    assert any("pixels without light in the blank" in text for text in told[logging.WARNING])


def test_a_dark_reference_brighter_than_the_raw_counts():
    truth = record()
    raw = truth.raw.copy()
    raw[1, :5] = 50
    found = calibrate(raw, truth.dark, truth.blank)
    assert found.quality.darker[1] == 0.25
    assert any(
        "darker than the dark reference): band 1, up to 25.0%" in text for text in found.quality.warnings
    )
    raw[1, :11] = 50
    with pytest.raises(CalibrationError, match=r"found 55% of band 1 darker.*name the dark reference"):
        calibrate(raw, truth.dark, truth.blank)


def test_swapped_references():
    truth = record()
    with pytest.raises(CalibrationError, match=r"without light in the blank.*swapped with the dark"):
        calibrate(truth.raw, truth.blank, truth.dark)


@pytest.mark.parametrize("shape", [(5, 20, 24), (6, 19, 24), (6, 20, 1, 1), (20, 24), (6, 3, 24), ()])
def test_references_of_another_size(shape):
    truth = record()
    with pytest.raises((CalibrationError, CubeError), match=r"expected .*bands"):
        calibrate(truth.raw, truth.dark, np.full(shape, 3000.0))


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("threads", [1, 3])
def test_disk_to_disk_is_the_same(tmp_path, interleave, threads):
    truth = record(bands=11, seed=5)
    truth.blank[3, :, 4] = 0
    paths = write_recording(tmp_path, "s", truth)
    waves = {"wavelength": braces(truth.wavelengths)}
    write_envi(paths["raw"], truth.raw, interleave=interleave, exposure=12, **waves)
    target = tmp_path / "out/s.hdr"
    quality = calibrate_files(paths["raw"], paths["dark"], paths["blank"], target, threads=threads)
    expected = calibrate(truth.raw, truth.dark, truth.blank, wavelengths=truth.wavelengths)
    cube = open_cube(target)
    assert (cube.dtype, cube.wavelengths) == (np.float32, truth.wavelengths)
    np.testing.assert_array_equal(cube.read(), expected.transmittance)
    assert quality == replace(expected.quality, exposures=Exposures(12))
    assert quality.as_json()["shape"] == [11, 20, 24]


def test_line_references_on_disk(tmp_path):
    truth = record()
    paths = write_recording(tmp_path, "s", truth)
    line = truth.blank.mean(1, keepdims=True).astype(np.float32)
    write_envi(paths["blank"], line)
    write_envi(paths["dark"], truth.dark.mean((1, 2), keepdims=True).astype(np.float32), interleave="bip")
    calibrate_files(paths["raw"], paths["dark"], paths["blank"], tmp_path / "o.hdr")
    expected = calibrate(truth.raw, truth.dark.mean((1, 2), keepdims=True), line)
    np.testing.assert_allclose(open_cube(tmp_path / "o.hdr").read(), expected.transmittance, atol=1e-6)


def test_nothing_is_left_when_a_reference_does_not_fit(tmp_path):
    truth = record()
    paths = write_recording(tmp_path, "s", truth)
    raw = truth.raw.copy()
    raw[5] = 0
    write_envi(paths["raw"], raw)
    with pytest.raises(CalibrationError, match="of band 5 darker"):
        calibrate_files(paths["raw"], paths["dark"], paths["blank"], tmp_path / "out/o.hdr")
    assert not list((tmp_path / "out").iterdir())
    write_envi(paths["blank"], truth.blank, wavelength=braces([wave + 3 for wave in truth.wavelengths]))
    write_envi(paths["raw"], truth.raw, wavelength=braces(truth.wavelengths))
    with pytest.raises(CalibrationError, match="other wavelengths"):
        calibrate_files(paths["raw"], paths["dark"], paths["blank"], tmp_path / "out/o.hdr")
    with pytest.raises(CalibrationError, match="no blank reference"):
        calibrate_files(paths["raw"], paths["dark"], None, tmp_path / "out/o.hdr")


def test_transmittance_is_taken_over(tmp_path):
    stored = np.random.default_rng(0).integers(0, 16000, (4, 6, 7)).astype(np.uint16)
    path = write_envi(tmp_path / "t.hdr", stored, wavelength=braces([400, 500, 600, 700]))
    quality = scale_files(path, tmp_path / "o.hdr", scale=10000)
    cube = open_cube(tmp_path / "o.hdr")
    np.testing.assert_allclose(cube.read(), (stored / 10000).clip(0, 1.5), rtol=1e-6)
    assert quality.clipped[0] == np.mean(stored[0] > 15000)
    assert set(quality.spectra) == {"raw", "transmittance"}
    assert quality.warnings == ()
    floats = np.full((2, 3, 3), 0.5, np.float32)
    floats[0, 1, 1] = np.nan
    scale_files(write_envi(tmp_path / "f.hdr", floats), tmp_path / "o.hdr")
    assert (open_cube(tmp_path / "o.hdr").read() == 0.5).all()
    with pytest.raises(CalibrationError, match="found scale 0"):
        scale_files(path, tmp_path / "o.hdr", scale=0)


def test_the_module_says_what_it_offers():
    assert all(hasattr(calibration, name) for name in calibration.__all__)
