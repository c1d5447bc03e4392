# SPDX-License-Identifier: MIT
"""Slides that are damaged, of other pixels or sizes, or none at all."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from pytest import approx, fixture, mark, raises

from microtome.io import images, slides
from microtome.io.errors import ImageError
from tests.slides.oracle import area_average
from tests.slides.written import phantom, write

KINDS = ("tiff", "svs", "scn", "ome")
SMALL = phantom()[0][:512, :768]


@fixture(scope="module", params=KINDS)
def sound(request, tmp_path_factory) -> Path:
    """A slide that can be read."""
    return write(request.param, tmp_path_factory.mktemp(request.param), SMALL, 0.5)


@fixture
def slide(sound: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copy(sound, tmp_path))


def largest_tiles(path: Path) -> list[tuple[int, int]]:
    """Where each tile of the finest level lies in the file, and its bytes."""
    with tifffile.TiffFile(path) as file:
        page = max(file.pages, key=lambda page: page.imagewidth)
        return list(zip(page.dataoffsets, page.databytecounts, strict=True))


def patch(path: Path, start: int, content: bytes) -> None:
    """Overwrite some bytes."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


def opened(path: Path, mpp: float = 0.5, **options) -> slides.SlideSource:
    """A slide at a pixel size."""
    return slides.SlideSource(slides.describe(path, mpp=mpp, **options))


def tiff(path: Path, pixels: NDArray, **options) -> Path:
    """A plain tiled TIFF."""
    with tifffile.TiffWriter(path) as file:
        file.write(pixels, tile=(256, 256), metadata=None, **options)
    return path


@mark.parametrize("kept", [0.6, 2000])
def test_a_slide_cut_short_is_damaged(slide: Path, kept: float) -> None:
    content = slide.read_bytes()
    slide.write_bytes(content[: int(len(content) * kept)] if kept < 1 else content[:-2000])
    with raises(ImageError) as caught:
        slides.header(slide)
    assert slide.name in str(caught.value)
    assert "copy it again" in str(caught.value)


@mark.parametrize("damage", ["random", "half"])
def test_a_damaged_tile_is_named_and_its_neighbours_are_read(slide: Path, damage: str) -> None:
    expected = opened(slide).read(0, 256, 256, 256)
    start, count = largest_tiles(slide)[0]
    noise = np.random.default_rng(0).bytes(count)
    patch(slide, start, noise) if damage == "random" else patch(slide, start + count // 2, bytes(count // 2))
    source = opened(slide)
    for _ in range(2):
        with raises(ImageError, match=r"copy it again") as caught:
            source.read(0, 0, 100, 100)
        assert slide.name in str(caught.value)
        assert np.array_equal(source.read(0, 256, 256, 256), expected)


@mark.parametrize(("dtype", "channels"), [("uint16", 3), ("float32", 1), ("float32", 3), ("uint8", 5)])
def test_other_pixels_are_told_by_the_header_and_refused(tmp_path: Path, dtype: str, channels: int) -> None:
    pixels = np.zeros((300, 300, channels), dtype).squeeze()
    path = tiff(tmp_path / "a.tif", pixels, photometric="rgb" if channels == 3 else "minisblack",
                planarconfig="contig" if channels > 1 else None, compression="deflate")  # fmt: skip
    found = slides.header(path)
    assert (found.dtype, found.channels) == (dtype, channels)
    with raises(ImageError, match=f"{channels} channels? of type {dtype}, expected RGB or grey of 8 bits"):
        slides.describe(path, mpp=1.0, slide_mpp=1.0)


def test_sixteen_bits_of_a_picture_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((30, 40), np.uint16)).save(tmp_path / "a.png")
    with raises(ImageError, match="uint16"):
        slides.describe(tmp_path / "a.png", mpp=1.0, slide_mpp=1.0)


