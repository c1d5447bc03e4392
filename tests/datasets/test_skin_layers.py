# SPDX-License-Identifier: MIT
"""The tiles of `skin_layers`: split by position, listed with checksums, drawn in the colours of classes."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from microtome.class_maps import class_counts
from microtome.datasets.catalogue import load_catalogue
from microtome.datasets.fetch import verify
from microtome.files import mirror_folder
from tests.config.studies import load_study

NAME, SIDE = "skin_pas_layers", 512
SHEET = pd.read_csv("config/samples/skin_layers.tsv", sep="\t")


def test_parts_are_stretches_of_the_section_with_more_than_a_tile_between():
    assert SHEET["part"].value_counts().to_dict() == {"train": 18, "test": 6, "val": 2}
    places = {row.sample: tuple(map(int, re.findall(r"\d+", row.sample))) for row in SHEET.itertuples()}
    parts = SHEET.set_index("sample")["part"]
    for one, other in product(places, places):
        if parts[one] != parts[other]:
            assert abs(places[one][0] - places[other][0]) >= 2 * SIDE, (one, other)
    assert (SHEET.groupby("block")["part"].nunique() == 1).all()


def test_every_file_of_the_sheet_is_in_the_catalogue_and_no_other():
    listed = {file.path for file in load_catalogue(Path("config/datasets.yaml"))[NAME].files}
    assert listed == {*SHEET["image"], *SHEET["label"]}
    for row in SHEET.itertuples():
        assert Path(row.image).stem == Path(row.label).stem == f"RA23-01882-A1-1_{row.sample}"


@pytest.mark.parametrize("scale", ["full", "local", "demo"])
def test_all_networks_learn_five_classes_by_softmax(scale):
    study = load_study("skin_layers", scale)
    outputs = {"unet": "out_channels", "usenet": "out_channels", "dsunet": "classes"}
    assert {run.network.name for run in study.runs.values()} == set(outputs)
    for run in study.runs.values():
        count = getattr(run.network, outputs[run.network.name])
        assert (run.activation, count, run.segment.kind) == ("softmax", 5, "argmax")


@pytest.mark.realdata
def test_the_files_are_those_listed_and_each_part_shows_all_classes():
    mirror = mirror_folder(None)
    if mirror is None:
        pytest.skip("MICROTOME_DATA is not set: the tiles are not at hand")
    folder = mirror / NAME
    assert verify(load_catalogue(Path("config/datasets.yaml"))[NAME], folder) == {}
    study = load_study("skin_layers", "local")
    for _, part in SHEET.groupby("part"):
        counts = sum(_counts(folder / path, study.data) for path in part["label"])
        assert (counts > 0).all(), part
        assert counts.sum() == SIDE**2 * len(part)


def _counts(path, data):
    """Pixels of each class, by its colour."""
    from PIL import Image

    pixels = np.asarray(Image.open(path).convert("RGB"))
    tones = [tuple(bytes.fromhex(data.colors[name].lstrip("#"))) for name in data.classes]
    labels = np.full(pixels.shape[:2], 255, np.uint8)
    for number, tone in enumerate(tones):
        labels[(pixels == tone).all(-1)] = number
    return class_counts(labels, len(tones))
