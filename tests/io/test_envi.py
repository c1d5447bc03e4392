# SPDX-License-Identifier: MIT
"""Cubes in every layout against Spectral Python, and every fault of a header by its message."""

import os
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import spectral
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.io import images
from microtome.io.envi import Cube, CubeError, EnviError, cube_of, open_cube, write_cube
from microtome.io.envi_header import checked
from microtome.io.envi_text import parse
from tests.synthetic_cubes import AXES, braces, write_envi

CUBE = np.arange(60, dtype=np.uint16).reshape(5, 3, 4) * 7 + 300
WAVES = (500.0, 510.0, 520.5, 530.0, 540.0)
SOUND = {"wavelength": braces(WAVES), "wavelength_units": "nm"}
DATA = os.environ.get("MICROTOME_DATA")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cube.hdr"


def rows(cube, start, stop):
    return cube.source.read(start, 0, stop - start, cube.width)


KINDS = ("uint8", "int16", "uint16", "int32", "uint32", "float32", "float64")
LAYOUTS = [
    (kind, interleave, "<>"[(number + place) % 2])
    for number, kind in enumerate(KINDS)
    for place, interleave in enumerate(AXES)
]
"""Every pair of type, interleave and byte order."""


@pytest.mark.parametrize(("kind", "interleave", "order"), LAYOUTS)
def test_every_layout_reads_as_spectral_python_does(path, kind, interleave, order):
    data = (CUBE % 251).astype(kind) - (40 if kind not in ("uint8", "uint16", "uint32") else 0)
    write_envi(path, data, interleave=interleave, order=order, offset=13, **SOUND)
    cube = open_cube(path)
    assert (cube.bands, cube.height, cube.width, cube.dtype) == (5, 3, 4, np.dtype(kind))
    assert cube.dtype.isnative
    assert cube.wavelengths == WAVES
    np.testing.assert_array_equal(cube.read(), data)
    np.testing.assert_array_equal(cube.read_band(3), data[3])
    np.testing.assert_array_equal(cube.read_bands(1, 4), data[1:4])
    np.testing.assert_array_equal(rows(cube, 1, 3), data[:, 1:3])
    theirs = spectral.io.envi.open(path, path.with_suffix(".raw"))
    np.testing.assert_array_equal(np.moveaxis(np.asarray(theirs.open_memmap()), -1, 0), cube.read())
    theirs.fid.close()


@pytest.mark.parametrize("interleave", AXES)
def test_a_header_that_spectral_python_takes_amiss_is_read(path, interleave):
    """It would take `Bip` for BSQ, and stumble over a byte order mark."""
    write_envi(path, CUBE, interleave=interleave)
    text = path.read_text().replace(f"= {interleave}", f"= {interleave.capitalize()}")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + "description = {µ}\n".encode())
    np.testing.assert_array_equal(open_cube(path).read(), CUBE)
    np.testing.assert_array_equal(rows(open_cube(path), 1, 2), CUBE[:, 1:2])


@pytest.mark.parametrize("index", [-1, 5])
def test_a_band_that_is_not_there(path, index):
    cube = open_cube(write_envi(path, CUBE))
    with pytest.raises(IndexError, match="expected some of 0 to 5"):
        cube.read_band(index)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("nm", 1),
        ("Nanometers", 1),
        ("µm", 1e-3),
        ("um", 1e-3),
        ("Micrometers", 1e-3),
        ("Unknown", 1),
        ("", 1e-3),
    ],
)
def test_wavelength_units(path, unit, factor):
    waves = braces([wave * factor for wave in WAVES])
    cube = open_cube(write_envi(path, CUBE, wavelength=waves, wavelength_units=unit))
    assert cube.wavelengths == pytest.approx(WAVES, abs=1e-6)


def test_falling_wavelengths_are_in_order(path):
    assert open_cube(write_envi(path, CUBE, wavelength=braces(WAVES[::-1]))).wavelengths == WAVES[::-1]


@pytest.mark.parametrize(("text", "exposure"), [("20 ms", 20), ("0.02 s", 20), ("15.5", 15.5)])
@pytest.mark.parametrize("name", ["exposure", "integration_time", "tint"])
def test_exposure(path, name, text, exposure):
    assert open_cube(write_envi(path, CUBE, **{name: text})).exposure == pytest.approx(exposure)


def test_without_wavelengths(path):
    write_envi(path, CUBE)
    assert open_cube(path).wavelengths is None


