# SPDX-License-Identifier: MIT
"""Planes in NRRD and MATLAB files against NumPy and SciPy; what is refused before anything is allocated."""

import gzip
import pickle
import struct
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.io
from pytest import fixture, mark, raises

from microtome.io import images, nrrd_header
from microtome.io.errors import VolumeError
from tests.io.volumes import NRRD_TYPES, mat, nrrd, of_seg3d, write_nrrd

HEIGHT, WIDTH = 37, 53
PLANE = np.random.default_rng(0).integers(0, 7, (HEIGHT, WIDTH)).astype("u2")
WINDOWS = [(0, 0, HEIGHT, WIDTH), (30, 40, 7, 13), (0, 52, 1, 1), (5, 0, 20, 9), (36, 0, 1, WIDTH)]


def write(path, content):
    path.write_bytes(content)
    return path


def check(path, plane=PLANE):
    """The whole, and windows in any order, also of copies and from several threads."""
    found, source = images.header(path), images.open_source(path)
    assert (found.height, found.width, found.channels, found.pages) == (*plane.shape, 1, 1)
    assert found.dtype == source.dtype.name
    np.testing.assert_array_equal(images.read(path), plane)
    for one in (source, pickle.loads(pickle.dumps(source))):
        for y, x, height, width in WINDOWS:
            np.testing.assert_array_equal(
                one.read(y, x, height, width)[0], plane[y : y + height, x : x + width]
            )
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda y: source.read(y, 0, 1, WIDTH)[0, 0], range(HEIGHT)))
    np.testing.assert_array_equal(np.array(rows), plane)


@mark.parametrize("packed", [False, True])
@mark.parametrize("order", ["<", ">"])
@mark.parametrize("dtype", NRRD_TYPES)
def test_an_nrrd_plane_is_read_in_every_type(dtype, order, packed, tmp_path):
    plane = PLANE.astype(dtype) if dtype != "f4" else (PLANE / 4 - 1).astype(dtype)
    check(write_nrrd(tmp_path / "a.nrrd", plane, order=order, packed=packed), plane)


@mark.parametrize("packed", [False, True])
@mark.parametrize("axes", ["{w} {h}", "{w} {h} 1", "1 {w} {h}", "{w} 1 {h} 1"])
def test_an_nrrd_plane_may_have_axes_of_one(axes, packed, tmp_path):
    check(write_nrrd(tmp_path / "a.nrrd", PLANE, axes=axes, packed=packed))


@mark.parametrize("packed", [False, True])
def test_an_nrrd_header_may_name_its_data_file(packed, tmp_path):
    path = write_nrrd(tmp_path / "a.nhdr", PLANE, packed=packed)
    check(path)
    assert nrrd_header.data_file(path) == tmp_path / "a.raw"
    (tmp_path / "below").mkdir()
    (tmp_path / "a.raw").rename(tmp_path / "below/b.raw")
    check(write(path, nrrd(PLANE, packed=packed, data_file="below/b.raw")[0]))


def test_lines_and_bytes_before_the_values_are_passed_over(tmp_path):
    head, values = nrrd(PLANE, line_skip="2", byte_skip="3")
    check(write(tmp_path / "a.nrrd", head + b"one\ntwo\nabc" + values))
    head, values = nrrd(PLANE, byteskip="-1")
    check(write(tmp_path / "b.nrrd", head + b"whatever" + values))


def test_a_gzip_file_may_have_several_members(tmp_path):
    head, _ = nrrd(PLANE, packed=True)
    halves = [gzip.compress(part.tobytes()) for part in (PLANE[:20], PLANE[20:])]
    check(write(tmp_path / "a.nrrd", head + b"".join(halves)))


@mark.parametrize(
    ("fields", "mpp"),
    [
        ({"spacings": "0.5 0.5 1", "units": '"um" "um" "um"'}, 0.5),
        ({"spacings": "0.0005 0.0005 nan", "units": '"mm" "mm" ""'}, 0.5),
        ({"space_directions": "(0,0.3,0.4) (0.5,0,0) none", "space_units": '"microns" "microns"'}, 0.5),
        ({"spacings": "0.5 0.5 1"}, None),
        ({"spacings": "0.5 0.6 1", "units": '"um" "um" "um"'}, None),
        ({"spacings": "1 1 1", "units": '"pixel" "pixel" "pixel"'}, None),
        ({"space_directions": "(a,b) (1,0) (0,1)", "space_units": '"mm" "mm"'}, None),
    ],
)
def test_the_pixel_size_of_an_nrrd_file_has_a_unit(fields, mpp, tmp_path):
    assert images.header(write_nrrd(tmp_path / "a.nrrd", PLANE, **fields)).mpp == mpp


