# SPDX-License-Identifier: MIT
"""Reading and writing images, against tifffile, Pillow and NumPy as independent readers."""

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from microtome.io import images
from microtome.io.images import ImageError
from microtome.io.raster import ArraySource, Raster, read_mirrored


def noise(shape, dtype=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)


TIFFS = {
    "tiled": (noise((70, 90)), {"tile": (32, 48), "compression": "zlib"}, lambda a, p: a),
    "strips_lzw_rgb16": (
        noise((70, 90, 3), np.uint16),
        {"rowsperstrip": 7, "compression": "lzw", "photometric": "rgb"},
        lambda a, p: a,
    ),
    "separate_planes": (
        noise((3, 70, 90)),
        {"tile": (32, 32), "photometric": "rgb", "planarconfig": "separate", "compression": "zlib"},
        lambda a, p: np.moveaxis(a, 0, -1),
    ),
    "big_endian_stack": (
        noise((4, 70, 90), np.uint16),
        {"byteorder": ">", "photometric": "minisblack"},
        lambda a, p: a[p],
    ),
    "imagej_stack": (
        noise((4, 70, 90)),
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        lambda a, p: a[p],
    ),
    "imagej_channels": (
        noise((4, 2, 70, 90)),
        {"imagej": True, "metadata": {"axes": "ZCYX"}},
        lambda a, p: np.moveaxis(a[p], 0, -1),
    ),
    "ome_channels_before_depth": (
        noise((2, 4, 70, 90)),
        {"ome": True, "metadata": {"axes": "CZYX"}, "tile": (32, 32), "compression": "zlib"},
        lambda a, p: np.moveaxis(a[:, p], 0, -1),
    ),
    "sixteen_bands": (
        noise((70, 90, 16), np.float32),
        {"photometric": "minisblack", "planarconfig": "contig", "tile": (32, 32)},
        lambda a, p: a,
    ),
    "one_bit": (
        noise((70, 90)) > 100,
        {"photometric": "minisblack"},
        lambda a, p: a.astype(np.uint8) * 255,
    ),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_variants_read_whole_and_by_window(name, tmp_path):
    array, options, page_of = TIFFS[name]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, **options)
    found = images.header(path)
    rng = np.random.default_rng(1)
    for page in range(found.pages):
        expected = page_of(array, page)
        whole = images.read(path, page=page)
        np.testing.assert_array_equal(whole, expected)
        assert (found.height, found.width) == whole.shape[:2]
        assert found.dtype == whole.dtype.name
        assert found.channels == (1 if whole.ndim == 2 else whole.shape[2])
        source = images.open_source(path, page=page, cache_bytes=3 * 32 * 48)
        first = images.as_channels_first(expected)
        assert isinstance(source, Raster)
        assert source.shape == first.shape
        assert source.dtype == first.dtype
        for _ in range(15):
            y, x = rng.integers(0, 70), rng.integers(0, 90)
            height, width = rng.integers(1, 71 - y), rng.integers(1, 91 - x)
            window = source.read(y, x, height, width)
            np.testing.assert_array_equal(window, first[:, y : y + height, x : x + width])


def test_page_out_of_range_names_the_pages(tmp_path):
    tifffile.imwrite(tmp_path / "s.tif", noise((3, 40, 40)), photometric="minisblack")
    Image.fromarray(noise((40, 40))).save(tmp_path / "s.png")
    with pytest.raises(ImageError, match="pages 0 to 2, asked for page 3"):
        images.read(tmp_path / "s.tif", page=3)
    with pytest.raises(ImageError, match=r"one page, asked for page 1"):
        images.read(tmp_path / "s.png", page=1)


def test_a_window_decodes_only_the_tiles_it_touches_and_remembers_them(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    images.write(path, noise((256, 256)), tile=64)
    source = images.open_source(path)
    decoded = []
    decode = source._decode
    monkeypatch.setattr(
        source, "_decode", lambda data, index, **k: (decoded.append(index), decode(data, index, **k))[1]
    )
    source.read(10, 10, 20, 20)
    assert decoded == [0]
    source.read(60, 60, 10, 10)
    assert sorted(decoded) == [0, 1, 4, 5]


def test_the_cache_stays_within_its_bound(tmp_path):
    path = tmp_path / "a.tif"
    images.write(path, noise((512, 512)), tile=64)
    source = images.open_source(path, cache_bytes=4 * 64 * 64)
    for y in range(0, 512, 64):
        source.read(y, 0, 64, 512)
        held = sum(entry[0].nbytes for entry in source._cache.values())
        assert held == source._cached <= 4 * 64 * 64


def test_sources_can_be_pickled(tmp_path):
    images.write(tmp_path / "a.tif", noise((90, 70)))
    source = images.open_source(tmp_path / "a.tif")
    copy = pickle.loads(pickle.dumps(source))
    np.testing.assert_array_equal(copy.read(3, 4, 50, 40), source.read(3, 4, 50, 40))


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "1"])
def test_png_modes_are_read_as_stored(mode, tmp_path):
    array = {"L": noise((20, 30)), "RGB": noise((20, 30, 3)), "I;16": noise((20, 30), np.uint16) * 300}.get(
        mode
    )
    if mode == "1":
        array = (noise((20, 30)) > 100).astype(np.uint8) * 255
        Image.fromarray(array).convert("1").save(tmp_path / "a.png")
    else:
        Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), array)
    found = images.header(tmp_path / "a.png")
    assert (found.height, found.width, found.dtype, found.format) == (20, 30, array.dtype.name, "PNG")