FAULTS = {
    "byte order": ({"drop": ["byte order"]}, r"no field 'byte order'.*add a line 'byte order = 0'"),
    "interleave missing": ({"drop": ["interleave"]}, "no field 'interleave'.*add 'interleave"),
    "interleave": ({"interleave ": "brick"}, "interleave = brick, expected bsq, bil, bip"),
    "type": ({"data_type": 6}, r"data type = 6 \(complex\), expected one of 1 \(uint8\)"),
    "type unknown": ({"data_type": 77}, "data type = 77, expected one of"),
    "order": ({"byte_order": 2}, "byte order = 2, expected 0 .little-endian. or 1"),
    "lines": ({"lines": "three"}, "lines = three, expected a whole number from 1"),
    "negative": ({"samples": -4}, "samples = -4, expected a whole number"),
    "bands too many": ({"bands": 6}, r"cut short at 120 bytes, expected 144 \(6 bands"),
    "bands too few": ({"bands": 4}, r"too long with 120 bytes, expected 96 \(4 bands.*correct lines"),
    "wavelengths too few": ({"wavelength": "{1, 2}"}, "2 wavelengths for 5 bands"),
    "wavelength twice": ({"wavelength": "{500, 510, 510, 520, 530}"}, "wavelength 510 of band 2 twice"),
    "out of order": ({"wavelength": "{500, 520, 510, 530, 540}"}, "510 of band 2 out of order.*into order"),
    "not a number": ({"wavelength": "{500, 5x0, 510, 520, 530}"}, "'5x0' in 'wavelength'"),
    "zero": ({"wavelength": "{0, 1, 2, 3, 4}"}, "wavelength 0.0 of band 0"),
    "unit": ({"wavelength": braces(WAVES), "wavelength_units": "wavenumber"}, "units = wavenumber.*to nm"),
    "brace": ({"wavelength": "{500, 510"}, "an open brace at 'wavelength'"),
    "compressed": ({"file_compression": 1}, "a compressed data file"),
    "library": ({"file_type": "ENVI Spectral Library"}, "a spectral library"),
    "frames": ({"major_frame_offsets": "{4, 4}"}, "'major frame offsets'"),
    "exposure": ({"exposure": "long"}, "exposure = long, expected a time"),
}


