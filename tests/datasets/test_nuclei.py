# SPDX-License-Identifier: MIT
"""Adapters of data sets of nuclei on miniature copies of their layouts."""

import csv
import io

import numpy as np
from PIL import Image
from pytest import fixture, mark, raises
from scipy.io import savemat

from microtome import __main__ as main_module
from microtome.config.modalities.objects import Targets
from microtome.datasets import kumar, pannuke, scan
from microtome.datasets.monuseg2018 import ORGANS
from microtome.io import images
from microtome.stages.targets import rasterize_targets

SIZE = 16
TISSUES = ["Breast", "Bile-duct"]
PANNUKE = ["background", "neoplastic", "inflammatory", "connective", "dead", "epithelial"]
CONSEP = ["background", "miscellaneous", "inflammatory", "epithelial", "spindle"]


def masks():
    """Two tiles: nuclei 3 and 9 of class 1, 3 again of class 5, overlapping a pixel; none."""
    found = np.zeros((2, SIZE, SIZE, 6))
    found[0, 1:4, 1:4, 0], found[0, 6:9, 1:4, 0], found[0, 3:8, 3:9, 4] = 3, 9, 3
    found[..., 5] = ~found[..., :5].any(-1)
    return found


def fold(folder, number, *, pictures=None, labels=None, types=TISSUES):
    for kind in ("images", "masks"):
        (folder / f"Fold {number}/{kind}/fold{number}").mkdir(parents=True, exist_ok=True)
    pictures = np.full((2, SIZE, SIZE, 3), 200.0 + number) if pictures is None else pictures
    np.save(folder / f"Fold {number}/images/fold{number}/images.npy", pictures)
    np.save(folder / f"Fold {number}/images/fold{number}/types.npy", np.array(types))
    np.save(folder / f"Fold {number}/masks/fold{number}/masks.npy", masks() if labels is None else labels)


def sheet_of(dataset, folder):
    return list(csv.DictReader(io.StringIO(scan.make_sheet(dataset, folder)), delimiter="\t"))


def targets_of(row, folder, classes):
    """The class map and the numbers that a study makes of a row."""
    targets = Targets(kind="instances").model_dump() | {"classes": list(zip(classes, range(9), strict=False))}
    rasterize_targets([row | {"page": None, "mpp": 0.25}], folder, folder / "out", targets=targets)
    out = folder / "out"
    return tuple(images.read(place / f"{row['sample']}.tif") for place in (out, out / "instances"))


def test_pannuke_is_written_as_images_a_fold_a_part(tmp_path):
    for number in (3, 1, 2):
        fold(tmp_path, number)
    rows = sheet_of("pannuke", tmp_path)
    assert [(r["sample"], r["block"], r["part"], r["group"]) for r in rows] == [
        (f"fold{n}-000{i}", f"fold{n}", part, tissue)
        for n, part in ((1, "train"), (2, "val"), (3, "test"))
        for i, tissue in enumerate(TISSUES)
    ]
    assert rows[2]["image"] == "labels/images/fold2-0000.png"
    assert (images.read(tmp_path / rows[2]["image"]) == 202).all()
    types, labels = targets_of(rows[0], tmp_path, PANNUKE)
    expected = masks()[0]
    assert np.array_equal(types == 1, expected[..., 0] > 0), "a pixel of two channels is of the first"
    assert np.array_equal(types == 5, (expected[..., 4] > 0) & (expected[..., 0] == 0))
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    assert np.array_equal(labels == 2, expected[..., 0] == 9)
    assert not targets_of(rows[1], tmp_path, PANNUKE)[1].any(), "a tile without nuclei"


def test_numbers_that_two_channels_share_are_two_nuclei():
    both = np.zeros((4, 4, 6), np.int64)
    both[0, :, 1], both[2, :, 2] = 1, 1
    labels, types = pannuke.instances(both)
    assert np.unique(labels).tolist() == [0, 1, 2]
    assert (types[labels == 1] == 2).all()
    assert (types[labels == 2] == 3).all()


@mark.parametrize(
    ("options", "told"),
    [
        ({"labels": masks()[..., :5]}, "masks.npy: found 5 channels, expected 6"),
        (
            {"labels": masks()[:1]},
            r"images.npy \(2, 16, 16\).*masks.npy \(1, 16, 16\).* expected tiles of one",
        ),
        ({"types": ["Breast"]}, r"types.npy \(1,\)"),
        ({"labels": masks() + 0.5}, r"masks.npy: found \d+ values such as 0.5, expected whole numbers"),
        ({"pictures": np.full((2, SIZE, SIZE, 3), 300.0)}, "images.npy: found 768 values such as 300.0"),
        ({"pictures": np.full((2, SIZE, SIZE, 3), np.nan)}, "images.npy: found 768 values such as nan"),
        ({"types": np.array(["a", None])}, "types.npy: found what cannot be read .*allow_pickle"),
    ],
)
def test_what_is_no_fold_of_pannuke_is_named(options, told, tmp_path):
    fold(tmp_path, 1, **options)
    with raises(ValueError, match=told):
        scan.make_sheet("pannuke", tmp_path)


def test_a_folder_without_folds_says_what_is_missing(tmp_path):
    with raises(ValueError, match=r"found no fold of PanNuke, expected images\.npy and"):
        scan.make_sheet("pannuke", tmp_path)
    fold(tmp_path, 2)
    (tmp_path / "Fold 2/masks/fold2/masks.npy").unlink()
    with raises(ValueError, match=r"fold 2 .*found no masks.npy; unpack the whole archive"):
        scan.make_sheet("pannuke", tmp_path)


