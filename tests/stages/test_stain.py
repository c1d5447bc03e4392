# SPDX-License-Identifier: MIT
"""Stain normalization of batches: the target once, each image with its report, images without stains."""

import json
import logging

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from microtome import stain
from microtome.config.stain import StainNormalization
from microtome.io import images
from microtome.stages.stain import fit_stain, normalize_batch
from tests.synthetic_nuclei import nuclei, stained

METHODS = ("spcn", "macenko", "reinhard")
BLANK = np.full((3, 40, 44), 240, np.uint8)


def options(**changes):
    """As `StudyPlan._stain_options` gives them."""
    chosen = {"method": "spcn", "target": "n0", **changes}
    settings = TypeAdapter(StainNormalization).validate_python(chosen)
    return {"method": settings.method, "fallback": settings.fallback, "parameters": settings.parameters}


@pytest.fixture
def batch(tmp_path):
    """Two images of two clinics."""
    for number in (0, 1):
        labels = nuclei(56, seed=number)[: 56 - number]
        images.write(tmp_path / f"images/n{number}.tif", stained(labels, seed=number), mpp=0.25)
    return tmp_path / "images"


def fitted(batch, **changes):
    chosen = options(**changes)
    fit_stain(chosen | {"target": "n0"}, batch, batch.parent / "target.json")
    return chosen, batch.parent / "target.json"


def rgb(path):
    return images.read(path)


@pytest.mark.parametrize("method", METHODS)
def test_the_target_is_the_profile_of_the_image_named(batch, method):
    _, target = fitted(batch, method=method)
    found = json.loads(target.read_text())
    assert set(found) == {"target", "profile"}
    assert found["target"] == "n0"
    chosen = options(method=method)
    expected = stain.fit_target(rgb(batch / "n0.tif"), method, **chosen["parameters"])
    assert stain.profile_from_json(found["profile"]) == expected


def test_options_of_the_study_reach_the_fit(batch):
    _, plain = fitted(batch)
    before = json.loads(plain.read_text())["profile"]["parameters"]
    _, other = fitted(batch, train_lambda=0.2, percentile=90, seed=4)
    after = json.loads(other.read_text())["profile"]["parameters"]
    changed = {name: value for name, value in after.items() if before[name] != value}
    assert changed == {"train_lambda": 0.2, "percentile": 90, "seed": 4}


@pytest.mark.parametrize("method", METHODS)
def test_a_target_outside_the_sheet_and_a_profile_fitted_before_are_the_same(batch, tmp_path, method):
    chosen, target = fitted(batch, method=method)
    fit_stain(chosen | {"target": "n0.tif", "is_profile": False}, batch / "n0.tif", tmp_path / "image.json")
    profile = json.loads(target.read_text())["profile"]
    expected = {"target": "n0.tif", "profile": profile}
    assert json.loads((tmp_path / "image.json").read_text()) == expected
    bare = tmp_path / "bare.json"
    bare.write_text(json.dumps(profile))
    for name in (target, bare):
        again = tmp_path / f"again-{name.name}"
        fit_stain(chosen | {"target": name.name, "is_profile": True}, name, again)
        assert json.loads(again.read_text()) == {"target": name.name, "profile": profile}
    other = chosen | {"target": "x", "is_profile": True, "method": "staintools"}
    with pytest.raises(stain.StainError, match=f"bare.json: found a profile of method '{method}', expected"):
        fit_stain(other, bare, tmp_path / "no.json")


@pytest.mark.parametrize(
    ("method", "changes"),
    [("macenko", {"beta": 0.3, "alpha": 5.0, "percentile": 90.0}), ("reinhard", {"luminosity": 0.7})],
)
def test_options_of_every_method_reach_the_fit(batch, method, changes):
    """They used to be taken from the study file and forgotten."""
    _, target = fitted(batch, method=method, **changes)
    profile = json.loads(target.read_text())["profile"]
    found = profile.get("parameters", profile)
    assert {name: found[name] for name in changes} == changes


