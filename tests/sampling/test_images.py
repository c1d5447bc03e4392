# SPDX-License-Identifier: MIT
"""Regions and lists of images that are no slides, and what the page for users says of them."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from microtome.config.modalities.objects import Targets
from microtome.config.sampling import Lists
from microtome.io import images
from microtome.stages.patches import extract_patches
from microtome.stages.targets import rasterize_targets
from tests.config.studies import load_study
from tests.workflow.workspace import REPOSITORY

CLASSES = ["background", "tumor"]


def section(page="own-data.md", title="Windows of what is rare"):
    """The first piece of a study in a section of a page."""
    text = (REPOSITORY / "docs/how-to" / page).read_text(encoding="utf-8").split(f"## {title}", 1)[1]
    return yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])


@pytest.fixture
def indexed(tmp_path):
    """Two images of 40 x 60 pixels, one with outlines and one whose label is an image."""
    boxes = {"Nest": (10, 4, 30, 24), "Stroma": (20, 10, 60, 40), "Cyst": (0, 30, 8, 40)}
    features = []
    for name, (left, top, right, bottom) in boxes.items():
        ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append(
            {"type": "Feature", "geometry": geometry, "properties": {"classification": {"name": name}}}
        )
    (tmp_path / "a.geojson").write_text(json.dumps(features), encoding="utf-8")
    for name in ("a.png", "b.png", "b-label.png"):
        Image.fromarray(np.zeros((40, 60), np.uint8)).save(tmp_path / name)
    labels = {"a": "a.geojson", "b": "b-label.png"}
    rows = [
        {"sample": name, "image": f"{name}.png", "label": label, "page": None, "mpp": None}
        for name, label in labels.items()
    ]
    targets = Targets.model_validate(section()["targets"])
    known = targets.used | {"classes": [(name, n) for n, name in enumerate(CLASSES)], "ignore": []}
    rasterize_targets(rows, tmp_path, tmp_path / "targets", targets=known)
    options = {"classes": CLASSES, "size": 20, "stride": 20, "regions": list(targets.regions)}
    extract_patches(tmp_path / "targets", tmp_path / "index.parquet", **options)
    return tmp_path


def test_regions_of_images_are_shares_of_windows(indexed):
    index = pd.read_parquet(indexed / "index.parquet")
    found = index[index["sample"] == "a"].set_index(["y", "x"])
    covered = {"tumor": np.zeros((40, 60)), "S": np.zeros((40, 60)), "L": np.zeros((40, 60))}
    covered["tumor"][4:24, 10:30] = covered["S"][10:40, 20:60] = covered["L"][30:40, 0:8] = 1
    for name, pixels in covered.items():
        for y, x in ((0, 0), (0, 20), (0, 40), (20, 0), (20, 20), (20, 40)):
            assert found.loc[(y, x), f"fraction_{name}"] == pixels[y : y + 20, x : x + 20].mean()
    bits = images.read(indexed / "targets/regions/a.tif")
    assert ((bits & 1) == covered["S"]).all() and ((bits >> 1) == covered["L"]).all()


def test_labels_that_are_images_have_no_regions(indexed):
    index = pd.read_parquet(indexed / "index.parquet")
    others = index[index["sample"] == "b"]
    assert len(others) == 6 and not others[["fraction_S", "fraction_L"]].to_numpy().any()
    assert not (indexed / "targets/regions/b.tif").exists()


def test_the_lists_of_the_page_are_valid():
    study = section()
    lists = Lists.model_validate(study["defaults"]["sampler"])
    fractions = {one.fraction for one in lists.lists.values()}
    assert fractions <= {*study["targets"]["regions"], *study["targets"]["features"]["names"].values()}


def test_the_lists_of_slides_go_with_the_study_of_their_page(tmp_path):
    page = (REPOSITORY / "docs/how-to/slides.md").read_text(encoding="utf-8")
    text = re.search(r"<!-- config/studies/mine.yaml -->\n```yaml\n(.*?)```", page, re.DOTALL)[1]
    study, added = yaml.safe_load(text), section("slides.md", "Choose what training sees")
    study["defaults"] |= added["defaults"]
    study["tables"] |= added["tables"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
    loaded = load_study("mine", "demo", folder=tmp_path)
    assert list(loaded.runs["deep"].sampler.lists) == ["dense", "n", "rest", "s", "t"]
    assert loaded.runs["deep"].sampler.of == 175_771 + 9_537
