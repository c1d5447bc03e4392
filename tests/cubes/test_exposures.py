# SPDX-License-Identifier: MIT
"""References of other exposures, against a camera that is simulated from photons to counts."""

import itertools

import numpy as np
import pytest

from microtome.cubes.calibration import CalibrationError, Exposures, calibrate, calibrate_files
from microtome.io.envi import open_cube
from tests.synthetic_cubes import write_envi

SHAPE = (4, 12, 15)
EXPOSURES = {"raw": 20.0, "dark": 20.0, "blank": 5.0, "blank_dark": 5.0, "bias": 0.1}


class Camera:
    """An offset of each pixel, a dark current and a lamp, both per ms; an ADU is 2.5 electrons."""

    def __init__(self):
        rng = np.random.default_rng(4)
        self.transmittance = rng.uniform(0.05, 1.0, SHAPE)
        self.offset = rng.uniform(350, 450, (1, *SHAPE[1:]))
        self.current = rng.uniform(2, 12, (1, *SHAPE[1:]))
        self.lamp = rng.uniform(180, 400, (SHAPE[0], 1, 1))

    def counts(self, exposure, light):
        electrons = exposure * (self.current + self.lamp * light)
        return (electrons / 2.5 + self.offset) * np.ones(SHAPE)

    def recordings(self, exposures):
        light = {"raw": self.transmittance, "blank": 1.0}
        return {name: self.counts(exposure, light.get(name, 0.0)) for name, exposure in exposures.items()}


def calibrated(camera, exposures):
    return calibrate(
        **{"dark": None} | camera.recordings(exposures),
        exposures=Exposures(**exposures),
        scale_exposure=True,
        full_scale=65535,
    )


def without(*names, **changed):
    return {name: value for name, value in (EXPOSURES | changed).items() if name not in names}


@pytest.mark.parametrize(
    "exposures",
    [
        without("bias"),
        without("blank_dark"),
        without("bias", blank=80.0, blank_dark=80.0),
        without("dark"),
        without("blank_dark", dark=7.0),
        without("blank_dark", dark=40.0, blank=20.0),
        without("blank_dark", dark=5.0, blank=5.0),
    ],
    ids=["two darks", "bias", "longer blank", "bias and blank's", "three", "dark of another", "blank's dark"],
)
def test_the_true_transmittance_is_recovered(exposures):
    camera = Camera()
    found = calibrated(camera, exposures)
    np.testing.assert_allclose(found.transmittance, camera.transmittance, atol=2e-5)


def test_the_offset_is_not_scaled():
    """Scaling blank and dark with their offset, as programs do, is off by more than a tenth here."""
    camera = Camera()
    frames = camera.recordings(EXPOSURES)
    wrong = (frames["raw"] - frames["dark"]) / (frames["blank"] * 4 - frames["blank_dark"] * 4 - 300)
    assert np.abs(wrong / camera.transmittance - 1).min() > 0.1
    found = calibrated(camera, without("bias"))
    assert np.abs(found.transmittance / camera.transmittance - 1).max() < 1e-3


@pytest.mark.parametrize(
    ("exposures", "expected"),
    [
        (
            without("bias", "blank_dark"),
            r"exposures 20 of the cube and 5 of its blank, dark frames exposed 20",
        ),
        (without("bias", "blank_dark", dark=5.0), "expected a dark frame exposed 20"),
        (without("bias", "blank_dark", blank=20.0, dark=5.0), "expected a dark frame exposed 20, or a bias"),
        (without("dark", "blank_dark"), "dark frames exposed none"),
        (without("blank_dark", dark=0.1), "a bias with a longer dark frame"),
    ],
)
def test_what_cannot_be_scaled_is_refused(exposures, expected):
    recordings = {"dark": None} | Camera().recordings(exposures)
    with pytest.raises(CalibrationError, match=f"{expected}.*`blank_dark`; or name the `bias`"):
        calibrate(**recordings, exposures=Exposures(**exposures), scale_exposure=True)


def test_another_exposure_is_refused_unless_asked_for():
    camera, exposures = Camera(), without("bias")
    with pytest.raises(CalibrationError, match=r"exposure 20 of the cube and 5 of its blank.*scale_exposure"):
        calibrate(**camera.recordings(exposures), exposures=Exposures(**exposures))


def test_what_was_done_is_said():
    camera = Camera()
    said = calibrated(camera, without("blank_dark")).quality
    assert "the cube was exposed 20, the blank reference 5" in said.warnings[0]
    assert said.as_json()["exposures"] == {"raw": 20, "dark": 20, "blank": 5, "bias": 0.1}
    said = calibrated(camera, without("blank_dark", dark=40.0, blank=20.0)).quality
    assert "dark reference was exposed 40: its rise above the bias" in said.warnings[0]
    same = camera.recordings({"raw": 20, "dark": 20, "blank": 20})
    known = calibrate(**same, exposures=Exposures(dark=20, blank=20), scale_exposure=True).quality
    assert "no exposure in the header of the raw: nothing is scaled" in known.warnings[0]
    unknown = {"raw": 20.0, "blank": 5.0, "blank_dark": 5.0}
    frames = camera.recordings(EXPOSURES | {"bias": 0.0})
    found = calibrate(**frames, exposures=Exposures(**unknown), scale_exposure=True)
    assert "no exposure in the header of the dark reference: 20 is taken" in found.quality.warnings[1]
    np.testing.assert_allclose(found.transmittance, camera.transmittance, atol=2e-5)


def test_saturation_of_the_blank_is_that_of_its_counts():
    camera = Camera()
    exposures = without("bias")
    found = calibrated(camera, exposures)
    assert found.quality.blank_saturated == (0.0,) * 4
    highest = camera.recordings(exposures)["blank"].max()
    frames = camera.recordings(exposures)
    limited = calibrate(
        **frames, exposures=Exposures(**exposures), scale_exposure=True, full_scale=float(highest)
    )
    assert sum(limited.quality.blank_saturated) == pytest.approx(1 / np.prod(SHAPE[1:]))


@pytest.mark.parametrize("second", ["blank_dark", "bias"])
def test_from_disk(tmp_path, second):
    camera, names = Camera(), ("raw", "dark", "blank", second)
    exposures = {name: EXPOSURES[name] for name in names}
    frames = {name: np.rint(value).astype(np.uint16) for name, value in camera.recordings(exposures).items()}
    paths = {
        name: write_envi(tmp_path / f"{name}.hdr", frames[name], exposure=f"{exposures[name]} ms")
        for name in names
    }
    quality = calibrate_files(**paths, target=tmp_path / "out.hdr", full_scale=65535, scale_exposure=True)
    expected = calibrate(**frames, exposures=Exposures(**exposures), scale_exposure=True, full_scale=65535)
    np.testing.assert_array_equal(open_cube(tmp_path / "out.hdr").read(), expected.transmittance)
    np.testing.assert_allclose(expected.transmittance, camera.transmittance, atol=0.01)
    assert quality.exposures == Exposures(**exposures)


def test_every_pair_of_exposures_agrees():
    camera = Camera()
    for raw, blank in itertools.product((4.0, 20.0, 60.0), repeat=2):
        found = calibrated(camera, {"raw": raw, "dark": raw, "blank": blank, "blank_dark": blank})
        np.testing.assert_allclose(found.transmittance, camera.transmittance, atol=2e-5)