@fixture
def consep(tmp_path):
    numbers = np.zeros((SIZE, SIZE))
    numbers[1:4, 1:4], numbers[6:9, 1:4], numbers[10:14, 5:9] = 1, 5, 900
    types = np.zeros((SIZE, SIZE))
    types[1:4, 1:4], types[6:9, 1:4], types[10:14, 5:9] = 2, 4, 7
    for part, names in {"Train": ["train_1", "train_10", "train_2"], "Test": ["test_1"]}.items():
        for kind in ("Images", "Labels"):
            (tmp_path / part / kind).mkdir(parents=True)
        for name in names:
            Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(tmp_path / part / f"Images/{name}.png")
            maps = {"inst_map": numbers, "type_map": types, "inst_type": np.array([[2.0], [4], [7]])}
            savemat(tmp_path / part / f"Labels/{name}.mat", maps)
    return tmp_path


def test_consep_has_the_merged_classes_of_hovernet(consep):
    for path in list(consep.rglob("*_1*.*")):
        path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
    rows = sheet_of("consep", consep)
    assert [row["sample"] for row in rows] == ["train_1", "train_2", "train_10", "test_1"]
    assert [row["part"] for row in rows] == ["train"] * 3 + ["test"]
    types, labels = targets_of(rows[0], consep, CONSEP)
    assert {n: types[labels == n].tolist() for n in (1, 5)} == {1: [2] * 9, 5: [3] * 9}
    assert (types[labels == 900] == 4).all()


def test_labels_of_the_form_without_classes_are_of_one(consep):
    for path in consep.rglob("*.mat"):
        savemat(path, {"inst_map": np.eye(SIZE)})
    rows = sheet_of("consep", consep)
    assert "types" not in rows[0]
    assert targets_of(rows[0], consep, ["background", "nucleus"])[0].sum() == SIZE


def test_images_of_one_name_in_both_parts_keep_their_own_labels(consep):
    for part, size in (("Train", 3), ("Test", 5)):
        Image.fromarray(np.zeros((SIZE, SIZE, 3), np.uint8)).save(consep / part / "Images/image_00.png")
        savemat(consep / part / "Labels/image_00.mat", {"inst_map": np.pad(np.eye(size), (0, SIZE - size))})
    rows = {row["sample"]: row for row in sheet_of("consep", consep)}
    assert {"train_image_00", "test_image_00", "train_1"} <= set(rows)
    found = [images.read(consep / rows[f"{part}_image_00"]["label"]).sum() for part in ("train", "test")]
    assert found == [3, 5]


@mark.parametrize(
    ("maps", "told"),
    [
        (
            {"type_map": np.eye(SIZE)},
            r"train_1.mat: found type_map \(16, 16\), expected maps inst_map, type_map",
        ),
        (
            {"inst_map": np.eye(4)},
            r"train_1.mat: found maps of shape \(4, 4\), expected 16 x 16, its image's",
        ),
        ({"inst_map": np.eye(SIZE), "type_map": np.eye(4)}, "expected maps inst_map, type_map of one size"),
        (
            {"inst_map": np.eye(SIZE), "type_map": np.zeros((SIZE, SIZE))},
            "1 nuclei without a class, such as 1",
        ),
        (
            {"inst_map": np.eye(SIZE), "type_map": np.eye(SIZE) * 8},
            "16 values such as 8.0, expected whole numbers",
        ),
        ({"inst_map": np.eye(SIZE) * -1}, "16 values such as -1.0"),
    ],
)
def test_labels_that_are_no_maps_are_named(maps, told, consep):
    savemat(consep / "Train/Labels/train_1.mat", maps)
    with raises(ValueError, match=told):
        scan.make_sheet("consep", consep)


def test_kumar_has_the_parts_of_the_paper(tmp_path):
    kumars = [c for organ in kumar.SAME for c in ORGANS[organ].split()[:6]]
    kumars += [c for organ in kumar.OTHER for c in ORGANS[organ].split()[:2]]
    for kind, end in (("Tissue Images", "tif"), ("Annotations", "xml")):
        (tmp_path / kind).mkdir()
        for code in kumars:
            (tmp_path / kind / f"TCGA-{code}-01Z-00-DX1.{end}").touch()
            (tmp_path / kind / f"._TCGA-{code}-01Z-00-DX1.{end}").touch()
    rows = sheet_of("kumar", tmp_path)
    blocks = [row["block"] for row in rows]
    assert {name: blocks.count(name) for name in set(blocks)} == {"train": 16, "same": 8, "different": 6}
    assert {row["part"] for row in rows if row["block"] != "train"} == {"test"}
    tested = {row["patient"] for row in rows if row["block"] == "same"}
    assert tested == {  # two of each of the four organs
        *("TCGA-E2-A1B5", "TCGA-E2-A14V", "TCGA-21-5784", "TCGA-21-5786"),
        *("TCGA-B0-5710", "TCGA-B0-5698", "TCGA-CH-5767", "TCGA-G9-6362"),
    }
    assert rows[0]["image"].startswith("Tissue Images/TCGA-")
    (tmp_path / "Tissue Images/TCGA-44-2665-01Z-00-DX1.tif").touch()
    (tmp_path / "Annotations/TCGA-44-2665-01Z-00-DX1.xml").touch()
    with raises(ValueError, match="found patient 'TCGA-44-2665', expected one of the 30 of Kumar"):
        scan.make_sheet("kumar", tmp_path)


def test_the_command_writes_sheet_and_labels(consep, capsys):
    main_module.main(
        ["scan", "consep", str(consep), "--out", str(consep / "s.tsv"), "--labels", str(consep / "made")]
    )
    assert "4 images" in capsys.readouterr().out
    assert "made/types/test_1.png" in (consep / "s.tsv").read_text(encoding="utf-8")
