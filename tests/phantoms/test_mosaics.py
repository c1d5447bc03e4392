# SPDX-License-Identifier: MIT
"""The mosaic phantom: numbers of pixels that the sheet knows, patterns told by texture, files as exported."""

import gzip
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import io as matlab
from scipy import ndimage
from skimage.measure import label, regionprops
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from microtome.class_maps import IGNORE
from microtome.config.phantoms.mosaics import MosaicPhantomData
from microtome.io import images
from microtome.phantoms import sheet_rows
from microtome.phantoms.mosaics import label_files
from microtome.phantoms.mosaics.cells import cells
from microtome.phantoms.mosaics.layout import ARTEFACTS, NONE, lay_out
from microtome.phantoms.mosaics.microscope import speckle
from microtome.phantoms.mosaics.sheet import CLASSES, UNLABELLED, apportion, mosaics
from microtome.phantoms.mosaics.simulation import clinic_of, files, simulate
from microtome.stages import images as stages_images
from microtome.stages.targets import rasterize_targets

SMALL = {"size": 160, "mosaics": {"train": 4, "val": 2, "test": 4}}
counts = st.integers(0, 9)


def options(**more):
    return MosaicPhantomData(**{**SMALL, **more})


@pytest.fixture(scope="module")
def made():
    """Mosaics of every theme, large enough for regions of every pattern."""
    chosen = MosaicPhantomData(size=384, mosaics={"train": 4}, seed=3)
    return [(mosaic, simulate(chosen, mosaic)) for mosaic in mosaics(chosen)]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.fixed_dictionaries({}, optional={"train": counts, "val": counts, "test": counts}),
)
def test_patients_have_one_part_and_one_clinic_and_clinics_one_continent(of_patient, europe, us, wanted):
    wanted = {part: count for part, count in wanted.items() if count}
    found = mosaics(MosaicPhantomData(of_patient=of_patient, europe=europe, us=us, mosaics=wanted))
    assert [mosaic.number for mosaic in found] == list(range(len(found)))
    assert Counter(mosaic.part for mosaic in found) == wanted
    assert max(Counter(mosaic.patient for mosaic in found).values(), default=0) <= of_patient
    assert len({(m.patient, m.part, m.clinic_name) for m in found}) == len({m.patient for m in found})
    assert {m.region for m in found if m.part == "test"} <= {"us"}
    assert {m.region for m in found if m.part != "test"} <= {"europe"}
    assert len({(m.clinic, m.clinic_name) for m in found}) == len({m.clinic for m in found})


def test_rows_have_what_splits_and_tables_ask_for():
    row = sheet_rows(options())[9]
    pixels = {name: row.pop(f"pixels_{name}") for name in CLASSES}
    assert row == {
        "sample": "mosaic-009",
        "image": "images/009.tif",
        "label": "labels/009.tif",
        "unit": "patient-004",
        "group": "us-2",
        "part": "test",
        "mpp": 2.0,
        "full": "full/009.png",
        "scenario_2": "test",
    }
    assert sum(pixels.values()) / (160 * 140) == pytest.approx(0.58, abs=0.1)
    assert [row["label"][-4:] for row in sheet_rows(options())[:5]] == [
        ".png",
        ".tif",
        "nrrd",
        ".mat",
        ".png",
    ]


def test_shares_of_the_patterns_are_about_those_of_the_paper():
    """Table 1 of Kose et al. 2021: of the labelled pixels, in Europe and in the US; 58 % are labelled."""
    found = mosaics(MosaicPhantomData(size=4096, mosaics={"train": 400, "test": 400}))
    published = {"europe": (17, 19, 20, 5, 28, 10), "us": (13, 18, 17, 5, 40, 7)}
    for region, wanted in published.items():
        labelled = np.sum([mosaic.labelled for mosaic in found if mosaic.region == region], 0)
        np.testing.assert_allclose(100 * labelled / labelled.sum(), wanted, atol=1.5)
    whole = sum(sum(mosaic.pixels) for mosaic in found)
    assert sum(sum(mosaic.labelled) for mosaic in found) / whole == pytest.approx(0.58, abs=0.002)


def test_every_part_of_two_mosaics_has_every_pattern():
    found = mosaics(options(mosaics={"train": 2, "val": 3, "test": 2}))
    for part in ("train", "val", "test"):
        assert np.all(np.sum([mosaic.labelled for mosaic in found if mosaic.part == part], 0) > 100)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=9), st.integers(0, 10**6))
def test_apportioned_numbers_add_up_and_are_next_to_their_shares(weights, total):
    found = apportion(weights, total)
    assert sum(found) == total
    exact = [total * weight / sum(weights) for weight in weights]
    assert all(abs(one - other) < 1 + 1e-6 for one, other in zip(found, exact, strict=True))


