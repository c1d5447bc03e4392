# SPDX-License-Identifier: MIT
"""The MoNuSeg 2018 adapter on miniature copies of both layouts, and on the real images if at hand."""

import csv
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from microtome.datasets.catalogue import load_catalogue
from microtome.datasets.fetch import verify
from microtome.datasets.monuseg2018 import (
    CHALLENGE,
    FOLDERS,
    ORGAN,
    ORGANS,
    discover,
    hold_out,
    to_sheet,
)
from microtome.io import images

TARGET = "TCGA-B0-5711-01Z-00-DX1"
LABELS = np.array([[0, 3, 3], [7, 7, 0]], np.uint16)


def sheet(name):
    with Path(f"config/samples/{name}.tsv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


@pytest.fixture
def as_folders(tmp_path):
    for row in sheet("monuseg2018"):
        images.write_png(tmp_path / row["image"], np.zeros((2, 3, 3), np.uint8))
        images.write_png(tmp_path / row["label"], LABELS)
    return tmp_path


@pytest.fixture
def as_challenge(tmp_path):
    for row in sheet("monuseg2018_challenge"):
        for column in ("image", "label"):
            (tmp_path / row[column]).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / row[column]).touch()
    return tmp_path


def published():
    table = yaml.safe_load(Path("config/published.yaml").read_text(encoding="utf-8"))
    rows = table["papers"]["p3_usenet"]["tables"]["table_I"]["rows"]
    return {part: {organ: row[organ] for organ in ORGANS} for part, row in rows.items()}


def test_organs_are_those_of_the_published_table(as_challenge):
    rows = discover(as_challenge)
    for part, name in (("train", "training"), ("test", "testing")):
        found = Counter(row.group for row in rows if row.part == part)
        assert {organ: found[organ] for organ in ORGANS} == published()[name]
    assert len(ORGAN) == sum(published()["total"].values()), "no patient is listed twice"


def test_the_challenge_sheet_is_what_the_archives_give(as_challenge):
    text = Path("config/samples/monuseg2018_challenge.tsv").read_text(encoding="utf-8")
    assert to_sheet(discover(as_challenge)) == text


def test_the_sheet_is_what_the_rule_gives(as_folders):
    rows = hold_out(discover(as_folders))
    assert to_sheet(rows) == Path("config/samples/monuseg2018.tsv").read_text(encoding="utf-8")


def test_the_sheet_holds_out_whole_patients_and_keeps_the_stain_target():
    rows = sheet("monuseg2018")
    assert Counter(row["part"] for row in rows) == {"train": 22, "val": 2, "test": 6}
    assert len({row["patient"] for row in rows}) == 30
    tested = Counter(row["group"] for row in rows if row["part"] == "test")
    assert set(tested) > {"breast", "liver", "kidney", "prostate"}
    assert len(tested) == sum(tested.values()) == 6
    assert {row["part"] for row in rows if row["sample"] == TARGET} == {"train"}
    left = {row["group"] for row in rows if row["part"] == "train"}
    assert left == {row["group"] for row in rows}, "every organ is learnt"


def test_the_order_of_rows_is_of_no_matter_to_the_rule(as_folders):
    rows = discover(as_folders)
    assert sorted(hold_out(rows[::-1]), key=lambda row: row.sample) == hold_out(rows)


def test_test_images_are_found_where_they_are(as_folders):
    name = "TCGA-HT-8564-01Z-00-DX1.png"
    for place in FOLDERS["test"]:
        images.write_png(as_folders / place / name, np.ones((2, 3), np.uint8))
    rows = discover(as_folders)
    assert [(row.group, row.part) for row in rows[30:]] == [("brain", "test")]


def test_rows_that_cannot_be_held_out_are_refused(as_folders):
    rows = discover(as_folders)
    with pytest.raises(ValueError, match="found no image of colon for part 'test'"):
        hold_out([row for row in rows if row.group != "colon"])
    with pytest.raises(ValueError, match="31 images of fewer patients"):
        hold_out([*rows, rows[0]])


def test_folders_that_do_not_fit_are_refused(as_folders):
    place = as_folders / FOLDERS["train"][1] / f"{TARGET}.png"
    place.rename(place.with_name("TCGA-XX-0000.png"))
    with pytest.raises(ValueError, match=rf"\['{TARGET}', 'TCGA-XX-0000'\] without partner.*pair up by name"):
        discover(as_folders)
    image = as_folders / FOLDERS["train"][0] / f"{TARGET}.png"
    image.rename(image.with_name("TCGA-XX-0000.png"))
    with pytest.raises(ValueError, match="found patient 'TCGA-XX-0000', expected one of MoNuSeg 2018"):
        discover(as_folders)
    with pytest.raises(ValueError, match="found neither 'train/images' nor 'MoNuSeg 2018 Training Data"):
        discover(as_folders / "train")


def test_a_lonely_annotation_of_the_challenge_is_named(as_challenge):
    (as_challenge / CHALLENGE["test"][0] / "TCGA-HT-8564-01Z-00-DX1.tif").unlink()
    with pytest.raises(ValueError, match=r"\['TCGA-HT-8564-01Z-00-DX1'\] without partner"):
        discover(as_challenge)


def test_the_catalogue_lists_the_training_images():
    files = load_catalogue(Path("config/datasets.yaml"))["monuseg2018"].files
    listed = {row[column] for row in sheet("monuseg2018") for column in ("image", "label")}
    assert {file.path for file in files} == listed


@pytest.mark.realdata
def test_the_real_images_are_the_catalogued_ones():
    folder = os.environ.get("MICROTOME_DATA")
    if not folder:
        pytest.skip("MICROTOME_DATA is not set: MoNuSeg 2018 is not at hand")
    root = Path(folder) / "monuseg2018"
    rows = [row for row in discover(root) if row.part == "train"]
    assert to_sheet(hold_out(rows)) == Path("config/samples/monuseg2018.tsv").read_text(encoding="utf-8")
    assert verify(load_catalogue(Path("config/datasets.yaml"))["monuseg2018"], root) == {}
