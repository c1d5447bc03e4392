# SPDX-License-Identifier: MIT
"""Cubes whose headers say something of their values, calibrated; and values that are no transmittance."""

from dataclasses import replace

import numpy as np
import pytest

from microtome.cubes.calibration import (
    CalibrationError,
    calibrate,
    calibrate_files,
    likely_scale,
    scale_files,
)
from microtome.io.envi import open_cube
from tests.synthetic_cubes import braces, record, write_envi, write_recording

RNG = np.random.default_rng(7)
TRUE = RNG.uniform(0.02, 1.1, (4, 8, 9))


def write(tmp_path, truth, **fields):
    """Raw, dark and blank on disk, the fields of each by its name."""
    return {
        name: write_envi(tmp_path / f"{name}.hdr", getattr(truth, name), **fields.get(name, {}))
        for name in ("raw", "dark", "blank")
    }


def calibrated(tmp_path, paths, **options):
    quality = calibrate_files(**paths, target=tmp_path / "out.hdr", **options)
    return open_cube(tmp_path / "out.hdr"), quality


def test_bad_bands_are_left_out_and_said(tmp_path):
    truth = record()
    marks = {"bbl": "{1, 0, 1, 1, 1, 0}", "wavelength": braces(truth.wavelengths)}
    cube, quality = calibrated(tmp_path, write(tmp_path, truth, raw=marks, dark=marks))
    kept = [0, 2, 3, 4]
    expected = calibrate(truth.raw[kept], truth.dark[kept], truth.blank[kept])
    np.testing.assert_array_equal(cube.read(), expected.transmittance)
    assert cube.wavelengths == tuple(truth.wavelengths[band] for band in kept)
    assert "marked bad in the header (bbl) and left out: bands 1, 5 of the file" in quality.warnings
    with pytest.raises(CalibrationError, match=r"band 3 marked bad in 'bbl', which raw.hdr takes for good"):
        calibrated(tmp_path, write(tmp_path, truth, blank={"bbl": "{1, 1, 1, 0, 1, 1}"}))


def test_ignored_pixels_are_filled_and_counted(tmp_path):
    truth = record()
    raw = truth.raw.copy()
    raw[2, 4, 5] = 0
    paths = write(tmp_path, replace(truth, raw=raw), raw={"data_ignore_value": 0})
    cube, quality = calibrated(tmp_path, paths)
    expected = calibrate(truth.raw, truth.dark, truth.blank).transmittance
    around = np.delete(expected[2, 3:6, 4:7].ravel(), 4)
    assert cube.read()[2, 4, 5] == pytest.approx(np.median(around))
    assert quality.invalid[2] == 1 / raw[0].size
    found = cube.read()
    found[2, 4, 5] = expected[2, 4, 5]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_gains_are_applied_to_all_or_none(tmp_path):
    truth = record(bands=3)
    gains, offsets = np.array([0.5, 2.0, 1.5]), np.array([0.0, 10.0, -5.0])
    fields = {"data_gain_values": braces(gains), "data_offset_values": braces(offsets)}
    raw = truth.raw.copy()
    raw[1, :2] = 4095
    paths = write(tmp_path, replace(truth, raw=raw), raw=fields, dark=fields, blank=fields)
    cube, quality = calibrated(tmp_path, paths)
    expected = calibrate(raw, truth.dark, truth.blank)
    np.testing.assert_allclose(cube.read(), expected.transmittance, atol=2e-6)
    assert quality.saturated == expected.quality.saturated
    assert quality.blank_saturated == expected.quality.blank_saturated
    assert not any("full_scale" in text for text in quality.warnings)
    light = {"data_gain_values": braces(gains * 2)}
    paths = write(tmp_path, truth, raw=fields, dark=fields)
    with pytest.raises(CalibrationError, match=r"'data gain values'.* in one of raw.hdr and blank.hdr"):
        calibrated(tmp_path, paths)
    paths = write(tmp_path, truth, raw=light, dark=light, blank={"data_gain_values": braces(gains)})
    doubled = calibrate(truth.raw, truth.dark, truth.dark + (truth.blank / 2.0 - truth.dark))
    cube, _ = calibrated(tmp_path, paths)
    np.testing.assert_allclose(cube.read(), doubled.transmittance, atol=1e-5)


