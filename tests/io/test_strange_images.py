# SPDX-License-Identifier: MIT
"""Images of strangers: turned, of unusual depths, with thumbnails before the picture."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from microtome.class_maps import semantic_target
from microtome.config.scoring import Scoring
from microtome.io import images
from microtome.io.images import ImageError
from microtome.io.raster import TURNS
from microtome.objects.labels import load_instances
from microtome.stages.score import read_map
from microtome.stages.targets import rasterize_targets

TO_STORED = {  # what a picture that stands upright looks like in a file of this orientation
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def noise(*shape, dtype=np.uint8, most=200):
    return np.random.default_rng(0).integers(0, most, shape).astype(dtype)


def grey_png(path, values, bits, *, late=b""):
    """A grey PNG of any depth; `late` is a chunk eXIf behind the pixels."""
    rows = b"".join(np.packbits(_bits(row, bits)).tobytes().join((b"\0", b"")) for row in values)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows))]
    parts += [chunk(b"eXIf", late)] if late else []
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))


def _bits(row, bits):
    return ((row[:, None].astype(int) >> np.arange(bits)[::-1]) & 1).ravel().astype(np.uint8)


# --- orientation


@pytest.mark.parametrize("code", TURNS)
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16), "compression": "zlib"}, {"compression": "zlib"}])
@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_tiffs_stand_upright_whole_and_by_window(code, options, shape, tmp_path):
    upright, path = noise(*shape, dtype=np.uint16), tmp_path / "a.tif"
    stored = np.ascontiguousarray(TO_STORED[code](upright))
    colours = {"photometric": "rgb" if len(shape) == 3 else "minisblack"}
    tifffile.imwrite(path, stored, **colours, **options, extratags=[(274, 3, 1, code, True)])
    np.testing.assert_array_equal(images.read(path), upright)
    source, found = images.open_source(path), images.header(path)
    assert source.shape[1:] == (found.height, found.width) == shape[:2]
    whole = images.as_channels_first(upright)
    for y, x, height, width in ((0, 0, 40, 60), (3, 50, 20, 10), (39, 0, 1, 60), (7, 11, 13, 17)):
        window = source.read(y, x, height, width)
        np.testing.assert_array_equal(window, whole[:, y : y + height, x : x + width])


@pytest.mark.parametrize("code", TURNS)
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "deep.png", "label.png"])
def test_exif_is_heard(code, name, tmp_path):
    upright = noise(40, 60, 3)
    upright[:] = np.where(np.arange(60)[None, :, None] < 20, 10, 200)
    upright[:10] = 90
    upright = upright[..., 0] if name == "label.png" else upright
    exif, path = Image.Exif(), tmp_path / name
    exif[274] = code
    stored = np.ascontiguousarray(TO_STORED[code](upright))
    if name == "deep.png":
        path.write_bytes(imagecodecs.png_encode(stored.astype(np.uint16) * 257))
        content = path.read_bytes()
        data = exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = struct.pack(">I", len(data)) + b"eXIf" + data + struct.pack(">I", zlib.crc32(b"eXIf" + data))
        path.write_bytes(content[:33] + chunk + content[33:])
    else:
        Image.fromarray(stored).save(path, exif=exif, quality=100)
    found, header = images.read(path).astype(int), images.header(path)
    assert found.shape[:2] == (header.height, header.width) == (40, 60)
    expected = upright.astype(int) * (257 if name == "deep.png" else 1)
    assert np.abs(found - expected).mean() < (2 if name == "a.jpg" else 1e-9)
    if name == "label.png":
        np.testing.assert_array_equal(load_instances(path, (40, 60)).labels, upright)


def test_exif_behind_the_pixels_and_damaged_exif(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    values = noise(8, 16, most=4)
    for name, late in (("late", exif.tobytes().removeprefix(b"Exif\0\0")), ("damaged", b"II*\0\xff")):
        grey_png(tmp_path / f"{name}.png", values, 2, late=late)
    np.testing.assert_array_equal(images.read(tmp_path / "late.png"), np.rot90(values, -1) * 85)
    np.testing.assert_array_equal(images.read(tmp_path / "damaged.png"), values * 85)


# --- depth


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("shape", [(32, 48), (32, 48, 3)])
@pytest.mark.parametrize("ending", ["jp2", "j2k"])
def test_jpeg_2000_of_many_bits_is_exact(bits, shape, ending, tmp_path):
    array, path = noise(*shape, dtype=np.uint16, most=2**bits), tmp_path / f"a.{ending}"
    options = {"level": 0, "reversible": True, "codecformat": ending, "bitspersample": bits}
    path.write_bytes(imagecodecs.jpeg2k_encode(array, **options))
    found = images.read(path)
    np.testing.assert_array_equal(found, array)
    assert found.dtype.name == images.header(path).dtype == images.open_source(path).dtype.name == "uint16"


def test_jpeg_2000_that_is_not_read_is_named(tmp_path):
    path, array = tmp_path / "signed.jp2", noise(32, 32, dtype=np.int16)
    path.write_bytes(imagecodecs.jpeg2k_encode(array, level=0, reversible=True, codecformat="jp2"))
    for call in (images.header, images.read):
        with pytest.raises(ImageError, match=r"signed\.jp2: found JPEG 2000 with signed values"):
            call(path)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("kind", ["png", "tif"])
def test_grey_of_few_bits(bits, kind, tmp_path):
    values, path, step = noise(16, 24, most=2**bits), tmp_path / f"a.{kind}", 255 // (2**bits - 1)
    if kind == "png":
        grey_png(path, values, bits)
    elif bits == 1:
        tifffile.imwrite(path, values.astype(bool), photometric="minisblack")
    else:
        pytest.skip("tifffile writes no such files")
    np.testing.assert_array_equal(images.read(path), values * step)
    assert (images.header(path).dtype, images.header(path).step) == ("uint8", step)
    read = images.read(path, palette="index")
    stored = {f"c{v}": v for v in range(2**bits)}
    spread = {f"c{v}": v * step for v in range(2**bits)}
    for classes in (stored, spread):
        np.testing.assert_array_equal(semantic_target(read, classes, step=step), values)
    np.testing.assert_array_equal(semantic_target(read, stored, ignore=[255], step=step), values)
    with pytest.raises(ValueError, match=r"as stored, or .* as viewers show it"):
        semantic_target(read, {f"c{v}": v for v in {*stored.values(), *spread.values()}}, step=step)
    with pytest.raises(ValueError, match=f"holds the value {2**bits - 1} "):
        semantic_target(read, dict(list(stored.items())[:-1]), step=step)
    if bits > 1:
        np.testing.assert_array_equal(load_instances(path, (16, 24)).labels, values)


@pytest.mark.parametrize("bits", [2, 4])
def test_maps_of_few_bits_are_scored_and_say_the_classes_of_objects(bits, tmp_path):
    values, classes = np.zeros((16, 24), np.uint8), {"rest": 0, "one": 1, "two": 2}
    values[:4, :4], values[8:, 8:] = 1, 2
    grey_png(tmp_path / "types.png", values, bits)
    scoring = Scoring(classes=classes)
    np.testing.assert_array_equal(read_map(tmp_path / "types.png", None, scoring, is_truth=True)[0], values)
    Image.fromarray(values * 10).save(tmp_path / "label.png")
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(tmp_path / "i.png")
    row = {"sample": "s", "image": "i.png", "label": "label.png", "types": "types.png", "page": 0, "mpp": 1}
    targets = {"kind": "instances", "classes": list(classes.items()), "gap": 1}
    targets |= {"marker_element": "disk", "centre_radius": 1}
    rasterize_targets([row], tmp_path, tmp_path / "out", targets=targets)
    np.testing.assert_array_equal(images.read(tmp_path / "out/s.tif"), values)


def test_bitmaps_of_one_bit(tmp_path):
    values, path = noise(16, 24, most=2), tmp_path / "a.bmp"
    Image.fromarray(values.astype(bool)).save(path)
    read, step = images.read(path, palette="index"), images.header(path).step
    for classes in ({"rest": 0, "cell": 1}, {"rest": 0, "cell": 255}):
        np.testing.assert_array_equal(semantic_target(read, classes, step=step), values)


def test_luma_and_chroma_are_not_taken_for_colours(tmp_path):
    path, array = tmp_path / "a.tif", noise(16, 24, 3)
    for options in ({}, {"compression": "zlib"}):
        tifffile.imwrite(path, array, photometric="ycbcr", **options)
        with pytest.raises(ImageError, match=r"a\.tif: found YCBCR colours, expected grey or RGB"):
            images.read(path)
    tifffile.imwrite(path, array, photometric="rgb", compression="jpeg2000")
    np.testing.assert_array_equal(images.read(path), array)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tiff.pages[0].tags["Compression"].overwrite(33003)
    with pytest.raises(ImageError, match=r"found YCBCR colours"):
        images.open_source(path)


# --- pages


def mixed(path, *arrays, **options):
    """A file of pages of different sizes, as scanners write it: no description that names axes."""
    with tifffile.TiffWriter(path) as file:
        for array in arrays:
            colours = "rgb" if array.ndim == 3 else "minisblack"
            file.write(array, photometric=colours, metadata=None, **options)


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16), "compression": "zlib"}])
def test_a_thumbnail_before_the_picture_is_not_the_picture(options, tmp_path):
    path, small, macro, large = tmp_path / "a.tif", noise(10, 15, 3), noise(20, 12, 3), noise(40, 60, 3)
    mixed(path, small, macro, large, small + 1, **options)
    np.testing.assert_array_equal(images.read(path), large)
    for page, expected in enumerate((small, macro, large, small + 1)):
        np.testing.assert_array_equal(images.read(path, page=page), expected)
        window = images.open_source(path, page=page).read(0, 0, *expected.shape[:2])
        np.testing.assert_array_equal(np.moveaxis(window, 0, -1), expected)
    found = images.header(path)
    assert (found.height, found.width, found.pages, found.is_stack) == (40, 60, 4, False)
    assert (found.of_page(1).height, found.of_page(1).width) == (20, 12)
    with pytest.raises(ImageError, match="pages 0 to 3, asked for page 4"):
        images.read(path, page=4)


def test_pages_are_the_file_s_also_between_others(tmp_path):
    first, thumbnail, second = noise(40, 60), noise(10, 15), noise(40, 60) + 1
    mixed(tmp_path / "a.tif", first, thumbnail, second)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif", page=2), second)
    assert images.header(tmp_path / "a.tif").is_stack
    tifffile.imwrite(tmp_path / "s.tif", np.stack((first, second)), photometric="minisblack")
    assert images.header(tmp_path / "s.tif").is_stack


def test_images_of_one_ome_file_are_counted_through(tmp_path):
    overview, stack = noise(12, 10), noise(3, 40, 60)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(overview, photometric="minisblack")
        file.write(stack, photometric="minisblack", metadata={"axes": "ZYX"})
    for page, expected in enumerate((overview, *stack)):
        np.testing.assert_array_equal(images.read(tmp_path / "a.ome.tif", page=page), expected)
    np.testing.assert_array_equal(images.read(tmp_path / "a.ome.tif"), stack[0])
    found = images.header(tmp_path / "a.ome.tif")
    assert (found.pages, found.is_stack, found.height) == (4, True, 40)


def test_levels_of_a_pyramid_are_no_stack(tmp_path):
    large = noise(64, 96)
    with tifffile.TiffWriter(tmp_path / "p.tif") as file:
        file.write(large, subifds=1, photometric="minisblack")
        file.write(large[::2, ::2], subfiletype=1, photometric="minisblack")
    mixed(tmp_path / "flat.tif", large, large[::2, ::2], large[::4, ::4], tile=(16, 16))
    for name in ("p.tif", "flat.tif"):
        assert not images.header(tmp_path / name).is_stack
        np.testing.assert_array_equal(images.read(tmp_path / name), large)
    np.testing.assert_array_equal(images.read(tmp_path / "flat.tif", page=1), large[::2, ::2])


def test_object_labels_come_from_their_page(tmp_path):
    labels = np.zeros((3, 16, 16), np.uint16)
    for page in range(3):
        labels[page, page : page + 4, :4] = page + 1
        labels[page, 10:12, page : page + 3] = 9
    tifffile.imwrite(tmp_path / "l.tif", labels, photometric="minisblack")
    for page in range(3):
        found = load_instances(tmp_path / "l.tif", (16, 16), page=page)
        np.testing.assert_array_equal(found.labels, labels[page])


def test_an_ome_tiff_is_described_by_its_picture_not_by_the_macro_before_it(tmp_path):
    path, values = tmp_path / "slide.ome.tif", noise(2, 60, 80)
    with tifffile.TiffWriter(path, ome=True) as file:
        for array, size, names in ((values[:, :9, :12], 8.0, "ab"), (values, 0.5, "cd")):
            about = {"axes": "CYX", "Channel": {"Name": list(names)}}
            about |= {f"PhysicalSize{axis}": size for axis in "XY"}
            file.write(array, photometric="minisblack", metadata=about)
    found = images.header(path)
    assert (found.height, found.width, found.mpp) == (60, 80, 0.5)
    assert images.channel_names(path) == ("c", "d")


def test_a_transparent_colour_of_sixteen_bits_is_no_channel(tmp_path):
    path, values = tmp_path / "deep.png", noise(5, 6, 3, dtype=np.uint16, most=60_000)
    path.write_bytes(imagecodecs.png_encode(values))
    head, body = path.read_bytes()[:33], path.read_bytes()[33:]
    kind, colour = b"tRNS", struct.pack(">HHH", 1, 2, 3)
    chunk = struct.pack(">I", 6) + kind + colour + struct.pack(">I", zlib.crc32(kind + colour))
    path.write_bytes(head + chunk + body)
    assert images.header(path).channels == 3
    np.testing.assert_array_equal(images.read(path), values)


def test_images_of_two_objectives_in_one_file_have_no_pixel_size_in_common(tmp_path):
    for sizes, expected in (((0.25, 0.5), None), ((0.25, 0.25), 0.25)):
        with tifffile.TiffWriter(tmp_path / "two.ome.tif", ome=True) as file:
            for size in sizes:
                about = {"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size}
                file.write(noise(60, 80), photometric="minisblack", metadata=about)
        found = images.header(tmp_path / "two.ome.tif")
        assert (found.is_stack, found.mpp) == (True, expected)