@pytest.mark.parametrize(
    ("method", "changes"),
    [
        ("macenko", {"train_lambda": 0.1}),
        ("macenko", {"preset": "authors"}),
        ("reinhard", {"alpha": 1.0}),
        ("staintools", {"luminosity": 0.8}),
        ("spcn", {"beta": 0.1}),
    ],
)
def test_an_option_of_another_method_is_refused(method, changes):
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        options(method=method, **changes)


def test_options_left_out_or_null_have_the_values_of_the_preset():
    found = options(preset="staintools", luminosity=None, encode_lambda=0.5)["parameters"]
    expected = stain.PRESETS["staintools"].model_dump() | {"encode_lambda": 0.5, "preset": "staintools"}
    assert found == expected
    assert options(max_gain=None)["parameters"]["max_gain"] is None


@pytest.mark.parametrize("method", METHODS)
def test_each_image_is_normalized_and_reported(batch, tmp_path, method):
    chosen, target = fitted(batch, method=method)
    normalize_batch(chosen, target, batch, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "n0.json",
        "n0.tif",
        "n1.json",
        "n1.tif",
        "profiles",
    ]
    profile = json.loads(target.read_text())["profile"]
    for name in ("n0", "n1"):
        expected, report = stain.apply(rgb(batch / f"{name}.tif"), profile)
        found = rgb(tmp_path / f"out/{name}.tif")
        assert np.array_equal(found, expected)
        assert found.dtype == np.uint8
        assert images.header(tmp_path / f"out/{name}.tif").mpp == pytest.approx(0.25)
        written = json.loads((tmp_path / f"out/{name}.json").read_text())
        kept = json.loads((tmp_path / f"out/profiles/{name}.json").read_text())
        assert kept == json.loads(json.dumps(report.pop("profile")))
        assert written == json.loads(json.dumps({"sample": name, **report}))
    assert not np.array_equal(rgb(tmp_path / "out/n1.tif"), rgb(batch / "n1.tif"))


def test_an_image_without_stains_takes_those_of_the_target_and_says_so(batch, tmp_path, caplog):
    chosen, target = fitted(batch)
    images.write(batch / "blank.tif", BLANK)
    with caplog.at_level(logging.WARNING, logger="microtome"):
        normalize_batch(chosen, target, batch, tmp_path / "out")
    report = json.loads((tmp_path / "out/blank.json").read_text())
    assert report["fallback"]
    assert f"blank: {report['fallback']}" in caplog.text
    assert np.abs(rgb(tmp_path / "out/blank.tif").astype(int) - 240).max() <= 10, "nearly white as it was"
    assert json.loads((tmp_path / "out/n1.json").read_text())["fallback"] is None


def test_an_image_without_stains_can_stop_the_job(batch, tmp_path):
    chosen, target = fitted(batch, fallback="error")
    images.write(batch / "blank.tif", BLANK)
    with pytest.raises(stain.StainError, match=r"images/blank\.tif: .*set fallback: target in `stains`"):
        normalize_batch(chosen, target, batch, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_target_without_stains_is_refused(batch):
    images.write(batch / "n0.tif", BLANK)
    with pytest.raises(stain.StainError, match=r"n0\.tif: .*; or choose another target in the study"):
        fitted(batch)
    assert not (batch.parent / "target.json").exists()


@pytest.mark.parametrize("array", [np.zeros((20, 20), np.uint8), np.zeros((3, 20, 20), np.uint16)])
def test_images_that_are_not_rgb_are_named(batch, tmp_path, array):
    chosen, target = fitted(batch)
    images.write(batch / "other.tif", array)
    with pytest.raises(ValueError, match=r"other\.tif"):
        normalize_batch(chosen, target, batch, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_target_is_named(batch):
    with pytest.raises(FileNotFoundError, match="no file of sample 'n7'"):
        fit_stain(options() | {"target": "n7"}, batch, batch.parent / "target.json")


@pytest.mark.parametrize("content", ["[]", "{}", '{"profile": 3}', "{", '{"profile": {}, "profile": {}}'])
def test_a_damaged_target_is_refused(batch, tmp_path, content):
    (tmp_path / "target.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"target\.json"):
        normalize_batch({"fallback": "target"}, tmp_path / "target.json", batch, tmp_path / "out")
