# SPDX-License-Identifier: MIT
"""What an ENVI header says of its values, and headers as strangers' programs write them."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import tifffile

from microtome.io.envi import CubeError, EnviError, open_cube, write_cube
from microtome.io.envi_text import parse
from tests.synthetic_cubes import AXES, braces, write_envi

CUBE = np.arange(60, dtype=np.uint16).reshape(5, 3, 4) * 7 + 300
WAVES = (500.0, 510.0, 520.5, 530.0, 540.0)
SOUND = {"wavelength": braces(WAVES), "wavelength_units": "nm"}
DATA = os.environ.get("MICROTOME_DATA")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cube.hdr"


@pytest.mark.parametrize("factor", [1e-3, 1, 1e3])
@pytest.mark.parametrize(("unit", "true"), [("nm", 1), ("Micrometers", 1e-3)])
def test_a_wrong_unit_is_refused_with_the_right_one(path, factor, unit, true):
    waves = "{" + ", ".join(f"{wave * factor:.9g}" for wave in WAVES) + "}"
    write_envi(path, CUBE, wavelength=waves, wavelength_units=unit)
    if factor == true:
        assert open_cube(path).wavelengths == pytest.approx(WAVES)
        return
    right = {1e-3: "'wavelength units = Micrometers'", 1: "'wavelength units = nm'"}.get(
        factor, "correct 'wavelength'"
    )
    with pytest.raises(EnviError, match=f"expected nanometres or micrometres of light.*{right}"):
        open_cube(path)


@pytest.mark.parametrize(("name", "factor", "sound"), [
    ("wavelength", 1, True), ("wavelength", 1e-3, True), ("wavelength_nm", 1, True),
    ("wavelength_nm", 1e-3, False), ("lambda", 1e3, False), ("bands_nm", 1e-3, False),
])  # fmt: skip
def test_units_of_matlab(tmp_path, name, factor, sound):
    path = tmp_path / "cube.mat"
    scipy.io.savemat(path, {"hsi": np.moveaxis(CUBE, 0, -1), name: np.array(WAVES) * factor})
    if sound:
        assert open_cube(path).wavelengths == pytest.approx(WAVES)
    else:
        with pytest.raises(CubeError, match="of light"):
            open_cube(path)


@pytest.mark.parametrize(("names", "expected"), [
    ("{:g} nm", WAVES), ("{:g}nm", WAVES), ("{:g} pm", None), ("band {:g}", None), ("{:g} µm", CubeError),
])  # fmt: skip
def test_units_of_channel_names(tmp_path, names, expected):
    path = tmp_path / "cube.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": [names.format(wave) for wave in WAVES]}}
    tifffile.imwrite(path, CUBE, photometric="minisblack", metadata=metadata)
    if expected is CubeError:
        with pytest.raises(CubeError, match="of light"):
            open_cube(path)
    else:
        assert open_cube(path).wavelengths == expected


def test_micrometres_in_channel_names(tmp_path):
    path = tmp_path / "cube.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": [f"{wave / 1000:g} um" for wave in WAVES]}}
    tifffile.imwrite(path, CUBE, photometric="minisblack", metadata=metadata)
    assert open_cube(path).wavelengths == pytest.approx(WAVES)


def test_angstroms(path):
    waves = braces([wave * 10 for wave in WAVES])
    assert (
        open_cube(write_envi(path, CUBE, wavelength=waves, wavelength_units="Angstroms")).wavelengths == WAVES
    )


def test_numbers_of_bands_are_no_wavelengths(path):
    assert open_cube(write_envi(path, CUBE, wavelength="{1, 2, 3, 4, 5}")).wavelengths is None
    found = open_cube(write_envi(path, CUBE, wavelength="{1, 2, 3, 4, 5}", wavelength_units="um")).wavelengths
    assert found == (1000, 2000, 3000, 4000, 5000)


BRACED = ("wavelength", "bbl", "data gain values", "data offset values", "description")


@pytest.mark.parametrize("name", BRACED)
def test_a_brace_on_the_next_line(name):
    text = f"ENVI\n{name} = \n\n  {{1,\n 1}}\nlines = 3"
    assert parse(text, Path("a.hdr")) == {name: "1, 1", "lines": "3"}
    assert parse(text.replace("\n", "\r\n"), Path("a.hdr")) == {name: "1, 1", "lines": "3"}
    assert parse(f"ENVI\n; {name} =\n{{\nlines = 3", Path("a.hdr")) == {"lines": "3"}
    text = f"ENVI\n{name} =\n; of the camera; {{0}}\n\n;\n {{1, 2}}\nlines = 3"
    assert parse(text, Path("a.hdr")) == {name.lower(): "1, 2", "lines": "3"}


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
@pytest.mark.parametrize("filling", ["", "\0" * 16, "\x1a"])
def test_other_codings_and_what_fills_the_end(path, coding, filling):
    write_envi(path, CUBE, **SOUND, description="{Größe µ}")
    path.write_bytes((path.read_text(encoding="utf-8") + filling).encode(coding))
    cube = open_cube(path)
    assert (cube.wavelengths, cube.metadata["description"]) == (WAVES, "Größe µ")
    np.testing.assert_array_equal(cube.read(), CUBE)


def test_zero_bytes_within_and_damaged_utf_16(path):
    content = write_envi(path, CUBE, **SOUND).read_bytes()
    path.write_bytes(content[:30] + b"\0" + content[30:])
    with pytest.raises(EnviError, match="a zero byte in the text, after 30 characters"):
        open_cube(path)
    path.write_bytes(content.decode().encode("utf-16")[:-1])
    with pytest.raises(EnviError, match=r"UTF-16 that is cut short.*encoded as UTF-8"):
        open_cube(path)


COMMAS = (
    "{500,1, 510,2, 520,3, 530,4, 540,5}",
    "{500,1,510,2,520,3,530,4,540,5}",
    "{500,1; 510,2; 520; 530; 540,5}",
    "{500,1 510,2 520 530 540,5}",
)


@pytest.mark.parametrize("name", ["wavelength", "bbl", "data gain values", "data offset values"])
@pytest.mark.parametrize("text", COMMAS)
def test_decimal_commas_are_named(path, name, text):
    write_envi(path, CUBE, **{name: text})
    with pytest.raises(EnviError, match=f"decimal commas in '{name}'.*write 450.1 for 450,1"):
        open_cube(path)


@pytest.mark.parametrize("name", ["exposure", "data ignore value", "reflectance scale factor"])
def test_a_decimal_comma_of_one_number(path, name):
    with pytest.raises(EnviError, match=rf"{name} = 20,5.*with a decimal point, 20\.5"):
        open_cube(write_envi(path, CUBE, **{name: "20,5"}))


@pytest.mark.parametrize("interleave", AXES)
def test_bad_bands_are_left_out(path, interleave):
    write_envi(path, CUBE, interleave=interleave, bbl="{1, 0, 1, 1, 0}", **SOUND)
    cube = open_cube(path)
    assert (cube.shape, cube.bad_bands, cube.dtype) == ((3, 3, 4), (1, 4), np.uint16)
    assert cube.wavelengths == (500, 520.5, 530)
    np.testing.assert_array_equal(cube.read(), CUBE[[0, 2, 3]])
    np.testing.assert_array_equal(cube.read_band(1), CUBE[2])
    np.testing.assert_array_equal(cube.source.read(1, 2, 2, 2, slice(1, 3)), CUBE[2:4, 1:3, 2:])
    assert open_cube(path, bad_bands=(0,)).bad_bands == (0, 1, 4)


@pytest.mark.parametrize(("kind", "ignored", "masked"), [
    ("uint16", "300", True), ("uint16", "-9999", False), ("uint16", "300.5", False), ("int32", "300", True),
    ("float32", "300.0", True), ("float64", "{300}", True), ("float32", "nan", False),
    ("uint16", "1e400", False),
])  # fmt: skip
def test_ignored_values_are_no_numbers(path, kind, ignored, masked):
    cube = open_cube(write_envi(path, CUBE.astype(kind), data_ignore_value=ignored))
    found = cube.read()
    assert np.argwhere(np.isnan(found.astype(float))).tolist() == ([[0, 0, 0]] if masked else [])
    np.testing.assert_array_equal(found.ravel()[1:], CUBE.ravel()[1:])
    assert (cube.ignored is not None, found.dtype) == (masked, cube.dtype)
    assert found.dtype == (kind if not masked or kind[0] == "f" else {"uint16": "f4", "int32": "f8"}[kind])


def test_gains_and_offsets(path):
    gains, offsets = np.array([0.5, 1, 2, 0.1, 1]), np.array([0, -3, 10, 0.5, 0])
    write_envi(
        path, CUBE, data_gain_values=braces(gains), data_offset_values=braces(offsets), data_ignore_value=300,
        bbl="{1, 0, 1, 1, 1}",
    )  # fmt: skip
    cube, kept = open_cube(path), [0, 2, 3, 4]
    expected = (CUBE * gains[:, None, None] + offsets[:, None, None])[kept]
    assert np.isnan(cube.read()[0, 0, 0])
    np.testing.assert_allclose(cube.read().ravel()[1:], expected.ravel()[1:], rtol=1e-6)
    np.testing.assert_allclose(cube.read_band(2), expected[2], rtol=1e-6)
    assert cube.value_of(1, 4095) == 2 * 4095 + 10
    neutral = open_cube(
        write_envi(path, CUBE, data_gain_values="{1,1,1,1,1}", data_offset_values="{0,0,0,0,0}")
    )
    assert (neutral.line, neutral.dtype, neutral.value_of(0, 4095)) == (None, np.uint16, 4095)


def test_the_scale_factor_is_said(path):
    assert open_cube(write_envi(path, CUBE, reflectance_scale_factor="10000.0")).scale == 10000
    assert open_cube(write_envi(path, CUBE)).scale is None


FAULTS = {
    "few marks": ({"bbl": "{1, 0}"}, "2 values in 'bbl', expected 5"),
    "strange marks": ({"bbl": "{1, 0, 2, 1, 1}"}, "expected 5, 0 for a bad band"),
    "all bad": ({"bbl": "{0, 0, 0, 0, 0}"}, "every band marked bad in 'bbl'"),
    "few gains": (
        {"data_gain_values": "{2, 3}"},
        "2 values in 'data gain values', expected a finite one for each",
    ),
    "no gain": ({"data_gain_values": "{2, 3, 0, 1, 1}"}, "bands, not 0"),
    "no offset": ({"data_offset_values": "{2, x, 0, 1, 1}"}, "'x' in 'data offset values'"),
    "endless": ({"data_offset_values": "{2, inf, 0, 1, 1}"}, "expected a finite one"),
    "beyond": (
        {"data_gain_values": "{2, -1e300, 1, 1, 1}"},
        r"-1e\+300 in 'data gain values', expected 1e\+12",
    ),
    "ignored": ({"data_ignore_value": "none"}, "data ignore value = none, expected a number"),
    "scale": ({"reflectance_scale_factor": "0"}, "reflectance scale factor = 0, expected a positive number"),
}


@pytest.mark.parametrize(("fields", "message"), FAULTS.values(), ids=FAULTS)
def test_statements_that_make_no_sense(path, fields, message):
    with pytest.raises(EnviError, match=message):
        open_cube(write_envi(path, CUBE, **fields))


def test_bytes_have_no_order(path):
    data = (CUBE % 251).astype(np.uint8)
    np.testing.assert_array_equal(open_cube(write_envi(path, data, drop=["byte order"])).read(), data)


def test_what_is_written_says_what_it_holds(path):
    write_cube(path, CUBE, wavelengths=WAVES, metadata={"bbl": "1, 1, 0, 1, 1"})
    assert open_cube(path).bad_bands == (2,)


@pytest.mark.realdata
@pytest.mark.skipif(DATA is None, reason="MICROTOME_DATA is not set")
def test_public_headers():
    cube = open_cube(Path(DATA) / "hsi_pathology_hims/bladder_M13_bin2.hdr")
    assert (cube.scale, cube.wavelengths[0], cube.wavelengths[-1]) == (10000, 380, 770)
    with pytest.raises(EnviError, match=r"no field 'byte order'.*add a line 'byte order = 0'"):
        open_cube(Path(DATA) / "envi_corn_kernel/corn-kernel-hyperspectral.hdr")