@pytest.mark.parametrize(("fields", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_names_file_found_expected_and_remedy(path, fields, message):
    if "interleave " in fields:
        write_envi(path, CUBE)
        path.write_text(path.read_text().replace("= bsq", "= brick"))
    else:
        write_envi(path, CUBE, **fields)
    with pytest.raises(EnviError, match=message) as caught:
        open_cube(path)
    assert caught.value.found in str(caught.value)
    assert caught.value.remedy in str(caught.value)
    assert "cube." in str(caught.value)


@pytest.mark.parametrize(
    ("waves", "unit"),
    [
        (["1", "2", "3", "4", "1e306"], "um"),
        (["1e-12", "2e-12", "3e-12", "4e-12", "5e-12"], "nm"),
        (["500", "500.0000000001", "501", "502", "503"], "nm"),
    ],
)
def test_wavelengths_that_are_none_in_nanometres(path, waves, unit):
    """Infinite, 0, or the same for two bands once they are in nm."""
    write_envi(path, CUBE, wavelength=f"{{{', '.join(waves)}}}", wavelength_units=unit)
    with pytest.raises(EnviError, match=r"wavelengths from .* expected nanometres or micrometres of light"):
        open_cube(path)


def test_messages_stay_short(path):
    path.write_text("ENVI\n" + "x" * 10**6 + " = {", encoding="utf-8")
    with pytest.raises(EnviError, match="an open brace") as caught:
        open_cube(path)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_a_field_that_comes_twice(path):
    write_envi(path, CUBE)
    path.write_text(path.read_text() + "bands = 5\n")
    assert open_cube(path).bands == 5
    path.write_text(path.read_text() + "bands = 4\n")
    with pytest.raises(EnviError, match="the field 'bands' twice"):
        open_cube(path)


def test_cut_short(path):
    data = write_envi(path, CUBE).with_suffix(".raw")
    data.write_bytes(data.read_bytes()[:-10])
    with pytest.raises(EnviError, match="cut short at 110 bytes, expected 120"):
        open_cube(path)


@pytest.mark.parametrize("content", [b"", b"ENVI\0\1", b"BIL 4", b"\xff\xfe", None])
def test_no_header(path, content):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EnviError, match="expected"):
        open_cube(path)


def test_no_data_file(path):
    write_envi(path, CUBE).with_suffix(".raw").unlink()
    with pytest.raises(EnviError, match=r"no data file beside the header, expected one of cube, cube.img"):
        open_cube(path)


@pytest.mark.parametrize("ending", ["", ".img", ".dat", ".BIL", ".bsq"])
def test_data_files_by_other_endings_and_from_the_data_file(path, ending):
    write_envi(path, CUBE, ending=ending)
    np.testing.assert_array_equal(open_cube(path).read(), CUBE)
    np.testing.assert_array_equal(open_cube(path.with_suffix(ending)).read(), CUBE)


def test_a_header_after_the_ending_of_its_data(tmp_path):
    write_envi(tmp_path / "a.hdr", CUBE, ending=".img")
    (tmp_path / "a.hdr").rename(tmp_path / "a.img.hdr")
    np.testing.assert_array_equal(open_cube(tmp_path / "a.img.hdr").read(), CUBE)
    np.testing.assert_array_equal(open_cube(tmp_path / "a.img").read(), CUBE)


def test_capitals_latin_and_a_byte_order_mark(path):
    write_envi(path, CUBE)
    text = path.read_text().replace("lines", "Lines ").replace("bsq", "BSQ") + "description = {Größe\n µ}\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert open_cube(path).metadata["description"] == "Größe µ"
    path.write_bytes(text.encode("latin-1"))
    assert open_cube(path).metadata["description"] == "Größe µ"


LINES = st.text(st.characters(blacklist_categories=("Cs",)), max_size=20)
FIELDS = ["samples", "lines", "bands", "data type", "interleave", "byte order", "header offset", "Bands "]
OPTIONAL = ["wavelength", "wavelength units", "exposure", "file type", "major frame offsets"]
OPTIONAL += ["bbl", "data ignore value", "data gain values", "data offset values", "reflectance scale factor"]
NAMES = st.sampled_from([*FIELDS, *OPTIONAL, "file compression"])
VALUES = st.one_of(
    LINES,
    st.integers(-3, 10**30).map(str),
    st.floats().map(str),
    st.sampled_from(["bsq", "BIP", "12", "4", "nm", "{1, 2", "{1, 2}", "{", "}", "nan", "²", "1e999"]),
    st.lists(st.floats(width=16), max_size=4).map(lambda values: "{" + ",".join(map(str, values)) + "}"),
)


@given(st.lists(st.one_of(LINES, st.tuples(NAMES, VALUES).map(" = ".join)), max_size=14), st.booleans())
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_header_or_an_envi_error(lines, begins):
    text = "\n".join(["ENVI", *lines] if begins else lines)
    try:
        header = checked(parse(text, Path("x.hdr")), Path("x.hdr"))
    except EnviError as error:
        assert error.remedy
        return
    assert header.bands > 0
    assert header.wavelengths is None or len(header.wavelengths) == header.bands


@given(st.binary(max_size=60))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_header_or_an_envi_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "x.hdr"
    path.write_bytes(b"ENVI\n" + content)
    with pytest.raises(EnviError):
        open_cube(path)


@pytest.mark.parametrize("kind", ["float32", "uint16"])
def test_written_cubes_are_read_by_spectral_python(path, kind):
    data = CUBE.astype(kind)
    write_cube(path, iter(data), wavelengths=WAVES, metadata={"exposure": "20 ms", "note": "a, b"})
    assert sorted(item.name for item in path.parent.iterdir()) == ["cube.hdr", "cube.img"]
    cube = open_cube(path)
    np.testing.assert_array_equal(cube.read(), data)
    assert (cube.wavelengths, cube.exposure, cube.metadata["note"]) == (WAVES, 20, "a, b")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = spectral.io.envi.open(path)
    assert theirs.bands.centers == list(WAVES)
    np.testing.assert_array_equal(np.moveaxis(np.asarray(theirs.open_memmap()), -1, 0), data)
    theirs.fid.close()


def test_writing_is_atomic(path):
    write_cube(path, CUBE)
    before = path.with_suffix(".img").read_bytes()

    def broken():
        yield CUBE[0] + 1
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_cube(path, broken())
    with pytest.raises(EnviError, match="columns"):
        write_cube(path, [CUBE[0], CUBE[0, :, :2]])
    assert path.with_suffix(".img").read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir()) == ["cube.hdr", "cube.img"]
    with pytest.raises(EnviError, match="2 wavelengths for 5 bands"):
        write_cube(path, CUBE, wavelengths=[1, 2])


@pytest.mark.parametrize(
    ("name", "bands"),
    [("a.raw", CUBE), ("a.hdr", []), ("a.hdr", [np.zeros(3)]), ("a.hdr", CUBE.astype(complex))],
)
def test_what_cannot_be_written(tmp_path, name, bands):
    with pytest.raises(EnviError, match="expected"):
        write_cube(tmp_path / name, bands)
    assert not list(tmp_path.iterdir())


def test_a_cube_can_be_pickled(path):
    cube = open_cube(write_envi(path, CUBE, interleave="bip"))
    rows(cube, 0, 1)
    copy = pickle.loads(pickle.dumps(cube))
    assert isinstance(copy, Cube)
    np.testing.assert_array_equal(copy.read(), CUBE)
    error = EnviError("a", found="b", expected="c", remedy="d")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_matlab(tmp_path):
    path = tmp_path / "cube.mat"
    scipy.io.savemat(path, {"hsi": np.moveaxis(CUBE, 0, -1), "wavelength": np.array(WAVES), "note": "x"})
    cube = open_cube(path)
    np.testing.assert_array_equal(cube.read(), CUBE)
    assert cube.wavelengths == WAVES
    np.testing.assert_array_equal(rows(cube, 1, 2), CUBE[:, 1:2])