def test_sixteen_bit_colour_png_keeps_its_bits(tmp_path):
    import imagecodecs

    array = noise((20, 30, 3), np.uint16) * 300
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(array))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), array)
    assert images.header(tmp_path / "a.png").dtype == "uint16"


def test_alpha_palette_cmyk_need_a_choice(tmp_path):
    rgba = noise((20, 30, 4))
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    tifffile.imwrite(tmp_path / "rgba.tif", rgba, photometric="rgb", extrasamples=["unassalpha"])
    for name in ("rgba.png", "rgba.tif"):
        with pytest.raises(ImageError, match=r"rgba.*alpha.*save the image without alpha"):
            images.read(tmp_path / name)
    grey = Image.fromarray(noise((20, 30)) % 4)
    indexed = grey.copy()
    indexed.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    for name in ("p.png", "p.tif"):
        indexed.save(tmp_path / name)
        with pytest.raises(ImageError, match="found a colour table, expected grey or RGB"):
            images.read(tmp_path / name)
        np.testing.assert_array_equal(images.read(tmp_path / name, palette="index"), np.array(grey))
    Image.new("CMYK", (30, 20)).save(tmp_path / "c.jpg")
    Image.new("CMYK", (30, 20)).save(tmp_path / "c.tif")
    for name in ("c.jpg", "c.tif"):
        with pytest.raises(ImageError, match="convert the file to RGB"):
            images.read(tmp_path / name)
    tifffile.imwrite(tmp_path / "white.tif", noise((20, 30)), photometric="miniswhite")
    with pytest.raises(ImageError, match="white stored as zero"):
        images.read(tmp_path / "white.tif")


def damaged_files(folder):
    """Write files cut at many places, and others that are no images."""
    array = noise((5, 60, 80))
    makers = {
        "png": lambda p: Image.fromarray(noise((200, 200))).save(p),
        "jpg": lambda p: Image.fromarray(noise((200, 200))).save(p),
        "plain.tif": lambda p: tifffile.imwrite(p, array),
        "tiled.tif": lambda p: tifffile.imwrite(p, array, tile=(32, 32), compression="zlib"),
        "ij.tif": lambda p: tifffile.imwrite(p, array, imagej=True, metadata={"axes": "ZYX"}),
        "ours.tif": lambda p: images.write(p, array),
    }
    for name, make in makers.items():
        whole = folder / f"whole.{name}"
        make(whole)
        content = whole.read_bytes()
        for share in (0.001, 0.05, 0.3, 0.6, 0.95):
            cut = folder / f"{share}.{name}"
            cut.write_bytes(content[: max(3, int(len(content) * share))])
            yield cut
    for name, content in (("zero.png", b""), ("text.png", b"no image"), ("text.tif", b"II*\0garbage")):
        (folder / name).write_bytes(content)
        yield folder / name


def test_damaged_files_never_give_pixels(tmp_path):
    for path in damaged_files(tmp_path):
        with pytest.raises(ImageError, match=path.name.replace(".", r"\.")):
            for page in range(images.header(path).pages):
                images.read(path, page=page)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere.png: found nothing"):
        images.header(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="a folder"):
        images.read(tmp_path)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 70), st.integers(5, 70)),
    dtype=st.sampled_from(["uint8", "uint16", "uint32", "int32", "float32", "float64"]),
    compression=st.sampled_from(["zlib", "lzw", "zstd", "none"]),
    tile=st.sampled_from([32, None]),
)
def test_written_arrays_come_back(tmp_path_factory, shape, dtype, compression, tile):
    path = tmp_path_factory.mktemp("w") / "a.tif"
    array = noise(shape, np.dtype(dtype))
    images.write(path, array, mpp=0.25, compression=compression, tile=tile)
    back = images.as_channels_first(images.read(path))
    np.testing.assert_array_equal(back, array)
    assert back.dtype == array.dtype
    found = images.header(path)
    assert (found.format, found.mpp, found.pages) == ("OME-TIFF", 0.25, 1)
    stored = tifffile.imread(path)
    assert np.squeeze(stored).shape in {np.squeeze(array).shape, np.squeeze(np.moveaxis(array, 0, -1)).shape}


