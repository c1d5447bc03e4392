# SPDX-License-Identifier: MIT
"""The melanoma phantom: spectra, recoverable truth, the right bands, look-alikes, determinism."""

import time

import numpy as np
import pytest

from microtome.config.phantoms.cubes import CubePhantomData
from microtome.cubes.band_selection import best_window, mutual_information, principal_component
from microtome.cubes.calibration import calibrate
from microtome.phantoms import sheet_rows
from microtome.phantoms.cubes import camera
from microtome.phantoms.cubes.sheet import cube_scenes
from microtome.phantoms.cubes.simulation import (
    MARGIN,
    files,
    grown,
    picture,
    references,
    session,
    simulate,
    truth,
)
from microtome.phantoms.cubes.spectra import (
    ABSORBERS,
    BANDS,
    EOSIN,
    EUMELANIN,
    HAEMATOXYLIN,
    INFORMATIVE,
    PHEOMELANIN,
    VISIBLE,
    WAVELENGTHS,
    absorbances,
    clear_field,
    colour_weights,
)
from microtome.phantoms.cubes.tissue import DERMIS, EPIDERMIS, METAMER, NAEVUS, TUMOUR

SIZE = 64
FRINGED = WAVELENGTHS > camera.FRINGE_FROM


def of(**options):
    settings = CubePhantomData(**{"size": SIZE, "seed": 3, "images": {"train": 2}, **options})
    return settings, cube_scenes(settings)


@pytest.fixture(scope="module")
def one():
    settings, (scene, _) = of()
    return simulate(settings, scene), *references(settings, scene), truth(settings, scene)


def test_wavelengths_are_those_of_the_paper():
    assert (len(WAVELENGTHS), WAVELENGTHS[0], WAVELENGTHS[-1]) == (BANDS, 550.0, 992.5)
    assert (WAVELENGTHS[INFORMATIVE[0]], WAVELENGTHS[INFORMATIVE[-1]]) == (670.0, 782.5)


def test_spectra_are_those_of_the_stains():
    fine = np.arange(400.0, 1001.0)
    found = absorbances(fine)
    assert found.min() >= 0
    assert 520 <= fine[found[EOSIN].argmax()] <= 535
    assert 580 <= fine[found[HAEMATOXYLIN].argmax()] <= 620
    assert found[EOSIN][fine > 600].max() < 0.05
    for melanin, power in ((EUMELANIN, -3.33), (PHEOMELANIN, -4.75)):
        slope = np.polyfit(np.log(fine), np.log(found[melanin]), 1)[0]
        assert slope == pytest.approx(power)


def test_the_pigment_of_a_naevus_is_a_metamer_of_eumelanin():
    """The camera of three colours sees them alike, the informative bands do not."""
    mixture = np.zeros(len(ABSORBERS))
    mixture[PHEOMELANIN], mixture[HAEMATOXYLIN] = METAMER
    colours = [
        -np.log(colour_weights() @ np.exp(-spectrum))
        for spectrum in (absorbances(VISIBLE)[EUMELANIN], mixture @ absorbances(VISIBLE))
    ]
    np.testing.assert_allclose(colours[0], colours[1], atol=0.05)
    bands = absorbances(WAVELENGTHS)[:, INFORMATIVE]
    assert (bands[EUMELANIN] - mixture @ bands).min() > 0.1


def test_both_ends_of_the_range_lack_light():
    seen = clear_field(WAVELENGTHS)
    ends = np.delete(seen, INFORMATIVE)
    assert seen[INFORMATIVE].min() > 0.8
    assert ends.max() < 0.1


def test_shapes_types_and_twelve_bits(one):
    raw, dark, blank, known = one
    for cube in (raw, dark, blank):
        assert (cube.shape, cube.dtype) == ((BANDS, SIZE, SIZE), np.uint16)
        assert cube.max() < camera.FULL_SCALE, "nothing is saturated"
    assert blank.max() > 0.75 * camera.FULL_SCALE, "the range is used"
    assert (known.transmittance > 0).all()
    assert known.transmittance.max() <= 1
    assert known.concentrations.min() >= 0
    assert set(np.unique(known.label)) == {0, 255}


def test_the_truth_is_beer_and_lambert_behind_a_lens(one):
    known = one[3]
    density = np.einsum("ahw,ab->bhw", known.concentrations.astype(float), absorbances(WAVELENGTHS))
    sharp = np.exp(-density)
    assert np.corrcoef(sharp.ravel(), known.transmittance.ravel())[0, 1] > 0.98
    np.testing.assert_allclose(sharp.mean((1, 2)), known.transmittance.mean((1, 2)), atol=0.01)