@mark.parametrize("packed", [False, True])
@mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"])
def test_a_matrix_of_matlab_is_read_in_every_type(dtype, packed, tmp_path):
    plane = PLANE.astype(dtype) if dtype[0] != "f" else (PLANE / 4 - 1).astype(dtype)
    path = write(tmp_path / "a.mat", mat({"label": plane}, packed=packed))
    check(path, plane)
    np.testing.assert_array_equal(images.read(path), scipy.io.loadmat(path)["label"])


@mark.parametrize("packed", [False, True])
def test_the_matrix_may_stand_among_other_things(packed, tmp_path):
    others = {"a": 3.0, "text": "normal", "names": np.array(["b", "c"], object), "s": {"data": np.eye(3)}}
    content = others | {"truth": PLANE[:, :, None], "wavelength": np.arange(9.0)}
    check(write(tmp_path / "a.mat", mat(content, packed=packed)))


@mark.parametrize("packed", [False, True])
def test_a_volume_of_seg3d_has_x_first(packed, tmp_path):
    check(write(tmp_path / "a.mat", mat(of_seg3d(PLANE), packed=packed)))
    content = {"scirunnrrd": {"axis": np.eye(2), "note": "x", "data": PLANE.T}}
    check(write(tmp_path / "b.mat", mat(content, packed=packed)))


def test_a_file_of_the_other_byte_order_is_read(tmp_path):
    """By hand, as SciPy writes little-endian alone: flags, sizes, a name of five letters, values."""
    values = PLANE.T.astype(">u2").tobytes()
    values += bytes(-len(values) % 8)
    parts = struct.pack(">IIII", 6, 8, 11, 0) + struct.pack(">IIii", 5, 8, HEIGHT, WIDTH)
    parts += struct.pack(">II8s", 1, 5, b"label") + struct.pack(">II", 4, PLANE.nbytes) + values
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(">H", 0x0100) + b"MI"
    path = write(tmp_path / "a.mat", head + struct.pack(">II", 14, len(parts)) + parts)
    np.testing.assert_array_equal(scipy.io.loadmat(path)["label"], PLANE)
    check(path)


@fixture
def small(tmp_path):
    """At most as much memory as a header needs may be taken."""
    tracemalloc.start()
    yield tmp_path
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


HUGE = "1000000 1000000"
NRRD_FAULTS = {
    "10^12 pixels": ({"sizes": HUGE, "dimension": "2"}, "1000000 x 1000000 pixels, expected 1 to"),
    "10^12 packed": ({"sizes": HUGE, "dimension": "2", "encoding": "gzip"}, "1000000 x 1000000 pixels"),
    "9 x 10^10 pixels": ({"sizes": "300000 300000 1"}, "300000 x 300000 pixels.*copy the file again"),
    "10^14 pixels": (
        {"sizes": "10000000 10000000", "dimension": "2"},
        "expected 1 to 100,000,000,000 of them",
    ),
    "several planes": ({"axes": "{w} {h} 3"}, "a volume of 53 x 37 x 3 values, expected one plane"),
    "channels": ({"axes": "3 {w} {h}"}, "a volume of 3 x 53 x 37 values, expected one plane"),
    "a line": ({"axes": "{w}"}, "a volume of 53 values, expected one plane"),
    "no size": ({"sizes": "53 0 1"}, "sizes '53 0 1', expected 3 whole numbers from 1 on"),
    "negative": ({"sizes": "53 -37 1"}, "sizes '53 -37 1'"),
    "too few sizes": ({"sizes": "53 37"}, "sizes '53 37', expected 3 whole numbers"),
    "many digits": ({"sizes": f"{'9' * 5000} 37 1"}, "expected 3 whole numbers"),
    "blocks": ({"type": "block"}, "values of type 'block'"),
    "hex": ({"encoding": "hex"}, "the encoding 'hex', expected raw or gzip"),
    "no endian": ({"endian": ""}, "no field 'endian'"),
    "middle endian": ({"endian": "middle"}, "endian 'middle', expected little or big"),
    "up": ({"data_file": "../a.raw"}, "'../a.raw', which leads out of its folder"),
    "absolute": ({"data_file": "/etc/passwd"}, "'/etc/passwd', which leads out of its folder"),
    "up and down": ({"data_file": "x/../../y/a.raw"}, "which leads out of its folder"),
    "itself": ({"data_file": "."}, "which leads out of its folder"),
    "nothing there": ({"data_file": "b.raw"}, "'b.raw', which does not exist"),
    "a list": ({"data_file": "LIST"}, "the data files 'LIST', expected one data file"),
    "numbered": ({"data_file": "slice%03d.raw 1 9 1"}, "expected one data file"),
    "many lines": ({"line_skip": "9999999"}, "line skip 9999999, expected at most 1000"),
    "a packed skip": ({"encoding": "gzip", "byte_skip": "4"}, "a skip before compressed values"),
}


