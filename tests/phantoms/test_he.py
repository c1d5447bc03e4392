# SPDX-License-Identifier: MIT
"""The H&E phantom: truth that fits its pixels, hospitals that differ, likeness to MoNuSeg, determinism."""

import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial import Delaunay

from microtome.config.phantoms.he import HEPhantomData, Organ
from microtome.io import images
from microtome.phantoms.he.sheet import Tile, he_tiles
from microtome.phantoms.he.simulation import files, simulate, sites, touching
from microtome.phantoms.he.staining import hospitals
from microtome.phantoms.he.tissue import ORGANS, SMALLEST

SIZE = 128
REAL = {
    "liver": 26.0,
    "breast": 22.2,
    "colon": 29.1,
    "kidney": 18.9,
    "prostate": 26.5,
    "bladder": 22.5,
    "stomach": 18.5,
}
"""Median diameter (pixels of 0.25 µm) of the whole nuclei of MoNuSeg 2018, mean over its training images; of
kidney the three of clear cells, which the phantom has."""


def tile(number=0, organ="breast", hospital=0):
    return Tile(number, "train", "p", hospital, organ)


def made(number=0, organ="breast", hospital=0, **options):
    settings = HEPhantomData(**{"size": SIZE, "seed": 3, **options})
    return simulate(settings, tile(number, organ, hospital), sites(settings)[hospital])


@pytest.fixture(scope="module")
def one():
    return made()


def test_shapes_and_types(one):
    assert (one.image.shape, one.image.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert (one.labels.shape, one.labels.dtype) == ((SIZE, SIZE), np.int32)
    assert (one.concentrations.shape, one.concentrations.dtype) == ((2, SIZE, SIZE), np.float32)
    assert one.concentrations.min() >= 0


def test_every_organ_of_the_configuration_has_its_tissue():
    assert set(ORGANS) == set(get_args(Organ))


@pytest.mark.parametrize("organ", ORGANS)
def test_nuclei_are_whole_numbered_without_gaps_and_of_their_size(organ):
    labels = made(organ=organ, size=256).labels
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes.min() >= SMALLEST
    border = set(np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])))
    whole = [label for label in range(1, labels.max() + 1) if label not in border]
    assert all(ndimage.label(labels == label)[1] == 1 for label in whole)
    diameters = np.sqrt(4 / np.pi * sizes[np.array(whole) - 1])
    assert np.median(diameters) == pytest.approx(REAL.get(organ, 23), rel=0.25)
    assert 0.08 < (labels > 0).mean() < 0.45


def test_nuclei_hold_the_haematoxylin(one):
    inside = one.labels > 0
    haematoxylin, eosin = one.concentrations
    assert haematoxylin[inside].mean() > 5 * haematoxylin[~inside].mean()
    assert eosin[inside].mean() < eosin[~inside].mean()
    nucleus, rest = one.image[inside].mean(0), one.image[~inside].mean(0)
    assert (nucleus + 20 < rest).all()


def test_a_clean_tile_is_beer_and_lambert_of_its_truth():
    settings = HEPhantomData(size=SIZE, difficulty=0, seed=3)
    (site, *others) = sites(settings)
    assert all(other == site for other in others), "hospitals do not differ"
    found = simulate(settings, tile(), site)
    stains = np.array(site.stain_matrix) * np.array(site.strength)[:, None]
    density = np.einsum("shw,sc->hwc", found.concentrations.astype(float), stains)
    np.testing.assert_allclose(found.image, np.array(site.white) * np.exp(-density), atol=0.51)


def test_stains_are_found_again_in_the_image():
    """Least squares with the true matrix gives the true concentrations, but for lens, noise and JPEG."""
    found, site = made(hospital=2), sites(HEPhantomData(size=SIZE, seed=3))[2]
    density = -np.log(np.maximum(found.image, 1) / np.array(site.white)).reshape(-1, 3)
    stains = np.array(site.stain_matrix) * np.array(site.strength)[:, None]
    recovered = np.linalg.lstsq(stains.T, density.T, rcond=None)[0].reshape(found.concentrations.shape)
    for stain, truth in zip(recovered, found.concentrations, strict=True):
        smooth = [ndimage.uniform_filter(values, 5).ravel() for values in (stain, truth)]
        assert np.corrcoef(*smooth)[0, 1] > 0.95


def test_stain_vectors_are_units_and_apart():
    for site in hospitals(12, 2.0, np.random.default_rng(0)):
        first, second = np.array(site.stain_matrix)
        np.testing.assert_allclose([np.linalg.norm(first), np.linalg.norm(second)], 1)
        assert min(first.min(), second.min()) > 0
        assert 15 < np.degrees(np.arccos(first @ second)) < 35, "as in MoNuSeg: 17 to 30 degrees"
        assert first[0] > second[0], "haematoxylin takes more red light"