def test_of_a_matlab_file_only_numbers_are_read(tmp_path, monkeypatch):
    path = tmp_path / "cube.mat"
    cells = np.empty(2, object)
    cells[:] = ["a", np.ones(3)]
    content = {"hsi": np.moveaxis(CUBE, 0, -1), "cells": cells, "s": {"b": 1}, "wavelength": np.array(WAVES)}
    scipy.io.savemat(path, content)
    asked = []
    real = scipy.io.loadmat
    monkeypatch.setattr(
        scipy.io, "loadmat", lambda file, **options: asked.append(options) or real(file, **options)
    )
    assert open_cube(path).wavelengths == WAVES
    assert asked == [{"variable_names": ["hsi", "wavelength"]}]


def test_a_matlab_file_that_promises_more_than_it_can_hold(tmp_path):
    """A kilobyte packed so that reading it would need gigabytes."""
    path = tmp_path / "cube.mat"
    scipy.io.savemat(path, {"hsi": np.zeros((4, 4, 4), np.uint8)})
    content = path.read_bytes()
    sides = np.array([4, 4, 4], "<i4").tobytes()
    assert content.count(sides) == 1
    path.write_bytes(content.replace(sides, np.array([4000, 4000, 4000], "<i4").tobytes()))
    with pytest.raises(CubeError, match=r"damaged file \(64000000000 numbers in"):
        open_cube(path)


def test_matlab_faults(tmp_path):
    path = tmp_path / "cube.mat"
    scipy.io.savemat(path, {"a": np.zeros((2, 2, 2)), "b": np.zeros((2, 2, 2))})
    with pytest.raises(CubeError, match=r"2 numeric variables of three dimensions \(a, b\), expected one"):
        open_cube(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(CubeError, match=r"MATLAB 7.3 \(HDF5\), expected version 7 or older; save it with"):
        open_cube(path)
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"\1\2\3")
    with pytest.raises(CubeError, match="damaged"):
        open_cube(path)
    with pytest.raises(CubeError, match="found nothing"):
        open_cube(tmp_path / "absent.mat")


def test_ome_tiff(tmp_path):
    path = tmp_path / "cube.tif"
    images.write(path, CUBE.astype(np.float32), channels=[f"{wave:g} nm" for wave in WAVES], tile=16)
    cube = open_cube(path)
    np.testing.assert_array_equal(cube.read(), CUBE)
    np.testing.assert_array_equal(cube.read_bands(1, 3), CUBE[1:3])
    np.testing.assert_array_equal(rows(cube, 1, 2), CUBE[:, 1:2])
    assert cube.wavelengths == WAVES


def test_plain_tiff_with_a_page_a_band(tmp_path):
    tifffile.imwrite(tmp_path / "cube.tif", CUBE, photometric="minisblack", metadata=None)
    cube = open_cube(tmp_path / "cube.tif")
    np.testing.assert_array_equal(cube.read(), CUBE)
    np.testing.assert_array_equal(rows(cube, 0, 2), CUBE[:, :2])
    assert cube.wavelengths is None
    images.write(tmp_path / "one.tif", CUBE[0], tile=16)
    with pytest.raises(CubeError, match="one band"):
        open_cube(tmp_path / "one.tif")


def test_arrays():
    assert cube_of(CUBE, wavelengths=WAVES).wavelengths == WAVES
    with pytest.raises(CubeError, match="move the bands"):
        cube_of(CUBE[0])


@pytest.mark.realdata
@pytest.mark.skipif(DATA is None, reason="MICROTOME_DATA is not set")
def test_real_cubes(tmp_path):
    cube = open_cube(Path(DATA) / "hsi_pathology_hims/bladder_M13_bin2.hdr")
    assert (cube.shape, cube.dtype, cube.wavelengths[0]) == ((40, 338, 422), np.dtype("uint16"), 380)
    maize = Path(DATA) / "envi_corn_kernel/corn-kernel-hyperspectral.hdr"
    with pytest.raises(
        EnviError, match=r"corn-kernel-hyperspectral.hdr: found no field 'byte order'.*add a line"
    ):
        open_cube(maize)
    for ending in (".hdr", ".raw"):
        (tmp_path / f"maize{ending}").write_bytes(maize.with_suffix(ending).read_bytes())
    fixed = tmp_path / "maize.hdr"
    fixed.write_text(fixed.read_text() + "\nbyte order = 0\n")
    assert open_cube(fixed).shape == (580, 31, 43)