@pytest.mark.parametrize("kind", ["frames", "lines", "averages"])
def test_calibration_recovers_the_truth_within_the_noise(kind):
    settings, (scene, _) = of(references=kind)
    raw, (dark, blank) = simulate(settings, scene), references(settings, scene)
    assert (
        dark.shape
        == {"frames": (BANDS, SIZE, SIZE), "lines": (BANDS, 1, SIZE), "averages": (BANDS, 1, 1)}[kind]
    )
    known = truth(settings, scene)
    sees = np.isfinite(known.noise) & ~FRINGED[:, None, None]
    ratio = (raw - dark.astype(float)) / np.maximum(blank - dark.astype(float), 1)
    score = (ratio - known.transmittance)[sees] / known.noise[sees]
    assert score.std() == pytest.approx(1, abs=0.1)
    assert abs(score.mean()) < 0.1
    found = calibrate(raw, dark, blank)
    inner = np.isfinite(known.noise[INFORMATIVE])
    error = (found.transmittance[INFORMATIVE] - known.transmittance[INFORMATIVE])[inner]
    assert np.sqrt(np.mean(error**2)) < 0.012
    assert (abs(error) < 6 * known.noise[INFORMATIVE][inner]).mean() > 0.999


def test_a_clean_camera_has_neither_fringes_nor_dead_pixels():
    settings, (scene, _) = of(difficulty=0)
    raw, (dark, blank) = simulate(settings, scene), references(settings, scene)
    known = truth(settings, scene)
    assert np.isfinite(known.noise).all()
    score = (raw - dark.astype(float)) / np.maximum(blank - dark.astype(float), 1) - known.transmittance
    score = score / known.noise
    assert np.median(score[:55].std((1, 2))) == pytest.approx(1, abs=0.1)


def test_dead_pixels_are_dead_in_raw_and_blank(monkeypatch):
    monkeypatch.setattr(camera, "DEAD", 0.01)
    settings, (scene, _) = of(size=48)
    dead = session(settings, scene).illumination == 0
    assert 0 < dead.mean() < 0.03
    dark, blank = references(settings, scene)
    assert abs(blank[:, dead].astype(float) - dark[:, dead]).mean() < 2
    found = calibrate(simulate(settings, scene), dark, blank)
    assert found.invalid[INFORMATIVE][:, dead].all()
    off = abs(found.transmittance - truth(settings, scene).transmittance)[INFORMATIVE][:, dead]
    assert np.median(off) < 0.05, "neighbours fill them"


@pytest.mark.parametrize(("seed", "difficulty"), [(0, 1.0), (1, 1.0), (2, 0.0), (3, 2.0)])
def test_mutual_information_finds_the_informative_bands(seed, difficulty):
    settings, scenes = of(seed=seed, difficulty=difficulty, size=96, images={"train": 4})
    curves = {256: [], 64: []}
    for scene in scenes:
        cube = calibrate(simulate(settings, scene), *references(settings, scene)).transmittance
        score = principal_component(cube).score
        for bins, found in curves.items():
            found.append(mutual_information(cube, score, bins))
    for found in curves.values():
        mean = np.mean(found, 0)
        assert best_window(mean, len(INFORMATIVE)) == INFORMATIVE
        assert mean[INFORMATIVE].min() > np.delete(mean, INFORMATIVE).max(), (
            "each band within beats each beyond"
        )


def test_tumour_and_look_alikes():
    """In colour the tumour and the naevus are as dark, in the infrared the tumour is darker."""
    settings, scenes = of(size=96, images={"train": 8})
    darkness, infrared, kinds = [], [], set()
    for scene in scenes:
        tissue, known = grown(settings, scene), truth(settings, scene)
        kind = tissue.kind[MARGIN:-MARGIN, MARGIN:-MARGIN]
        kinds |= set(np.unique(kind))
        np.testing.assert_array_equal(known.label > 0, kind == TUMOUR)
        assert 0.1 < (kind == TUMOUR).mean() < 0.8
        colour = picture(settings, scene).mean(2)
        darkness.append([colour[kind == other].mean() for other in (TUMOUR, NAEVUS)])
        infrared.append([known.transmittance[28][kind == other].mean() for other in (TUMOUR, NAEVUS)])
    assert kinds == {TUMOUR, NAEVUS, EPIDERMIS, DERMIS}
    assert abs(np.subtract(*np.mean(darkness, 0))) < 25
    tumour, naevus = np.mean(infrared, 0)
    assert naevus - tumour > 0.05


def test_difficulty_brings_tumour_without_pigment_and_pigment_without_tumour():
    def shares(difficulty):
        settings, scenes = of(difficulty=difficulty, size=96, images={"train": 6})
        found = [truth(settings, scene) for scene in scenes]
        pigment = np.concatenate([k.concentrations[EUMELANIN].ravel() for k in found]) > 0.3
        tumour = np.concatenate([k.label.ravel() for k in found]) > 0
        return (~pigment[tumour]).mean(), pigment[~tumour].mean()

    missed, false = zip(*(shares(difficulty) for difficulty in (0.0, 1.0, 2.0)), strict=True)
    assert list(missed) == sorted(missed)
    assert list(false) == sorted(false)
    assert false[0] == 0


def test_the_picture_is_registered(one):
    settings, (scene, _) = of()
    colour, known = picture(settings, scene), one[3]
    assert (colour.shape, colour.dtype) == ((SIZE, SIZE, 3), np.uint8)
    red, band = colour[..., 0].astype(float), known.transmittance[6]
    same = np.corrcoef(red.ravel(), band.ravel())[0, 1]
    moved = [np.corrcoef(np.roll(red, 2, axis).ravel(), band.ravel())[0, 1] for axis in (0, 1)]
    assert same > 0.95
    assert same > max(moved)