@mark.parametrize("kind", ["png", "jpg", "bmp", "strips", "grey.tif", "lzw", "zstd"])
def test_pictures_are_small_slides(tmp_path: Path, kind: str) -> None:
    path, pixels = tmp_path / f"a.{kind.removesuffix('.tif')}", SMALL[:300, :401]
    if kind == "grey.tif":
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
        tifffile.imwrite(path, pixels[..., 0])
    elif kind == "strips":
        tifffile.imwrite(path, pixels, photometric="rgb", rowsperstrip=7)
    elif kind in ("lzw", "zstd"):
        tiff(path, pixels, photometric="rgb", compression=kind)
    else:
        Image.fromarray(pixels).save(path)
    source = opened(path, 2.0, slide_mpp=1.0)
    shown = np.asarray(Image.open(path)) if kind == "jpg" else pixels
    expected = area_average(shown, (2.0, 2.0))
    assert np.abs(np.moveaxis(source.read(0, 0, *source.shape[1:]), 0, -1) - expected).max() <= 0.5
    assert source.shape == (3, 150, 200)


@mark.parametrize("kind", ["png", "tif", "strips.tif"])
def test_what_is_transparent_is_white(tmp_path: Path, kind: str) -> None:
    path, pixels = tmp_path / f"a.{kind}", np.dstack([SMALL[:256, :256], np.full((256, 256), 255, np.uint8)])
    pixels[:64, :64] = 0
    pixels[64:128, :64, 3] = 102
    if kind == "png":
        Image.fromarray(pixels).save(path)
    elif kind == "tif":
        tiff(path, pixels, photometric="rgb", extrasamples=["unassalpha"])
    else:
        tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unassalpha"], rowsperstrip=16)
    found = np.moveaxis(opened(path, 1.0, slide_mpp=1.0).read(0, 0, 256, 256), 0, -1)
    assert (found[:64, :64] == 255).all()
    assert np.array_equal(found[:, 64:], SMALL[:256, 64:256])
    mixed = 0.4 * SMALL[64:128, :64].astype(float) + 0.6 * 255
    assert np.abs(found[64:128, :64] - mixed).max() <= 1


def test_outside_what_was_scanned_a_slide_is_white_and_not_shown(tmp_path: Path) -> None:
    path = write("scn", tmp_path, SMALL, 2.0)
    y, x, height, width = slides.header(path).bounds
    assert (height, width) == SMALL.shape[:2]
    cropped, canvas = opened(path, 2.0), opened(path, 2.0, crop=False)
    assert cropped.shape == (3, height, width)
    assert canvas.shape == (3, *slides.header(path).levels[0])
    assert np.array_equal(canvas.read(y, x, height, width), cropped.read(0, 0, height, width))
    assert (canvas.read(y - 64, x - 64, 64, width) == 255).all()
    with raises(ImageError, match="not inside"):
        cropped.read(-1, 0, 2, 2)


def test_unequal_pixel_sizes_are_rescaled_each(tmp_path: Path) -> None:
    density = (1e4 / 0.5, 1e4 / 0.4)  # of columns and rows
    path = tiff(tmp_path / "a.tif", SMALL, photometric="rgb", resolution=density, resolutionunit="CENTIMETER")
    assert slides.header(path).mpp == approx((0.4, 0.5))
    source = opened(path, 1.0)
    found = np.moveaxis(source.read(0, 0, *source.shape[1:]), 0, -1)
    expected = area_average(SMALL, (2.5, 2.0))
    assert found.shape == expected.shape == (204, 384, 3)
    assert np.abs(found - expected).max() <= 1
    assert source.scale == approx((2.5, 2.0))


@mark.parametrize(("dots", "mpp"), [(72, None), (25_400 / 0.5, 0.5), (2400, None), (2600, 25_400 / 2600)])
def test_the_resolution_of_a_printer_is_no_pixel_size(tmp_path: Path, dots: float, mpp: float | None) -> None:
    options = {"resolution": (dots, dots), "resolutionunit": "INCH"}
    path = tiff(tmp_path / "a.tif", SMALL, photometric="rgb", **options)
    assert slides.header(path).mpp == (mpp and approx((mpp, mpp), rel=1e-3))


def test_a_slide_without_a_pixel_size_asks_for_it(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", SMALL, photometric="rgb")
    with raises(ImageError, match=r"a\.tif: found a slide without a pixel size.*column mpp"):
        slides.describe(path, mpp=1.0)


def test_a_slide_that_is_too_coarse_is_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path / "a.tif", SMALL, photometric="rgb")
    assert opened(path, 0.6, slide_mpp=1.0).shape == (3, 853, 1280)
    with raises(ImageError, match=r"pixels of 1 µm.*expected pixels of at most 0\.8 µm"):
        slides.describe(path, mpp=0.4, slide_mpp=1.0)