@pytest.mark.parametrize("scale", [None, 10000])
@pytest.mark.parametrize("said", [True, False])
def test_the_scale_of_the_header_is_used(tmp_path, scale, said):
    fields = {"reflectance_scale_factor": 10000.0} if said else {}
    path = write_envi(tmp_path / "t.hdr", np.rint(TRUE * 10000).astype(np.uint16), **fields)
    if scale is None and not said:
        with pytest.raises(CalibrationError, match=r"outside 0 to 1.5.*likely 10000"):
            scale_files(path, tmp_path / "o.hdr")
        assert not (tmp_path / "o.hdr").exists()
        return
    scale_files(path, tmp_path / "o.hdr", scale=scale)
    np.testing.assert_allclose(open_cube(tmp_path / "o.hdr").read(), TRUE, atol=1e-4)


def test_two_scales_that_differ(tmp_path):
    path = write_envi(
        tmp_path / "t.hdr", np.rint(TRUE * 10000).astype(np.uint16), reflectance_scale_factor=10000
    )
    with pytest.raises(CalibrationError, match="factor = 10000 in the header, and `scale: 255` in the study"):
        scale_files(path, tmp_path / "o.hdr", scale=255)


@pytest.mark.parametrize("true", [100.0, 255.0, 1000.0, 4095.0, 10000.0, 65535.0])
def test_values_of_another_scale_are_refused_with_the_likely_one(tmp_path, true):
    path = write_envi(tmp_path / "t.hdr", (TRUE.clip(0, 1) * true).astype(np.float32))
    with pytest.raises(CalibrationError, match=f"of the values outside 0 to 1.5.*likely {true:g}"):
        scale_files(path, tmp_path / "o.hdr")
    with pytest.raises(CalibrationError, match="likely"):
        scale_files(path, tmp_path / "o.hdr", scale=true * 500)
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(("o", "."))] == []


def test_values_too_small_and_values_below_zero(tmp_path):
    path = write_envi(tmp_path / "t.hdr", TRUE.astype(np.float32))
    with pytest.raises(CalibrationError, match=r"no value above 0.01.*`scale` 10000.*likely 1\."):
        scale_files(path, tmp_path / "o.hdr", scale=10000)
    path = write_envi(tmp_path / "l.hdr", np.log10(TRUE).astype(np.float32))
    with pytest.raises(CalibrationError, match=r"of band 0 below 0.*give transmittance, or counts"):
        scale_files(path, tmp_path / "o.hdr")


@pytest.mark.parametrize(
    ("highest", "scale"), [(1.4, 1), (255, 255), (130, 100), (4095, 4095), (9000, 10000), (0, None)]
)
def test_likely_scales(highest, scale):
    assert likely_scale(highest) == scale


def test_counts_that_look_odd(tmp_path):
    truth = record()
    paths = write(tmp_path, truth, raw={"reflectance_scale_factor": 10000})
    assert any("set `calibrated: true`" in text for text in calibrated(tmp_path, paths)[1].warnings)
    deep = calibrate(
        truth.raw // 256 + 90, truth.dark // 256 + 90, truth.blank.astype(np.int32) * 16, full_scale=65535
    )
    assert any("with one depth (8, 12, 16 bits)?" in text for text in deep.quality.warnings)
    dim = calibrate(truth.raw, truth.dark, truth.dark + (truth.blank - truth.dark) * 0.1)
    assert any("is the blank that of this recording?" in text for text in dim.quality.warnings)
    assert len(calibrate(truth.raw, truth.dark, truth.blank).quality.warnings) == 1
    write_recording(tmp_path / "plain", "s", truth)
