# SPDX-License-Identifier: MIT
"""Pixel classifiers from folders of images to maps: training pixels, cards, bands of rows."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from microtome import classifiers
from microtome.class_maps import IGNORE
from microtome.io import images
from microtome.io.views import read_map, read_pixels
from microtome.provenance.cards import has_history, read_card
from microtome.stages import classify
from microtome.stages.classify import ClassifierError, classify_batch, fit_classifier

SIZE, BANDS = 24, 5
IDENTITY = {"study": "m", "run": "r", "split": "main", "seed": 0, "scale": "demo", "data_source": "phantom"}
OPTIONS = IDENTITY | {
    "classifier": {"name": "lda", "neighbourhood": 3, "pixels": 100, "shrinkage": "auto"},
    "classes": ["normal", "melanoma"],
    "parts": {"train": ["a", "b"]},
    "view": "bands",
    "activation": "softmax",
    "predict": {},
}


def write_sample(root, name, seed):
    """An image whose spectra tell its left from its right half, and the class map of that."""
    rng = np.random.default_rng(seed)
    label = np.repeat((np.arange(SIZE) >= SIZE // 2)[None], SIZE, 0).astype(np.uint8)
    label[0] = IGNORE
    slope = np.linspace(-0.2, 0.2, BANDS)[:, None, None] * (2.0 * (label == 1) - 1)
    values = (1 + slope + 0.1 * rng.standard_normal((BANDS, SIZE, SIZE))).astype(np.float32)
    images.write(root / f"images/{name}.tif", values, mpp=0.5)
    images.write(root / f"targets/{name}.tif", label, labels=True)


@pytest.fixture
def root(tmp_path):
    for folder in ("images", "targets", "run"):
        (tmp_path / folder).mkdir()
    for seed, name in enumerate("abc"):
        write_sample(tmp_path, name, seed)
    return tmp_path


def fit(root, folder="run", **changes):
    (root / folder).mkdir(exist_ok=True)
    fit_classifier(OPTIONS | changes, [root / "images"], [root / "targets"], root / folder, code="0")
    return root / folder


def classified(root, run, name="maps", **changes):
    classify_batch(OPTIONS | changes, run / "model.safetensors", root / "images", root / name)
    return {path.stem: path for path in (root / name).iterdir()}


def test_maps_tell_the_halves_apart(root):
    maps = classified(root, fit(root))
    assert sorted(maps) == ["a", "b", "c"]
    found = read_map(maps["c"])
    truth = images.read(root / "targets/c.tif")
    assert (found.shape, found.dtype) == ((2, SIZE, SIZE), np.float32)
    assert (found.argmax(0) == truth)[truth != IGNORE].mean() > 0.9
    assert images.channel_names(maps["c"]) == ("normal", "melanoma")
    assert images.header(maps["c"]).mpp == pytest.approx(0.5)


def test_the_classifier_is_fitted_to_labelled_pixels_of_training_alone(root):
    """By hand: all labelled pixels of both images, each once."""
    options = {"classifier": OPTIONS["classifier"] | {"pixels": 10_000}}
    values, labels = [], []
    for name in "ab":
        label = images.read(root / f"targets/{name}.tif")
        described = classifiers.describe(options["classifier"], read_pixels(root / f"images/{name}.tif"))
        values.append(described[:, label != IGNORE].T)
        labels.append(label[label != IGNORE])
    settings = {"classes": 2, "seed": 0}
    joined = np.concatenate(values), np.concatenate(labels).astype(int)
    expected = classifiers.fit(options["classifier"], *joined, **settings)
    run = fit(root, **options)
    found = load_file(run / "model.safetensors")
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-9)
    assert read_card(run / "card.json")["pixels"] == {"normal": 276 * 2, "melanoma": 276 * 2}


def test_nothing_follows_from_what_is_not_trained_on(root):
    before = (fit(root) / "model.safetensors").read_bytes()
    images.write(root / "targets/c.tif", np.zeros((SIZE, SIZE), np.uint8), labels=True)
    assert (fit(root, "again") / "model.safetensors").read_bytes() == before
    images.write(root / "targets/b.tif", np.zeros((SIZE, SIZE), np.uint8), labels=True)
    assert (fit(root, "other") / "model.safetensors").read_bytes() != before


def test_the_seed_draws_the_pixels(root):
    slopes = [load_file(fit(root, f"run-{seed}", seed=seed) / "model.safetensors") for seed in (0, 1)]
    assert not np.array_equal(slopes[0]["slopes"], slopes[1]["slopes"])


def test_the_card_says_what_was_fitted(root):
    run = fit(root)
    card = read_card(run / "card.json")
    assert not has_history(card)
    assert card["classifier"] == card["network"]["name"] == "lda"
    assert card["network"]["options"] == {"neighbourhood": 3, "pixels": 100, "shrinkage": "auto"}
    assert card["network"]["parameters"] == 2 * 3 * BANDS + 2
    assert card["samples"] == {"train": 2}
    assert sum(card["pixels"].values()) == 200
    assert card["digests"]["code"] == "0"
    assert card["channels"] == BANDS
    assert card["seconds"]["train"] > 0
    assert json.loads((run / "card.json").read_text())["view"] == "bands"


@pytest.mark.parametrize("name", ["sam", "lda", "boosted_trees"])
def test_bands_of_rows_make_no_difference(root, name, monkeypatch):
    options = {"classifier": {"name": name, "neighbourhood": 5, "pixels": 50}}
    run = fit(root, **options)
    whole = classified(root, run, **options)
    monkeypatch.setattr(classify, "ROWS", 7)
    assert (fit(root, "again", **options) / "model.safetensors").read_bytes() == (
        run / "model.safetensors"
    ).read_bytes()
    parts = classified(root, run, "parts", **options)
    for sample in whole:
        np.testing.assert_allclose(read_map(parts[sample]), read_map(whole[sample]), atol=1e-6)


def test_maps_may_be_bytes(root):
    maps = classified(root, fit(root), predict={"store": {"dtype": "uint8"}})
    assert images.header(maps["a"]).dtype == "uint8"


def test_what_cannot_be_fitted_or_used_is_said(root):
    with pytest.raises(ClassifierError, match=r"no pixel of nucleus among 200 .*expected some of each"):
        fit(root, classes=["normal", "melanoma", "nucleus"])
    images.write(root / "images/b.tif", np.ones((BANDS, SIZE, SIZE + 1), np.float32))
    with pytest.raises(ClassifierError, match=r"sample b: found an image of 24 x 25 pixels .*24 x 24"):
        fit(root)
    images.write(root / "images/b.tif", np.ones((BANDS + 1, SIZE, SIZE), np.float32))
    with pytest.raises(ClassifierError, match="sample b: found 18 values a pixel, expected 15 as in a"):
        fit(root)
    write_sample(root, "b", 1)
    run = fit(root)
    images.write(root / "images/b.tif", np.ones((BANDS + 1, SIZE, SIZE), np.float32))
    with pytest.raises(ValueError, match="sample b: found 18 values of each pixel, expected 15"):
        classified(root, run)
    (run / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ClassifierError, match=r"cannot be read as safetensors .*fit the run again"):
        classified(root, run)