def test_a_level_within_the_tolerance_is_read_as_it_is(tmp_path: Path) -> None:
    path = write("tiff", tmp_path, phantom()[0], 0.485)
    near, exact = opened(path, 1.0), opened(path, 1.0, tolerance=0.02)
    assert (near.reference.level, near.mpp) == (1, (0.97, 0.97))
    assert (exact.reference.level, exact.mpp) == (1 if exact.scale[0] > 2 else 0, (1.0, 1.0))
    with tifffile.TiffFile(path) as file:
        assert np.array_equal(near.read(0, 0, *near.shape[1:]), np.moveaxis(file.pages[1].asarray(), -1, 0))


def test_missing_and_empty_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.svs").touch()
    for name, what in {"none.svs": "nothing", "empty.svs": "empty", ".": "without instances"}.items():
        with raises(ImageError, match=what):
            slides.header(tmp_path / name)
    (tmp_path / "text.svs").write_text("no slide")
    with raises(ImageError, match=r"text\.svs"):
        slides.header(tmp_path / "text.svs")


def test_any_instance_or_the_folder_names_a_series_of_dicom(tmp_path: Path) -> None:
    first = write("dicom", tmp_path / "a", phantom()[0], 1.0)
    last = sorted(first.parent.glob("*.dcm"))[-1]
    assert last != first
    found = [slides.header(path) for path in (first, last, first.parent)]
    assert len({(header.levels, header.quickhash, header.size) for header in found}) == 1
    assert slides.data_files(last) == sorted(first.parent.glob("*.dcm"))
    sources = [opened(path, 1.0) for path in (first, last, first.parent)]
    assert len({source.read(0, 0, 300, 300).tobytes() for source in sources}) == 1
    other = write("dicom", tmp_path / "b", phantom()[0], 2.0)
    shutil.copy(other, first.parent / "other.dcm")
    assert first.parent / "other.dcm" not in slides.data_files(first)
    with raises(ImageError, match="2 series of DICOM"):
        slides.header(first.parent)


def test_files_beside_a_slide_belong_to_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a.mrxs", "a/Data0000.dat", "a/Slidedat.ini", "b.vms", "one.jpg", "two.jpg"):
        (tmp_path / name).write_text("x")
    (tmp_path / "b.vms").write_text("[Virtual Microscope Specimen]\nImageFile=one.jpg\nMapFile=gone.jpg\n")
    named = [file.relative_to(tmp_path).as_posix() for file in slides.data_files(tmp_path / "a.mrxs")]
    assert named == ["a.mrxs", "a/Data0000.dat", "a/Slidedat.ini"]
    assert slides.data_files(tmp_path / "b.vms") == [tmp_path / "b.vms", tmp_path / "one.jpg"]


def test_slides_of_openslide_alone_open_as_images(tmp_path: Path) -> None:
    path = write("scn", tmp_path, SMALL, 2.0)
    found, source = images.header(path), images.open_source(path)
    assert (found.channels, found.height, found.width) == source.shape == (3, *SMALL.shape[:2])
    assert (found.format, found.mpp) == ("leica", approx(2.0, rel=1e-3))
    assert np.array_equal(
        images.read(path), np.moveaxis(opened(path, 2.0).read(0, 0, *SMALL.shape[:2]), 0, -1)
    )


def test_a_slide_that_changed_is_not_read(slide: Path, tmp_path: Path) -> None:
    source = opened(slide)
    slide.write_bytes(slide.read_bytes() + b"more")
    with raises(ImageError, match="as its reference says"):
        source.read(0, 0, 10, 10)


@pytest.mark.parametrize(
    "change", [{"level": 9}, {"levels": []}, {"mpp": [0, 1]}, {"bounds": 3}, {"decode": "no"}, {"more": 1}]
)
def test_what_is_no_reference_is_refused(tmp_path: Path, change: dict) -> None:
    path = tiff(tmp_path / "a.tif", SMALL, photometric="rgb")
    slides.describe(path, mpp=1.0, slide_mpp=1.0).write(tmp_path / "a.slide")
    content = json.loads((tmp_path / "a.slide").read_text())
    for text in (json.dumps(content | change), json.dumps(content)[:-30], "[]", ""):
        (tmp_path / "a.slide").write_text(text)
        with raises(ImageError, match=r"a\.slide"):
            images.open_source(tmp_path / "a.slide")