@mark.parametrize("name", NRRD_FAULTS)
def test_an_nrrd_file_that_is_no_plane_is_refused_in_one_line(name, small):
    fields, message = NRRD_FAULTS[name]
    path = write_nrrd(small / "a.nrrd", PLANE, **fields)
    for look in (images.header, images.read, images.open_source):
        with raises(VolumeError, match=message) as caught:
            look(path)
        assert "\n" not in str(caught.value)


BROKEN = {
    "cut": (lambda head, values: head + values[:-1], "found a header that announces|values up to line"),
    "no end": (lambda head, values: head[:-1], "no field|announces"),
    "another version": (lambda head, values: b"NRRD0009" + head[8:] + values, "NRRD0001 to NRRD0005"),
    "a line that is none": (lambda head, values: head[:9] + b"whatever\n" + head[9:], "the line 'whatever'"),
    "twice": (lambda head, values: head[:9] + b"sizes: 1 1\n" + head[9:], "a second time"),
}


@mark.parametrize("name", BROKEN)
def test_a_broken_nrrd_file_is_refused(name, small):
    change, message = BROKEN[name]
    with raises(VolumeError, match=message):
        images.header(write(small / "a.nrrd", change(*nrrd(PLANE))))


@mark.parametrize("part", ["cut", "flipped", "longer"])
def test_damaged_compressed_values_are_refused_when_they_are_read(part, small):
    head, values = nrrd(PLANE, packed=True)
    changed = {
        "cut": values[:-9],
        "flipped": values[:-6] + bytes([values[-6] ^ 1]) + values[-5:],
        "longer": gzip.compress(gzip.decompress(values) + b"more"),
    }
    path = write(small / "a.nrrd", head + changed[part])
    with raises(VolumeError, match=r"damaged compressed values|more values than 37 x 53"):
        images.read(path)


def huge_mat(packed, sizes=(10**6, 10**6), count=10**12):
    """A matrix whose tags announce 10^12 pixels, though the file is short."""
    parts = struct.pack("<IIII", 6, 8, 9, 0) + struct.pack("<II", 5, 4 * len(sizes))
    parts += struct.pack(f"<{len(sizes)}i", *sizes) + bytes(4 * (len(sizes) % 2))
    parts += struct.pack("<II8s", 1, 5, b"label") + struct.pack("<II", 2, count % 2**32) + bytes(64)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"
    if packed:
        inner = zlib.compress(struct.pack("<II", 14, len(parts)) + parts)
        return head + struct.pack("<II", 15, len(inner)) + inner
    return head + struct.pack("<II", 14, len(parts)) + parts


MAT_FAULTS = {
    "several planes": (
        mat({"label": np.ones((4, 5, 3))}),
        "a volume of 4 x 5 x 3 values, expected one plane",
    ),
    "two labels": (mat({"a": PLANE, "b": PLANE}), r"2 variables .*a 37 x 53, b 37 x 53.*expected one"),
    "none": (mat({"a": 1.0, "b": "text", "c": np.arange(5)}), r"0 variables with rows and columns \(none\)"),
    "a cell": (mat({"a": np.array([[1, "b"], [2, "c"]], object)}), "0 variables"),
    "complex": (mat({"a": PLANE * 1j}), "0 variables"),
    "10^12 pixels": (huge_mat(packed=False), "damaged MATLAB file.*1000000 x 1000000"),
    "10^12 packed": (huge_mat(packed=True), "damaged MATLAB file.*1000000 x 1000000"),
    "3 x 10^9 pixels": (
        huge_mat(packed=False, sizes=(60000, 50000), count=3 * 10**9),
        "announces 60000 x 50000",
    ),
    "packed": (huge_mat(packed=True, sizes=(60000, 50000), count=3 * 10**9), "announces 60000 x 50000"),
    "7.3": (b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n", "MATLAB 7.3.*save it with save"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(600), "MATLAB 7.3"),
    "4": (struct.pack("<5i", 0, 2, 3, 0, 2) + b"a\0" + bytes(48), "no MATLAB file of version 5 to 7"),
    "cut": (mat({"label": PLANE})[:-8], "announces 37 x 53 pixels"),
    "cut early": (mat({"label": PLANE})[:150], "it ends within a variable"),
    "cut and packed": (mat({"label": PLANE}, packed=True)[:150], "damaged compressed values|no variables"),
    "empty": (b"MATLAB", "no MATLAB file"),
}


@mark.parametrize("name", MAT_FAULTS)
def test_a_matlab_file_that_is_no_plane_is_refused_in_one_line(name, small):
    content, message = MAT_FAULTS[name]
    with raises(VolumeError, match=message) as caught:
        images.header(write(small / "a.mat", content))
    assert "\n" not in str(caught.value)


@mark.parametrize("look", [images.read, images.open_source])
def test_a_volume_has_one_page(look, tmp_path):
    path = write_nrrd(tmp_path / "a.nrrd", PLANE)
    look(path, page=0)
    with raises(images.ImageError, match="asked for page 1"):
        look(path, page=1)