def test_magnifications_show_cells_of_another_size():
    settings, (low, high) = of(size=128)
    assert (low.magnification, high.magnification) == ("10x", "20x")
    spectra = []
    for scene in (low, high):
        nuclei = truth(settings, scene).concentrations[HAEMATOXYLIN]
        fast = abs(np.diff(nuclei, axis=1)).mean() / nuclei.std()
        spectra.append(fast)
    assert spectra[0] > 1.3 * spectra[1]


def test_equal_settings_give_equal_cubes_and_seeds_and_scenes_differ(one):
    settings, (scene, other) = of()
    np.testing.assert_array_equal(simulate(settings, scene), one[0])
    np.testing.assert_array_equal(references(settings, scene)[1], one[2])
    assert (truth(settings, other).label != one[3].label).any()
    elsewhere = of(seed=4)
    assert (truth(elsewhere[0], elsewhere[1][0]).label != one[3].label).any()


def test_the_global_random_state_plays_no_part():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    settings, (scene, _) = of(size=32)
    simulate(settings, scene)
    picture(settings, scene)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("size", [32, 75])
def test_small_and_odd_sizes(size):
    settings, scenes = of(size=size)
    for scene in scenes:
        assert simulate(settings, scene).shape == (BANDS, size, size)
        assert picture(settings, scene).shape == (size, size, 3)


def test_the_files_are_those_of_the_sheet():
    options = CubePhantomData(size=32, images={"train": 3, "test": 1}, fields=3, transmittance=True)
    found = dict(files(options))
    pairs = [f"{kind}/{n:03d}" for kind in ("cubes", "transmittance") for n in range(4)]
    sessions = ("patient-000-10x", "patient-000-20x", "patient-001-10x")
    pairs += [f"{kind}/{name}" for kind in ("dark", "blank") for name in sessions]
    expected = [f"{pair}.{ending}" for pair in pairs for ending in ("hdr", "img")]
    expected += [f"{kind}/{n:03d}.tif" for kind in ("images", "labels") for n in range(4)]
    assert sorted(found) == sorted([*expected, "truth.json"])
    assert len(found["cubes/000.img"]) == 2 * BANDS * 32**2
    assert [scene["sample"] for scene in found["truth.json"]["scenes"]] == [
        s.sample for s in cube_scenes(options)
    ]
    values = np.frombuffer(found["transmittance/001.img"], "<f4").reshape(BANDS, 32, 32)
    np.testing.assert_array_equal(values, truth(options, cube_scenes(options)[1]).transmittance)


def test_further_scenes_change_no_other():
    few, more = (dict(files(CubePhantomData(size=32, images={"train": 1, "test": n}))) for n in (1, 2))
    for name in set(few) - {"truth.json"}:
        np.testing.assert_array_equal(few[name], more[name])


def test_a_demo_is_quick():
    start = time.process_time()
    options = CubePhantomData(size=128, images={"train": 6, "val": 2, "test": 2})
    for _ in files(options):
        pass
    assert time.process_time() - start < 12, "some 2 s on a free core"


def test_flat_light_favours_no_band():
    """Every band gets as much, and mutual information chooses another window than under the instrument."""
    curves = {}
    for light in ("instrument", "flat"):
        settings, scenes = of(seed=0, size=96, light=light, images={"train": 4})
        found = []
        for scene in scenes:
            cube = calibrate(simulate(settings, scene), *references(settings, scene)).transmittance
            found.append(mutual_information(cube, principal_component(cube).score, 64))
        curves[light] = np.mean(found, 0)
        level = session(settings, scenes[0]).level
        assert (np.ptp(level) == 0) == (light == "flat")
    assert best_window(curves["instrument"], len(INFORMATIVE)) == INFORMATIVE
    chosen = best_window(curves["flat"], len(INFORMATIVE))
    assert chosen.stop <= INFORMATIVE.stop
    assert chosen != INFORMATIVE


def test_light_changes_no_tissue():
    settings, (scene, _) = of()
    flat, _ = of(light="flat")
    one, other = truth(settings, scene), truth(flat, scene)
    np.testing.assert_array_equal(one.label, other.label)
    np.testing.assert_array_equal(one.transmittance, other.transmittance)


def test_pixels_have_the_size_that_is_asked_for():
    """Of 6 and 3 µm, cells are smaller than pixels at 10x, and a field is six times as wide."""
    settings, scenes = of(mpp=(6.0, 3.0), images={"train": 2})
    assert [row["mpp"] for row in sheet_rows(settings)] == [6.0, 3.0]
    usual, _ = of(images={"train": 2})
    for scene in scenes:
        coarse, fine = truth(settings, scene), truth(usual, scene)
        assert 0.1 < (coarse.label > 0).mean() < 0.8
        edges = [abs(np.diff(found.label.astype(int), axis=1)).mean() for found in (coarse, fine)]
        assert edges[0] > 2 * edges[1], "nests are as large in micrometres"
