# SPDX-License-Identifier: MIT
"""Annotations of slides on the pixels that networks see, and the windows that hold tissue."""

import json
import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import shapely
import tifffile
from PIL import Image

from microtome.config.modalities.objects import Targets
from microtome.io import images, slides
from microtome.io.annotations import AnnotationError
from microtome.io.failures import Failure
from microtome.io.raster import ArraySource
from microtome.slides.shares import tissue_shares
from microtome.stages.slides.targets import annotate_slides, index_tissue
from tests.io.test_asap import asap, drawn

CLASSES = ["normal", "tumor"]
REGIONS = {"T": ("Tumornest",), "S": ("Stroma",), "N": ("Normal",)}
TARGETS = Targets(features={"names": {"Tumornest": "tumor"}}, outside="normal", regions=REGIONS)
HEIGHT, WIDTH, MPP = 700, 1300, 0.5
SHAPES = {
    "Tumornest": shapely.Point(300, 300).buffer(170).difference(shapely.Point(330, 260).buffer(60)),
    "Stroma": shapely.box(200.3, 100.2, 900.7, 650.1),
    "Normal": shapely.Point(1000, 350).buffer(90, quad_segs=3),
}


@pytest.fixture
def study(tmp_path):
    """The reference of a slide at twice its pixel size, and its annotations."""
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(tmp_path / "a.png")
    slides.describe(tmp_path / "a.png", mpp=1.0, slide_mpp=MPP).write(tmp_path / "images/a.slide")
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(shape),
            "properties": {"objectType": "annotation", "classification": {"name": name}},
        }
        for name, shape in SHAPES.items()
    ]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return tmp_path


def annotate(root, label="a.geojson", **targets):
    known = TARGETS.model_copy(update=targets).used | {
        "classes": [(name, n) for n, name in enumerate(CLASSES)]
    }
    rows = [{"sample": "a", "label": label}, {"sample": "weak", "label": None}]
    annotate_slides({"samples": rows, "targets": known}, root, root / "images", root / "targets")
    return root / "targets"


