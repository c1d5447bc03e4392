# SPDX-License-Identifier: MIT
import json

import numpy as np
import pytest
from skimage.color import rgb2lab

from microtome import stain
from microtome.stain import ColourProfile, StainError, StainProfile, reinhard
from tests.stain.synthetic import BLUER, VECTORS, angles, image

METHODS = ("spcn", "macenko", "reinhard")
REPORT = {
    "method",
    "preset",
    "parameters",
    "source",
    "target",
    "angle_degrees",
    "concentration_p99",
    "gain",
    "tissue_fraction",
    "fallback",
    "profile",
    "warnings",
}
TARGET, SOURCE = image(BLUER, haematoxylin=1.2, seed=3), image(VECTORS, eosin=1.3, seed=4)


def test_names():
    assert stain.METHODS == ("spcn", "macenko", "reinhard", "staintools")
    assert stain.fit(SOURCE) == stain.fit_target(SOURCE)


@pytest.mark.parametrize("method", METHODS)
def test_a_target_survives_as_json(method):
    profile = stain.fit_target(TARGET, method)
    again = stain.profile_from_json(json.loads(json.dumps(profile.as_json(), allow_nan=False)))
    assert again == profile
    assert hash(again) == hash(profile)
    assert type(again) is type(profile)
    assert again != stain.fit_target(SOURCE, method)
    assert again.parameters == profile.parameters


@pytest.mark.parametrize("method", METHODS)
def test_from_profile_or_json_the_result_is_the_same(method):
    profile = stain.fit_target(TARGET, method)
    expected, report = stain.apply(SOURCE, profile)
    found, other = stain.apply(SOURCE, profile.as_json(), method)
    assert np.array_equal(found, expected)
    assert other == report


@pytest.mark.parametrize("method", METHODS)
def test_report_is_plain_and_complete(method):
    _, report = stain.apply(SOURCE, stain.fit_target(TARGET, method))
    assert set(report) == REPORT
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["method"] == method
    assert report["fallback"] is None
    assert report["warnings"] == []


@pytest.mark.parametrize("method", METHODS)
def test_colours_come_closer_to_the_target(method):
    normalized, _ = stain.apply(SOURCE, stain.fit_target(TARGET, method))
    colour = [rgb2lab(rgb)[rgb.mean(axis=2) < 220].mean(axis=0) for rgb in (SOURCE, normalized, TARGET)]
    assert np.linalg.norm(colour[1] - colour[2]) < 0.5 * np.linalg.norm(colour[0] - colour[2])
    assert normalized.dtype == np.uint8
    assert normalized.shape == SOURCE.shape


@pytest.mark.parametrize("method", ["spcn", "macenko"])
def test_numbers_of_the_report(method):
    target = stain.fit_target(TARGET, method)
    normalized, report = stain.apply(SOURCE, target)
    assert angles(np.array(report["source"]["stain_matrix"]), VECTORS).max() < 2
    turned = angles(np.array(report["source"]["stain_matrix"]), target.stain_matrix)
    between = angles(target.stain_matrix[:1], target.stain_matrix[1:])
    degrees = report["angle_degrees"]
    assert [degrees["H"], degrees["E"]] == pytest.approx(turned)
    assert degrees["target_H_E"] == pytest.approx(between[0])
    scale = report["concentration_p99"]
    assert scale["target"] == target.concentration_p99.tolist()
    assert report["gain"] == pytest.approx(np.array(scale["target"]) / scale["before"])
    refitted = stain.concentrations(normalized, target)
    assert scale["after"] == pytest.approx(np.percentile(refitted, 99, axis=(1, 2)), rel=1e-6)
    assert scale["after"] == pytest.approx(scale["target"], rel=0.05)
    assert 0.5 < report["tissue_fraction"] < 1


def test_apply_is_fit_and_normalize():
    target = stain.fit(TARGET)
    expected = stain.normalize(SOURCE, stain.fit(SOURCE), target)
    assert np.array_equal(stain.apply(SOURCE, target)[0], expected)


def test_images_get_the_parameters_of_the_target_unless_told():
    target = stain.fit_target(TARGET, preset="staintools", seed=3)
    _, report = stain.apply(SOURCE, target)
    assert report["preset"] == "staintools"
    assert report["parameters"] == target.parameters
    _, report = stain.apply(SOURCE, target, encode_lambda=0.05)
    assert report["parameters"] == {**target.parameters, "encode_lambda": 0.05}


