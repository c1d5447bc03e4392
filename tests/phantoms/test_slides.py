# SPDX-License-Identifier: MIT
"""The slide phantom: truth that fits its pixels, one tissue at every scan, files that OpenSlide reads."""

import json
from collections import Counter

import numpy as np
import openslide
import pytest
import shapely
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from shapely.geometry import shape
from skimage.color import rgb2hed
from skimage.draw import polygon2mask

from microtome.config.phantoms.slides import SlidePhantomData
from microtome.phantoms import sheet_rows
from microtome.phantoms.slides.scanning import scan_tile
from microtome.phantoms.slides.sheet import GROWTHS, Slide, slides
from microtome.phantoms.slides.simulation import files, mount, simulate, writer

SMALL = {"height": 1400, "width": 1900, "sections": 1, "mpp": 1.0}
SIDE = 256
counts = st.integers(0, 9)


def options(**more):
    return SlidePhantomData(**{**SMALL, **more})


def pixels(settings, slide, sections):
    """The whole scan, glass where there is nothing."""
    glass = mount(settings, slide, sections)
    height, width = glass.shape
    image = np.empty((-(-height // SIDE) * SIDE, -(-width // SIDE) * SIDE, 3), np.uint8)
    image[:] = glass.white
    for row, column in np.ndindex(image.shape[0] // SIDE, image.shape[1] // SIDE):
        tile = scan_tile(glass, row, column, SIDE)
        if tile is not None:
            image[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = tile
    return image[:height, :width]


def mask_of(polygons, mpp, size):
    """Pixels whose centres lie in polygons of µm, holes left out."""
    found = np.zeros(size, bool)
    for polygon in polygons:
        rings = [polygon.exterior, *polygon.interiors]
        found ^= np.logical_xor.reduce(
            [polygon2mask(size, np.array(ring.coords)[:, ::-1] / mpp - 0.5) for ring in rings]
        )
    return found


@pytest.fixture(scope="module", params=GROWTHS)
def grown(request):
    settings = options(sections=1, seed=5)
    slide = next(slide for slide in slides(settings) if slide.growth == request.param)
    sections = simulate(settings, slide)
    return settings, slide, sections, pixels(settings, slide, sections)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 4),
    st.fixed_dictionaries({}, optional={"train": counts, "val": counts, "weak": counts, "test": counts}),
)
def test_slides_of_a_patient_are_in_one_part_and_growth_goes_round(patients, given_slides):
    wanted = {part: number for part, number in given_slides.items() if number}
    found = slides(SlidePhantomData(patients=patients, slides=wanted))
    assert [slide.number for slide in found] == list(range(len(found)))
    weak = [slide for slide in found if slide.part == "val" and not slide.annotated]
    assert len(weak) == wanted.get("weak", 0)
    of_part = Counter(slide.part for slide in found)
    assert of_part["val"] == wanted.get("val", 0) + wanted.get("weak", 0)
    assert max(Counter(slide.patient for slide in found).values(), default=0) <= patients
    assert len({(slide.patient, slide.part) for slide in found}) == len({s.patient for s in found})
    for part in of_part:
        types = [slide.growth for slide in found if slide.part == part]
        assert types == [GROWTHS[turn % len(GROWTHS)] for turn in range(len(types))]


def test_rows_name_annotations_of_train_and_val_and_boxes_of_all():
    rows = sheet_rows(SlidePhantomData(slides={"train": 1, "val": 1, "weak": 1, "test": 1}, mpp=0.25))
    assert rows[1] == {
        "sample": "slide-001",
        "image": "slides/001.svs",
        "label": "annotations/001.geojson",
        "unit": "patient-001",
        "group": "nodular",
        "part": "val",
        "mpp": 0.25,
        "sections": "sections/001.geojson",
    }
    assert [row["label"] for row in rows[2:]] == [None, None]
    assert [row["image"][-3:] for row in rows] == ["tif", "svs", "scn", "tif"]


def test_tumour_free_sections_have_look_alikes_or_not():
    holds = {
        (plan.growth != "none", plan.look_alikes)
        for slide in slides(SlidePhantomData(sections=4))
        for plan in slide.sections
    }
    assert holds == {(True, True), (False, True), (False, False)}


def test_sections_need_room():
    with pytest.raises(ValidationError, match="leave 125 x 250"):
        SlidePhantomData(sections=24)


def test_the_truth_lies_in_the_tissue_and_the_tissue_in_its_box(grown):
    _, slide, (section,), image = grown
    tissue = shapely.union_all(section.tissue)
    assert section.label == ("Normal" if slide.growth == "none" else "Tumor")
    assert section.box.contains(tissue)
    assert tissue.covers(shapely.union_all([*section.nests, *section.normal]).buffer(-1.5))
    assert not shapely.union_all(section.nests).buffer(-1).intersects(shapely.union_all(section.normal))
    height, width = image.shape[:2]
    assert shapely.box(0, 0, width, height).contains(section.box)
    inside = mask_of(section.tissue, 1.0, (height, width))
    assert image[inside].mean() < image[~inside].mean() - 30


def test_growth_types_have_their_shapes(grown):
    _, slide, (section,), _ = grown
    if slide.growth == "none":
        assert section.nests == ()
        return
    area = sum(nest.area for nest in section.nests)
    length = sum(nest.length for nest in section.nests)
    thickness = 2 * area / length
    low, high = {"nodular": (35, 200), "sclerodermiform": (5, 25), "superficial": (15, 80)}[slide.growth]
    assert low < thickness < high
    assert 0.002 < area / sum(part.area for part in section.tissue) < 0.35


def test_nests_are_basaloid_and_so_are_look_alikes(grown):
    _, _, (section,), image = grown
    haematoxylin = rgb2hed(image)[..., 0]
    tissue, nests, normal = (
        mask_of(found, 1.0, image.shape[:2]) for found in (section.tissue, section.nests, section.normal)
    )
    dermis = haematoxylin[tissue & ~nests & ~normal].mean()
    for found in (nests, normal):
        if found.any():
            assert haematoxylin[found].mean() > dermis + 0.01
    assert normal.any()


def test_the_same_tissue_whatever_the_scan():
    """Means of two by two pixels of a scan at 0.5 µm are the scan at 1.0 µm, but for noise."""
    found = []
    for mpp in (0.5, 1.0):
        settings = options(mpp=mpp, seed=2, difficulty=0)
        slide = slides(settings)[1]
        sections = simulate(settings, slide)
        found.append((pixels(settings, slide, sections), sections))
    (fine, first), (coarse, second) = found
    assert [nest.wkt for nest in first[0].nests] == [nest.wkt for nest in second[0].nests]
    height, width = (min(a // 2, b) for a, b in zip(fine.shape[:2], coarse.shape[:2], strict=True))
    means = fine[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean((1, 3))
    apart = np.abs(means - coarse[:height, :width])
    assert apart.mean() < 1.5
    assert np.quantile(apart, 0.99) < 25


@pytest.mark.parametrize("kind", ["tiff", "svs", "scn"])
def test_openslide_reads_what_was_scanned(kind, tmp_path):
    settings = options(seed=1, width=3000)
    slide = slides(settings)[0]
    sections = simulate(settings, slide)
    path = tmp_path / f"a.{kind}"
    writer(settings, slide, sections, kind)(path)
    image = pixels(settings, slide, sections)
    with openslide.OpenSlide(path) as found:
        said = dict(found.properties)
        assert said["openslide.vendor"] == {"tiff": "generic-tiff", "svs": "aperio", "scn": "leica"}[kind]
        assert float(said["openslide.mpp-x"]) == pytest.approx(1.0)
        start = tuple(int(said.get(f"openslide.bounds-{axis}", 0)) for axis in "xy")
        read = found.read_region(start, 0, image.shape[1::-1])
        assert found.level_count > 1
        for level in range(1, found.level_count):
            factor = round(found.level_downsamples[level])
            size = tuple(side // factor for side in image.shape[1::-1])
            small = np.array(found.read_region(start, level, size).convert("RGB"), float)
            means = image.reshape(size[1], factor, size[0], factor, 3).mean((1, 3))
            assert np.abs(small - means).mean() < 3
        also = set(found.associated_images)
        dimensions = found.dimensions
    if kind == "scn":
        assert (start, said["openslide.bounds-width"]) == ((4000, 9000), str(image.shape[1]))
        assert dimensions == (26_000, 76_000)
    if kind == "svs":
        assert "thumbnail" in also
        assert said["openslide.objective-power"] == "10"
    assert np.array(read)[..., 3].min() == 255
    assert np.abs(np.array(read.convert("RGB"), float) - image).mean() < 4


def test_colours_of_glass_are_kept(tmp_path):
    """JPEG in YCbCr, said to be RGB, would turn the colours."""
    settings = options(seed=1)
    slide = slides(settings)[0]
    writer(settings, slide, simulate(settings, slide), "tiff")(tmp_path / "a.tif")
    corner = tifffile.imread(tmp_path / "a.tif", key=0)[:40, :40]
    assert np.abs(corner.astype(float) - mount(settings, slide, ()).white).max() <= 2


def test_annotations_are_partial_but_for_nests_and_in_pixels():
    settings = options(mpp=0.5, sections=2, width=3000, slides={"train": 1, "weak": 1})
    found = {name: content for name, content in files(settings) if isinstance(content, dict)}
    assert sorted(found) == [
        "annotations/000.geojson",
        "sections/000.geojson",
        "sections/001.geojson",
        "truth.json",
    ]
    sections = simulate(settings, slides(settings)[0])
    features = found["annotations/000.geojson"]["features"]
    of = {
        name: [shape(f["geometry"]) for f in features if f["properties"]["classification"]["name"] == name]
        for name in ("Tumornest", "Stroma", "Normal")
    }
    nests = [nest for section in sections for nest in section.nests]
    assert len(of["Tumornest"]) == len(nests)
    assert of["Tumornest"][0].area == pytest.approx(nests[0].area / 0.25, rel=1e-3)
    assert 0 < len(of["Normal"]) <= sum(len(section.normal) for section in sections)
    labels = [f["properties"]["classification"]["name"] for f in found["sections/000.geojson"]["features"]]
    assert sorted(labels) == sorted(section.label for section in sections)
    truth = found["truth.json"]["slides"][0]["sections"]
    assert [one["label"] for one in truth] == [section.label for section in sections]
    json.dumps(found)


def test_equal_settings_give_equal_slides_and_others_differ():
    one = slides(options())[0]
    first, again = (pixels(options(), one, simulate(options(), one)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = pixels(options(seed=1), one, simulate(options(seed=1), one))
    assert (other != first).any()


def test_further_slides_change_no_other():
    few, more = (slides(options(slides={"train": 1, "test": n})) for n in (1, 2))
    assert few == more[:2]
    assert isinstance(more[2], Slide)


def test_difficulty_makes_look_alikes_more_like_tumour():
    """How far apart the colours of nests and of look-alikes are."""

    def apart(difficulty):
        settings = options(difficulty=difficulty, width=2600, seed=3)
        slide = slides(settings)[0]
        (section,) = simulate(settings, slide)
        image = rgb2hed(pixels(settings, slide, (section,)))[..., 0]
        nests, normal = (mask_of(found, 1.0, image.shape) for found in (section.nests, section.normal))
        return image[nests].mean() - image[normal].mean()

    assert apart(0.0) > 1.3 * apart(1.5)


def test_sections_hold_what_was_planned():
    settings = options(sections=4, width=4200, seed=2)
    for slide in slides(settings)[1:4]:
        for plan, section in zip(slide.sections, simulate(settings, slide), strict=True):
            assert (section.label == "Tumor") == (plan.growth != "none")
            if not plan.look_alikes:
                assert section.normal == ()
            elif plan.growth == "none":
                assert section.normal