@pytest.mark.parametrize("labelled", [0.05, 0.58, 1.0])
def test_files_have_the_pixels_that_the_sheet_says(labelled):
    chosen = options(labelled=labelled, mosaics={"train": 2, "test": 2})
    for mosaic in mosaics(chosen):
        made = simulate(chosen, mosaic)
        assert made.image.shape == made.labels.shape == made.layout.classes.shape == mosaic.shape
        count = np.bincount(made.labels.ravel(), minlength=UNLABELLED + 1)
        assert tuple(count[: len(CLASSES)]) == mosaic.labelled
        assert count.sum() == count[: len(CLASSES)].sum() + count[UNLABELLED]
        assert tuple(np.bincount(made.layout.classes.ravel(), minlength=6)) == mosaic.pixels
        seen = made.labels != UNLABELLED
        np.testing.assert_array_equal(made.labels[seen], made.layout.classes[seen])
        np.testing.assert_array_equal(made.layout.artefacts != NONE, made.layout.classes == 1)
    assert labelled < 1 or mosaic.labelled == mosaic.pixels


def test_regions_are_compact_and_scraps_are_rare(made):
    """Below 0.01 mm² (2,500 pixels of 2 µm) lies next to nothing of the truth."""
    for _, found in made:
        regions = regionprops(label(found.layout.classes + 1, connectivity=2))
        areas = np.array([region.area for region in regions])
        assert areas[areas < 2500].sum() < 0.08 * areas.sum()
        assert (areas >= 2500).sum() < 25


def test_readers_leave_out_what_is_near_other_patterns(made):
    for _, found in made:
        other = ndimage.generic_gradient_magnitude(found.layout.classes.astype(float), ndimage.sobel) > 0
        away = ndimage.distance_transform_edt(~other)
        seen = found.labels != UNLABELLED
        assert away[seen].mean() > 1.4 * away[~seen].mean()
        assert seen[away < 4].mean() < 0.4 < seen.mean()
        regions = regionprops(label(seen))
        assert sum(region.area for region in regions if region.area < 200) < 0.02 * seen.sum()


def test_equal_settings_give_equal_mosaics_and_others_differ():
    chosen = options(mosaics={"train": 1})
    first, again = (simulate(chosen, mosaics(chosen)[0]) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    other = options(mosaics={"train": 1}, seed=1)
    assert (simulate(other, mosaics(other)[0]).image != first.image).mean() > 0.5


def test_further_mosaics_change_no_other():
    few, more = (mosaics(options(mosaics={"train": 2, "test": n})) for n in (1, 3))
    assert few == more[:3]


def test_all_artefacts_occur():
    seen = set()
    for mosaic in mosaics(options(mosaics={"train": 4})):
        artefacts = lay_out(mosaic, 2.0, np.random.default_rng(0)).artefacts
        seen |= set(np.unique(artefacts[artefacts != NONE]))
    assert seen == set(range(len(ARTEFACTS)))


def test_clinics_differ_in_contrast_and_not_at_difficulty_0():
    def spread(difficulty):
        chosen = options(difficulty=difficulty, of_patient=1, mosaics={"train": 2, "test": 4})
        found = [clinic_of(chosen, mosaic) for mosaic in mosaics(chosen)]
        assert len({clinic.name for clinic in found}) == 6
        return np.std([clinic.exposure for clinic in found]), np.std([clinic.gamma for clinic in found])

    assert spread(0.0) == pytest.approx((0, 0), abs=1e-12)
    assert min(spread(1.0)) > 0.03


def test_cells_against_brute_force():
    y, x = np.indices((50, 60), np.float32)
    found = cells(y, x, 9.0, 0.45, np.random.default_rng(2))
    # The points are those of the same draw, listed and searched as a whole.
    from microtome.phantoms.mosaics import cells as module

    rows, columns = 49 / (9.0 * module.ROW_PITCH) + 1, 59 / 9.0 + 1
    points = module._points(int(rows) + 2, int(columns) + 2, 0.45, np.random.default_rng(2))
    places = (points - 1) * np.array([9.0 * module.ROW_PITCH, 9.0])[:, None, None]
    brute = np.sort(np.hypot(y[..., None] - places[0].ravel(), x[..., None] - places[1].ravel()), -1)
    np.testing.assert_allclose(found.nearest, brute[..., 0], atol=1e-3)
    np.testing.assert_allclose(found.second, brute[..., 1], atol=1e-3)


def test_speckle_multiplies_and_keeps_the_mean():
    found = speckle((400, 300), 0.25, 2.0, np.random.default_rng(0))
    assert found.shape == (400, 300)
    assert found.mean() == pytest.approx(1, abs=0.01)
    assert found.std() == pytest.approx(0.25, rel=0.03)
    fine = speckle((400, 300), 0.25, 0.5, np.random.default_rng(0))
    means = fine.reshape(100, 4, 75, 4).mean((1, 3))
    assert 0.12 < means.std() < 0.25, "finer pixels share grains"


def _of_matlab(path):
    volume = matlab.loadmat(path, simplify_cells=True)["scirunnrrd"]
    assert [axis["size"] for axis in volume["axis"]] == [47, 30, 1]
    return volume["data"].T


def test_label_files_as_other_programs_read_them(tmp_path):
    labels = np.random.default_rng(0).integers(0, 8, (30, 47)).astype(np.uint8)
    for suffix in ("png", "tif", "nrrd", "mat"):
        label_files.write(tmp_path / f"a.{suffix}", labels, 0.5)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "a.png")), labels)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), labels)
    np.testing.assert_array_equal(_of_matlab(tmp_path / "a.mat"), labels)
    head, packed = (tmp_path / "a.nrrd").read_bytes().split(b"\n\n", 1)
    assert b"sizes: 47 30 1" in head.splitlines()
    np.testing.assert_array_equal(np.frombuffer(gzip.decompress(packed), np.uint8).reshape(30, 47), labels)
    for suffix in ("png", "tif", "nrrd", "mat"):
        np.testing.assert_array_equal(images.read(tmp_path / f"a.{suffix}"), labels)
    assert label_files.mat(labels, 0.5) == label_files.mat(labels, 0.5)


