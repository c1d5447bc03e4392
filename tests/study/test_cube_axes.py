# SPDX-License-Identifier: MIT
"""The axes of cubes in TIFF and MATLAB files against picture, references and wavelengths, before any job."""

import numpy as np
import scipy.io
import tifffile
from PIL import Image
from pytest import fixture, mark, raises

from microtome.io.envi import CubeError, open_cube
from microtome.io.matlab import shape_of
from tests.study.test_headers import check

BANDS, HEIGHT, WIDTH = 5, 6, 8
CUBE = np.arange(BANDS * HEIGHT * WIDTH, dtype=np.uint16).reshape(BANDS, HEIGHT, WIDTH)
WAVES = np.linspace(500, 600, BANDS)


@fixture
def folder(tmp_path):
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(tmp_path / "l.png")
    return tmp_path


def save(folder, name, cube, axes=(1, 2, 0), **more):
    """A cube (bands, H, W) as `.tif`, a page a band, or as `.mat` with its axes in an order."""
    path = folder / name
    if path.suffix == ".mat":
        scipy.io.savemat(path, {"cube": np.transpose(cube, axes), **more}, do_compression=True)
    else:
        tifffile.imwrite(path, cube, photometric="minisblack", **more)
    return path


def row(cube, dark="", blank=""):
    return f"a\ta.png\tl.png\tp\t10x\t{cube}\t{dark}\t{blank}\n"


@mark.parametrize("ending", ["mat", "tif", "tiff"])
def test_cubes_that_fit(folder, ending):
    save(folder, f"a.{ending}", CUBE)
    save(folder, f"d.{ending}", CUBE[:, :1])
    save(folder, f"b.{ending}", CUBE)
    assert check(folder, row(f"a.{ending}", f"d.{ending}", f"b.{ending}")) == []
    assert open_cube(folder / f"a.{ending}").shape == CUBE.shape


@mark.parametrize("ending", ["mat", "tif"])
@mark.parametrize(("turn", "remedy"), [
    ((1, 2, 0), "its axes seem to be turned"), ((2, 1, 0), "its axes seem to be turned"),
    ((0, 2, 1), "its axes seem to be turned (5 bands): save it as bands, rows, columns in TIFF"),
])  # fmt: skip
def test_turned_axes_are_named(folder, ending, turn, remedy):
    turned = np.transpose(CUBE, turn)
    save(folder, f"a.{ending}", turned)
    (fault,) = check(folder, row(f"a.{ending}"))
    bands, height, width = turned.shape
    assert fault.startswith(
        f"2 cube: found a cube of {height} x {width} pixels ('a.{ending}'); expected 6 x 8"
    )
    assert remedy in fault
    assert f"({bands} bands)" in fault


@mark.parametrize("ending", ["mat", "tif"])
def test_another_size_is_no_turn(folder, ending):
    save(folder, f"a.{ending}", CUBE[:, :, :7])
    (fault,) = check(folder, row(f"a.{ending}"))
    assert fault.endswith("expected 6 x 8, the size of its image; register the two pictures first")


@mark.parametrize("ending", ["mat", "tif"])
def test_references_are_compared_with_the_cube(folder, ending):
    save(folder, f"a.{ending}", CUBE)
    save(folder, f"b.{ending}", CUBE[1:])
    (fault,) = check(folder, row(f"a.{ending}", "", f"b.{ending}"))
    assert fault.startswith(
        f"2 blank: found 4 bands of 6 x 8 pixels in 'b.{ending}'; expected 5 bands of 6 x 8"
    )


def test_files_that_hold_no_cube(folder):
    (folder / "a.mat").write_bytes(b"x")
    (fault,) = check(folder, row("a.mat"))
    assert fault.startswith("2 cube: found a damaged file (")
    (folder / "a.mat").write_bytes(b"")
    assert check(folder, row("a.mat")) == [
        "2 cube: found 'a.mat', an empty file; expected a cube; copy the file again"
    ]
    (folder / "a.tif").write_bytes(b"II*\0 and more")
    (fault,) = check(folder, row("a.tif"))
    assert "2 cube: found 'a.tif', which cannot be read" in fault


@mark.parametrize("axes", [(1, 2, 0), (0, 1, 2), (1, 0, 2)])
@mark.parametrize("name", ["wavelength", "lambda"])
def test_wavelengths_say_which_axis_has_the_bands(folder, axes, name):
    path = save(folder, "a.mat", CUBE, axes, **{name: WAVES})
    cube = open_cube(path)
    assert (cube.wavelengths, shape_of(path)) == (tuple(WAVES), CUBE.shape)
    np.testing.assert_array_equal(cube.read(), CUBE)
    assert check(folder, row("a.mat")) == []


def test_a_number_of_wavelengths_that_no_axis_has(folder):
    save(folder, "a.mat", CUBE, wavelength=np.linspace(500, 600, 7))
    (fault,) = check(folder, row("a.mat"))
    assert fault.startswith(
        "2 cube: found 7 numbers in 'wavelength' and a cube of 6 x 8 x 5 in 'cube' ('a.mat'); "
    )
    save(folder, "a.mat", CUBE, **{"lambda": 0.5})
    assert open_cube(folder / "a.mat").wavelengths is None


def test_two_axes_of_the_length_of_the_wavelengths(folder):
    square = np.moveaxis(CUBE, 0, -1)[:, :6]
    path = folder / "a.mat"
    scipy.io.savemat(path, {"cube": square, "wl": np.linspace(500, 600, 6)})
    with raises(CubeError, match=r"6 numbers in 'wl' and a cube of 6 x 6 x 5"):
        open_cube(path)
    scipy.io.savemat(path, {"cube": np.ones((6, 8, 6)), "wl": np.linspace(500, 600, 6)})
    assert open_cube(path).shape == (6, 6, 8)


def test_channel_names_of_another_number(folder):
    names = [f"{wave:g} nm" for wave in WAVES]
    path = folder / "a.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": names}}
    tifffile.imwrite(path, CUBE, photometric="minisblack", metadata=metadata)
    assert open_cube(path).wavelengths == tuple(WAVES)
    with tifffile.TiffFile(path) as file:
        xml = file.ome_metadata
    kept = "<Channel ".join(part for part in xml.split("<Channel ") if "550 nm" not in part)
    tifffile.tiffcomment(path, kept.encode())
    with raises(CubeError, match="4 channels named by wavelengths, and 5 bands in the pages"):
        open_cube(path)