def test_no_hospital_is_a_mixture_of_others():
    """What was learnt from the others does not cover the last one."""
    found = hospitals(5, 1.0, np.random.default_rng(1))
    stains = np.array([[h.stain_matrix[0][0], np.log(h.strength[1])] for h in found])
    for out in range(5):
        assert Delaunay(np.delete(stains, out, 0)).find_simplex(stains[out]) == -1
    turned = [np.array(h.stain_matrix[0]) @ found[0].stain_matrix[0] for h in found[1:]]
    assert 5 < np.degrees(np.arccos(min(turned))) < 20


def test_difficulty_makes_nuclei_harder_to_see():
    def separation(difficulty):
        found = [made(number, difficulty=difficulty, organ="liver", hospital=1) for number in range(3)]
        red = np.concatenate([f.image[..., 0].ravel().astype(float) for f in found])
        inside = np.concatenate([f.labels.ravel() > 0 for f in found])
        spread = np.sqrt((red[inside].var() + red[~inside].var()) / 2)
        return (red[~inside].mean() - red[inside].mean()) / spread

    found = [separation(d) for d in (0.0, 1.0, 2.0)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 1.2 * found[-1]


def test_touching_is_set():
    shares = []
    for share in (0.0, 0.3, 0.8):
        labels = [made(number, organ="stomach", size=192, touching=share).labels for number in range(3)]
        shares.append(sum(len(touching(x)) for x in labels) / sum(x.max() for x in labels))
    assert shares == sorted(shares)
    assert shares[0] < 0.3
    assert shares[-1] > 0.6


def test_equal_settings_give_equal_tiles_and_seeds_numbers_and_hospitals_differ(one):
    again = made()
    np.testing.assert_array_equal(one.image, again.image)
    np.testing.assert_array_equal(one.labels, again.labels)
    assert (made(seed=4).labels != one.labels).any()
    assert (made(number=1).labels != one.labels).any()
    elsewhere = made(hospital=1)
    np.testing.assert_array_equal(elsewhere.labels, one.labels)
    assert abs(elsewhere.image.mean((0, 1)) - one.image.mean((0, 1))).max() > 5


def test_the_global_random_state_plays_no_part():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    made(size=64)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("size", [64, 75, 256])
def test_small_and_odd_sizes(size):
    for organ in ("breast", "brain"):
        assert made(organ=organ, size=size).image.shape == (size, size, 3)


def test_the_files_are_those_of_the_sheet():
    settings = HEPhantomData(size=64, images={"train": 2, "test": 1}, hospitals=2)
    plain = dict(files(settings))
    assert sorted(plain) == sorted(
        [f"{kind}/{n:03d}.tif" for kind in ("images", "labels") for n in range(3)] + ["truth.json"]
    )
    assert plain["images/000.tif"].shape == (3, 64, 64)
    assert plain["labels/000.tif"].dtype == np.uint16
    truth = plain["truth.json"]
    assert [t["sample"] for t in truth["tiles"]] == [t.sample for t in he_tiles(settings)]
    assert [t["nuclei"] for t in truth["tiles"]] == [plain[f"labels/{n:03d}.tif"].max() for n in range(3)]
    assert np.array(truth["hospitals"][1]["stain_matrix"]).shape == (2, 3)


def test_concentrations_are_written_where_wanted():
    settings = HEPhantomData(size=64, images={"train": 1}, concentrations=True)
    found = dict(files(settings))
    assert found["concentrations/000.tif"].shape == (2, 64, 64)


def test_further_tiles_change_no_other():
    few, more = (dict(files(HEPhantomData(size=64, images={"train": 1, "test": n}))) for n in (1, 2))
    for name in set(few) - {"truth.json"}:
        np.testing.assert_array_equal(few[name], more[name])


@pytest.mark.realdata
def test_tiles_resemble_monuseg():
    folder = os.environ.get("MICROTOME_DATA")
    if not folder:
        pytest.skip("MICROTOME_DATA is not set: no real images to compare with")
    root = Path(folder) / "monuseg2018/train"
    names = sorted(path.name for path in (root / "images").glob("*.png"))[::3]
    real = [(images.read(root / "images" / n)[:256, :256], images.read(root / "labels" / n)) for n in names]
    settings = HEPhantomData(images={"train": 10}, hospitals=6, organs=get_args(Organ))
    own = [simulate(settings, t, sites(settings)[t.hospital]) for t in he_tiles(settings)]

    def colours(pictures):
        found = np.array([picture.reshape(-1, 3) for picture in pictures], float)
        return found.mean((0, 1)), found.std(1).mean(0), found.mean(1).std(0)

    for ours, theirs, allowed in zip(
        colours([o.image for o in own]), colours([image for image, _ in real]), (25, 15, 15), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=allowed)
    covered = [
        np.mean([(x > 0).mean() for x in labels])
        for labels in ([o.labels for o in own], [x for _, x in real])
    ]
    assert covered[0] == pytest.approx(covered[1], abs=0.1)