def test_writing_is_reproducible_and_atomic(tmp_path):
    array = noise((2, 90, 100), np.float32)
    for name in ("a", "b"):
        images.write(tmp_path / name / "x.tif", array, mpp=0.004, channels=["membrane", "cell"])
    first = (tmp_path / "a/x.tif").read_bytes()
    assert first == (tmp_path / "b/x.tif").read_bytes()
    with pytest.raises(ImageError):
        images.write(tmp_path / "a/x.tif", array.astype(np.int64))
    assert (tmp_path / "a/x.tif").read_bytes() == first
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.tif"]
    with tifffile.TiffFile(tmp_path / "a/x.tif") as tiff:
        assert 'Name="membrane"' in tiff.ome_metadata
        assert 'PhysicalSizeX="0.004"' in tiff.ome_metadata
        assert tiff.pages[0].is_tiled


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError

    monkeypatch.setattr(tifffile.TiffWriter, "write", fail)
    with pytest.raises(OSError):
        images.write(tmp_path / "x.tif", noise((40, 40)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [False, True])
def test_large_images_get_a_pyramid(labels, tmp_path):
    array = np.where(np.indices((4100, 40)).sum(0) % 3, 7, 200).astype(np.uint8)
    images.write(tmp_path / "p.tif", array, mpp=0.5, labels=labels)
    with tifffile.TiffFile(tmp_path / "p.tif") as tiff:
        levels = [level.asarray() for level in tiff.series[0].levels]
    assert [level.shape for level in levels] == [(4100, 40), (2050, 20), (1025, 10), (513, 5)]
    block = array.reshape(2050, 2, 20, 2)
    expected = array[::2, ::2] if labels else np.rint(block.mean((1, 3))).astype(np.uint8)
    np.testing.assert_array_equal(levels[1], expected)
    assert set(np.unique(levels[-1])) <= {7, 200} or not labels
    np.testing.assert_array_equal(images.read(tmp_path / "p.tif"), array)


@pytest.mark.parametrize(
    ("array", "options", "match"),
    [
        (np.zeros((0, 4), np.uint8), {}, "non-empty"),
        (np.zeros((4,), np.uint8), {}, r"shape \(4,\)"),
        (np.zeros((4, 4), bool), {}, "found bool"),
        (np.zeros((40, 50, 3), np.uint8), {}, "as_channels_first"),
        (np.zeros((4, 4), np.uint8), {"mpp": -1.0}, "mpp"),
        (np.zeros((4, 4), np.uint8), {"tile": 100}, "multiple of 16"),
        (np.zeros((4, 4), np.uint8), {"compression": "jpeg"}, "compression"),
        (np.zeros((2, 40, 40), np.uint8), {"channels": ["one"]}, "1 channel names for 2"),
    ],
)
def test_what_cannot_be_written_is_refused(array, options, match, tmp_path):
    with pytest.raises(ImageError, match=match):
        images.write(tmp_path / "x.tif", array, **options)


def test_pixel_size_from_other_tags(tmp_path):
    grey = noise((20, 20))
    tifffile.imwrite(tmp_path / "cm.tif", grey, resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    for dpi in (72, 96, 300, 600, 2400):
        tifffile.imwrite(tmp_path / f"{dpi}.tif", grey, resolution=(dpi, dpi), resolutionunit="INCH")
        assert images.header(tmp_path / f"{dpi}.tif").mpp is None, "a printer's"
    tifffile.imwrite(tmp_path / "118.tif", grey, resolution=(118.11, 118.11), resolutionunit="CENTIMETER")
    assert images.header(tmp_path / "118.tif").mpp is None, "300 dpi in centimetres"
    tifffile.imwrite(tmp_path / "um.tif", grey, imagej=True, resolution=(0.05, 0.05), metadata={"unit": "um"})
    assert images.header(tmp_path / "um.tif").mpp == 20, "a unit of microscopes"
    tifffile.imwrite(tmp_path / "ij.tif", grey, imagej=True, resolution=(250, 250), metadata={"unit": "um"})
    tifffile.imwrite(tmp_path / "svs.tif", grey, description="Aperio x\nAppMag = 20|MPP = 0.499")
    tifffile.imwrite(tmp_path / "odd.tif", grey, resolution=(20_000, 10_000), resolutionunit="CENTIMETER")
    found = {name: images.header(tmp_path / f"{name}.tif").mpp for name in ("cm", "ij", "svs", "odd")}
    assert found == {"cm": 0.5, "ij": 0.004, "svs": 0.499, "odd": None}


@settings(max_examples=80, deadline=None)
@given(
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    corner=st.tuples(st.integers(-25, 25), st.integers(-25, 25)),
    window=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_mirroring_equals_numpy_reflect(size, corner, window):
    array = np.arange(2 * size[0] * size[1]).reshape(2, *size)
    padded, start = array, []
    for axis, length in enumerate(size, start=1):
        before = 60 - 60 % max(2 * length - 2, 1)
        pads = [(before, 60) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(padded, pads, mode="reflect" if length > 1 else "edge")
        start.append(before)
    y, x = corner[0] + start[0], corner[1] + start[1]
    expected = padded[:, y : y + window[0], x : x + window[1]]
    np.testing.assert_array_equal(read_mirrored(ArraySource(array), *corner, *window), expected)


def test_windows_must_be_inside():
    source = ArraySource(noise((10, 12)))
    for window in ((-1, 0, 2, 2), (0, 0, 11, 2), (0, 11, 2, 2), (0, 0, 0, 2)):
        with pytest.raises(ImageError, match="read_mirrored"):
            source.read(*window)
    with pytest.raises(ImageError, match="empty"):
        read_mirrored(source, 0, 0, 0, 4)


def test_a_window_is_a_copy():
    array = noise((10, 12))
    ArraySource(array).read(0, 0, 10, 12)[:] = 0
    assert array.any()


def test_write_png_takes_grey_and_rgb_only(tmp_path):
    rgb = noise((3, 20, 30))
    images.write_png(tmp_path / "a.png", rgb)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.moveaxis(rgb, 0, -1))
    deep = noise((20, 30), np.uint16) * 300
    images.write_png(tmp_path / "b.png", deep)
    np.testing.assert_array_equal(images.read(tmp_path / "b.png"), deep)
    with pytest.raises(ImageError, match="scale the values"):
        images.write_png(tmp_path / "c.png", noise((20, 30), np.float32))


def test_importing_the_door_loads_no_torch():
    code = "import sys, microtome.io.images; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize("entities", [LAUGHS, '<!ENTITY a9 SYSTEM "file:///etc/passwd">'])
def test_ome_xml_with_a_document_type_is_refused(tmp_path, entities):
    xml = f'<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a0 "ha">{entities}]><OME><Image Name="&a9;"/></OME>'
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 9), np.uint8), description=xml, metadata=None)
    for read in (images.header, images.read, images.open_source):
        with pytest.raises(ImageError, match=r"document type \(<!DOCTYPE>\), expected plain OME-XML"):
            read(tmp_path / "x.tif")