def test_files_are_those_of_the_sheet(tmp_path):
    chosen = options(mosaics={"train": 1, "test": 3})
    found = dict(files(chosen))
    wanted = {row[key] for row in sheet_rows(chosen) for key in ("image", "label", "full")}
    assert set(found) == wanted | {"truth.json"}
    truth = found["truth.json"]
    assert truth["classes"] == {name: value for value, name in enumerate(CLASSES)}
    assert [mosaic["sample"] for mosaic in truth["mosaics"]] == [row["sample"] for row in sheet_rows(chosen)]
    found["images/000.tif"](tmp_path / "000.tif")
    assert images.header(tmp_path / "000.tif").mpp == pytest.approx(2.0)


def test_the_workflow_reads_every_format(tmp_path):
    """What is simulated becomes targets, complete labels among them, whose pixels the sheet has counted."""
    chosen = options(size=128, mosaics={"train": 4})
    stages_images.simulate(chosen.model_dump(mode="json"), tmp_path / "phantom")
    rows = [{"page": None, **row} for row in sheet_rows(chosen)]
    classes = [[name, value] for value, name in enumerate(CLASSES)]
    targets = {"kind": "semantic", "classes": classes, "ignore": [UNLABELLED]}
    rasterize_targets(rows, tmp_path / "phantom", tmp_path / "targets", targets=targets)
    for mosaic in mosaics(chosen):
        made, name = simulate(chosen, mosaic), f"{mosaic.sample}.tif"
        wanted = np.where(made.labels == UNLABELLED, IGNORE, made.labels)
        np.testing.assert_array_equal(images.read(tmp_path / "targets" / name), wanted)
        np.testing.assert_array_equal(images.read(tmp_path / "targets/full" / name), made.layout.classes)
        np.testing.assert_array_equal(images.read(tmp_path / "phantom" / mosaic.image), made.image)


def light(image):
    """Mean grey values around each pixel."""
    return np.stack([ndimage.gaussian_filter(image, scale) for scale in (2, 8, 20)], -1)


def texture(image):
    """Energy, skewness and direction of details of several sizes, of the image without its light."""
    plain = image / (ndimage.uniform_filter(image, 65) + 8)
    smooth = [ndimage.gaussian_filter(plain, scale) for scale in (0.7, 1.4, 2.8, 5.6, 11)]
    found = []
    for fine, coarse in itertools.pairwise(smooth):
        detail = fine - coarse
        energy = np.sqrt(ndimage.uniform_filter(detail**2, 49).clip(1e-7))
        down, right = np.gradient(coarse)
        yy, xx, xy = (ndimage.uniform_filter(one, 49) for one in (down**2, right**2, down * right))
        found += [
            np.log(energy),
            ndimage.uniform_filter(detail**3, 49) / energy**3,
            np.hypot(yy - xx, 2 * xy) / (yy + xx).clip(1e-7),
        ]
    return np.stack(found, -1)


def test_patterns_are_told_by_texture_and_not_by_light():
    """A linear rule learnt in the clinics of Europe and tried in those of the US."""
    chosen = MosaicPhantomData(size=256, mosaics={"train": 8, "test": 8}, seed=11)
    seen = {(features, part): [] for features in (light, texture) for part in ("train", "test")}
    classes = {"train": [], "test": []}
    for mosaic in mosaics(chosen):
        made = simulate(chosen, mosaic)
        rows = np.flatnonzero(made.labels.ravel() < len(CLASSES))[::23]
        classes[mosaic.part].append(made.labels.ravel()[rows])
        for features in (light, texture):
            found = features(made.image.astype(np.float32)).reshape(made.labels.size, -1)
            seen[features, mosaic.part].append(found[rows])
    recalls = {}
    for features in (light, texture):
        rule = LinearDiscriminantAnalysis(priors=np.full(len(CLASSES), 1 / len(CLASSES)))
        rule.fit(np.concatenate(seen[features, "train"]), np.concatenate(classes["train"]))
        told = rule.predict(np.concatenate(seen[features, "test"]))
        truth = np.concatenate(classes["test"])
        recalls[features] = np.array([(told[truth == k] == k).mean() for k in range(len(CLASSES))])
    assert recalls[light].mean() < 0.4
    assert recalls[texture].mean() > 0.55
    assert np.all(recalls[texture] > 0.3)