def inside(shape, scale=2.0):
    """Which pixels have their centre inside, by shapely."""
    y, x = ((np.arange(length // 2) + 0.5) * scale for length in (HEIGHT, WIDTH))
    return shapely.contains_xy(shape, *np.meshgrid(x, y))


def test_classes_and_regions_are_those_of_pixel_centres(study):
    folder = annotate(study)
    classes, regions = (images.read(folder / name) for name in ("a.tif", "regions/a.tif"))
    assert (classes == inside(SHAPES["Tumornest"])).all()
    for bit, name in enumerate(SHAPES):
        assert ((regions >> bit & 1) == inside(SHAPES[name])).all()
    assert ((regions & 0b11) == 0b11).any()  # regions lie over each other
    assert images.header(folder / "a.tif").mpp == 1.0
    with tifffile.TiffFile(folder / "a.tif") as file:
        assert len(file.series[0].levels) > 1
        assert (file.series[0].levels[1].asarray() == classes[::2, ::2]).all()
    assert sorted(path.name for path in folder.iterdir()) == ["a.tif", "regions"]


def test_what_is_outside_may_be_unlabelled_and_regions_may_be_none(study):
    folder = annotate(
        study,
        outside=None,
        regions={},
        features=TARGETS.features.model_copy(update={"skip": ("Stroma", "Normal")}),
    )
    classes = images.read(folder / "a.tif")
    assert (classes == np.where(inside(SHAPES["Tumornest"]), 1, 255)).all()
    assert pd.read_csv(folder / "left_out.tsv", sep="\t")["outlines"].tolist() == [1, 1]
    assert not (folder / "regions").exists()


def test_coordinates_of_asap_start_at_the_canvas(study):
    """QuPath's start at the bounds of the slide, which begin at row 40 and column 60 of its canvas."""
    reference = slides.read_reference(study / "images/a.slide")
    replace(reference, bounds=reference.bounds._replace(y=40, x=60)).write(study / "images/a.slide")
    box = [(60, 40), (160, 40), (160, 240), (60, 240)]
    (study / "a.xml").write_text(asap(drawn(box, PartOfGroup="Tumornest")))
    classes = images.read(annotate(study, "a.xml") / "a.tif")
    assert classes[:100, :50].all() and classes.sum() == 5000


def test_labels_that_are_no_outlines_are_refused_and_nothing_is_left(study):
    with pytest.raises(AnnotationError, match=r"a\.png: found a file '\.png', expected outlines"):
        annotate(study, "a.png")
    names = json.loads((study / "a.geojson").read_text())
    names["features"][0]["properties"]["classification"]["name"] = "Tumour nest"
    (study / "b.geojson").write_text(json.dumps(names))
    with pytest.raises(
        AnnotationError, match=r"'Tumour nest' on 1 outline .names found: Normal, Stroma, Tumour"
    ):
        annotate(study, "b.geojson")
    assert not list(study.glob("*targets*"))


def tissue_of(shape=(44, 82)):
    mask = np.zeros(shape, np.uint8)
    mask[5:40, 10:60] = 1
    mask[20:30, 20:25] = 0
    return mask


def index(root, size=64, stride=50, least=0.3, labelled=0.0):
    patches = {"size": size, "stride": stride, "labelled": labelled}
    options = {"patches": patches, "classes": CLASSES, "regions": list(REGIONS)}
    index_tissue(options | {"least_tissue": least}, root / "targets", root / "tissue", root / "index.parquet")
    return pd.read_parquet(root / "index.parquet")


def test_windows_hold_tissue_and_say_what_they_show(study):
    annotate(study)
    mask = tissue_of()
    images.write(study / "tissue/a.tif", mask, mpp=8.0, labels=True)
    found = index(study)
    maps = {"tumor": inside(SHAPES["Tumornest"])} | {k: inside(SHAPES[v[0]]) for k, v in REGIONS.items()}
    fine = np.kron(mask, np.ones((8, 8)))[: HEIGHT // 2, : WIDTH // 2]  # a pixel is 1 µm
    wanted = []
    for y in [*range(0, 350 - 64, 50), 350 - 64]:
        for x in [*range(0, 650 - 64, 50), 650 - 64]:
            cut = slice(y, y + 64), slice(x, x + 64)
            share = {name: covered[cut].mean() for name, covered in maps.items()} | {
                "tissue": fine[cut].mean()
            }
            wanted += [(y, x, *share.values())] if share["tissue"] >= 0.3 else []
    columns = ["y", "x", "fraction_tumor", "fraction_T", "fraction_S", "fraction_N", "tissue"]
    assert np.allclose(found[columns], wanted)
    assert np.allclose(found["fraction_normal"], 1 - found["fraction_tumor"])
    assert set(found["sample"]) == {"a"} and (found["size"] == 64).all()
    everywhere = index(study, least=0.0)
    assert len(found) < len(everywhere) < 13 * 7 and (everywhere["tissue"] > 0).all()


def test_windows_with_few_labels_are_left_out(study):
    annotate(study)
    images.write(study / "tissue/a.tif", tissue_of(), mpp=8.0, labels=True)
    classes, size = images.read(study / "targets/a.tif"), images.header(study / "targets/a.tif").mpp
    classes[:, 90:400] = 255
    images.write(study / "targets/a.tif", classes, mpp=size, labels=True)
    every, some = (index(study, labelled=share) for share in (0.0, 0.6))
    known = [(classes[r.y : r.y + 64, r.x : r.x + 64] != 255).mean() for r in every.itertuples()]
    assert some.equals(every[np.array(known) >= 0.6].reset_index(drop=True))
    assert 0 < len(some) < len(every)


def test_a_slide_smaller_than_a_window_and_one_that_failed(study):
    annotate(study)
    images.write(study / "tissue/a.tif", tissue_of(), mpp=8.0, labels=True)
    (only,) = index(study, size=2000, least=0.1).itertuples()
    assert (only.y, only.x, only.size) == (0, 0, 2000)
    assert only.tissue == pytest.approx((35 * 50 - 50) * 64 / (350 * 650))
    (study / "tissue/a.tif").unlink()
    Failure("a", "a.png", "no tissue", "a.png", "some", "leave it out").write(study / "tissue")
    assert len(index(study)) == 0


@pytest.mark.parametrize("step", [(0.125, 0.125), (0.31, 0.173), (1.7, 2.2)])
def test_shares_of_tissue_are_areas(step):
    """Against pixels of the mask cut into 40 x 40 pieces."""
    generator = np.random.default_rng(3)
    mask = (generator.random((30, 40)) < 0.4).astype(np.uint8)
    fine = np.kron(mask, np.ones((40, 40)))
    rows = np.sort(generator.uniform(0, 30, 2)) / step[0]
    columns = [tuple(np.sort(generator.uniform(0, 40, 2)) / step[1]) for _ in range(20)]
    found = tissue_shares(ArraySource(mask), tuple(rows), columns, step)
    top, bottom = (round(edge * step[0] * 40) for edge in rows)
    for share, (first, last) in zip(found, columns, strict=True):
        left, right = (round(edge * step[1] * 40) for edge in (first, last))
        if right - left > 40:
            assert share == pytest.approx(fine[top:bottom, left:right].mean(), abs=0.03)


@pytest.mark.parametrize("turns", [1, 6])
def test_memory_does_not_grow_with_the_height_of_a_slide(study, turns):
    """1,000 columns and 4,000 or 24,000 rows, with an outline all around and a hundred inside."""
    rows = 4000 * turns
    reference = slides.read_reference(study / "images/a.slide")
    replace(reference, shape=(rows, 1000), slide_mpp=reference.mpp).write(study / "images/a.slide")
    shapes = [
        shapely.box(0, 0, 1000, rows),
        *(shapely.box(9, y, 99, y + 20) for y in range(0, rows, rows // 99)),
    ]
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(shape),
            "properties": {"classification": {"name": name}},
        }
        for shape, name in zip(shapes, ["Stroma", *["Tumornest"] * 100], strict=True)
    ]
    (study / "a.geojson").write_text(json.dumps(features), encoding="utf-8")
    images.write(study / "tissue/a.tif", np.ones((rows // 8, 125), np.uint8), mpp=8.0, labels=True)
    tracemalloc.start()
    annotate(study)
    _, drawn_peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    found = index(study, size=250, stride=250, least=0.0)
    _, indexed_peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 4 * rows // 250 and (found["fraction_S"] == 1).all()
    assert found["fraction_T"].max() > 0
    assert drawn_peak < 24 * 2**20 and indexed_peak < 12 * 2**20