def test_ome_xml_cannot_name_other_files(tmp_path):
    """A data set of several files would open any TIFF that its XML names, wherever it lies."""
    (tmp_path / "inside").mkdir()
    secret = np.full((8, 9), 77, np.uint8)
    tifffile.imwrite(tmp_path / "secret.ome.tif", secret, ome=True, metadata={"axes": "YX"})
    with tifffile.TiffFile(tmp_path / "secret.ome.tif") as tiff:
        named = re.search(r'UUID="(urn:uuid:[^"]+)"', tiff.ome_metadata)[1]
    pixels = '<Pixels DimensionOrder="XYCZT" Type="uint8" SizeX="9" SizeY="8" SizeC="1" SizeZ="1" SizeT="2">'
    planes = (
        '<TiffData FirstT="0" IFD="0" PlaneCount="1"><UUID FileName="a.ome.tif">urn:uuid:1</UUID></TiffData>'
        '<TiffData FirstT="1" IFD="0" PlaneCount="1">'
        f'<UUID FileName="../secret.ome.tif">{named}</UUID></TiffData>'
    )
    ome = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1"'
    xml = f'<?xml version="1.0"?><OME {ome}><Image ID="Image:0">{pixels}{planes}</Pixels></Image></OME>'
    path = tmp_path / "inside/a.ome.tif"
    tifffile.imwrite(path, np.zeros((8, 9), np.uint8), description=xml, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        assert (tiff.series[0].asarray() == 77).any(), "the library alone would read it"
    assert images.header(path).pages == 1
    assert not images.read(path).any()