@pytest.mark.parametrize("vectors", [VECTORS, BLUER])
def test_macenko_finds_known_vectors(vectors):
    profile = stain.fit_macenko(image(vectors, noise=1))
    assert angles(profile.stain_matrix, vectors).max() < 2
    assert np.array_equal(profile.stain_matrix, stain.fit_macenko(image(vectors, noise=1)).stain_matrix)


def test_macenko_takes_its_parameters():
    profile = stain.fit_macenko(SOURCE, alpha=5, beta=0.3)
    assert (profile.parameters["alpha"], profile.parameters["beta"]) == (5, 0.3)
    assert profile.tissue_fraction < stain.fit_macenko(SOURCE).tissue_fraction
    with pytest.raises(StainError, match="alpha: found 60"):
        stain.fit_macenko(SOURCE, alpha=60)


def test_reinhard_matches_mean_and_spread():
    target = stain.fit_target(TARGET, "reinhard")
    lab = rgb2lab(TARGET)
    tissue = np.rint(lab[..., 0] * 2.55) / 255 < 0.9
    assert target.lab_mean == pytest.approx(lab[tissue].mean(axis=0), rel=1e-3)
    assert target.lab_sd == pytest.approx(lab[tissue].std(axis=0), rel=1e-3)
    same, _ = stain.apply(TARGET, target)
    assert np.abs(same.astype(int) - TARGET).max() <= 1
    normalized, _ = stain.apply(SOURCE, target)
    inside = rgb2lab(normalized)[np.rint(rgb2lab(SOURCE)[..., 0] * 2.55) / 255 < 0.9]
    assert inside.mean(axis=0) == pytest.approx(target.lab_mean, abs=2.5)


def test_reinhard_in_blocks_and_out_of_gamut(monkeypatch):
    target, expected = stain.fit_target(TARGET, "reinhard"), None
    for block in (1 << 18, 100):
        monkeypatch.setattr(reinhard, "BLOCK", block)
        normalized, _ = stain.apply(SOURCE, target)
        assert expected is None or np.array_equal(normalized, expected)
        expected = normalized
    vivid = ColourProfile(lab_mean=[60, 90, 110], lab_sd=[30, 60, 90], tissue_fraction=1, luminosity=0.9)
    assert stain.apply(SOURCE, vivid)[0].dtype == np.uint8


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stain.fit_target(TARGET, "vahadane"), "method: found 'vahadane', expected one of spcn"),
        (
            lambda: stain.fit_target(TARGET, "reinhard", alpha=1),
            "unknown parameter alpha, expected some of luminosity",
        ),
        (lambda: stain.fit_target(TARGET, "macenko", preset="authors"), "unknown parameter preset"),
        (lambda: stain.fit_target(TARGET, "reinhard", luminosity=2), "luminosity: found 2"),
        (lambda: stain.apply(SOURCE, stain.fit(TARGET), "macenko"), "macenko, but the target .* by spcn"),
        (lambda: stain.apply(SOURCE, stain.fit(TARGET), lam=1), "unknown parameter lam"),
        (lambda: stain.apply(SOURCE, stain.fit_reinhard(TARGET), lam=1), "unknown parameter lam"),
        (lambda: stain.apply(SOURCE, {"method": "spcn"}), "found format and method"),
        (lambda: stain.apply(SOURCE[..., :2], stain.fit(TARGET)), "found shape"),
    ],
)
def test_bad_calls_are_named(call, message):
    with pytest.raises(StainError, match=message):
        call()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "found format and method"),
        ({"method": "reinhard"}, "lab_mean"),
        ({"stain_matrix": [[1, 2, 3]]}, r"stain_matrix.*shape \(2, 3\)"),
        ({"stain_matrix": [[1, 0, 0], [0, -1, 0]]}, "finite numbers ≥ 0"),
        ({"concentration_p99": [1, float("nan")]}, "concentration_p99"),
        ({"parameters": {"lam": 1}}, "unknown"),
        ({"parameters": {"luminosity": 7}}, "luminosity: found 7"),
    ],
)
def test_damaged_json_is_named(change, message):
    content = {**stain.fit(TARGET).as_json(), **change}
    with pytest.raises(StainError, match=message):
        stain.profile_from_json(content)
    del content["parameters"]
    with pytest.raises(StainError):
        stain.profile_from_json(content)


def test_profiles_cannot_be_changed():
    profile = stain.fit(TARGET)
    with pytest.raises(ValueError, match="read-only"):
        profile.stain_matrix[0, 0] = 1
    given = np.array(VECTORS)
    StainProfile(
        stain_matrix=given,
        concentration_p99=[1, 1],
        concentration_p99_tissue=[1, 1],
        tissue_fraction=1,
        settings=stain.SpcnSettings(),
    )
    given[0, 0] = 0
