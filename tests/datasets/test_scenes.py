# SPDX-License-Identifier: MIT
"""Adapters of hyperspectral data sets on miniature copies of their layouts."""

import csv
import io
import json

import numpy as np
import pytest

from microtome import __main__ as main_module
from microtome.cubes.calibration import calibrate_files
from microtome.datasets import ecnu_choledoch, histology_hsi_gb, scan
from microtome.io import images
from microtome.io.envi import open_cube
from tests.synthetic_cubes import braces, record, write_envi

SCENES = {"L": ["031368c-20x-roi1", "031368c-20x-roi2"], "N": ["007a-20x-roi1"], "P": ["042145-10x-roi7"]}
RING = [[0, 0], [4, 0], [4, 3], [0, 3], [0, 0]]


@pytest.fixture
def choledoch(tmp_path):
    recording = record(bands=5, height=8, width=10)
    waves = braces(recording.wavelengths)
    for kind, names in SCENES.items():
        folder = tmp_path / kind / "hyper"
        folder.mkdir(parents=True)
        (tmp_path / kind / "annotation").mkdir()
        for name in names:
            write_envi(folder / f"{name}.hdr", recording.raw, interleave="bil", wavelength=waves)
            blank = name.rsplit("-", 1)[0] + "-blank.hdr"
            write_envi(folder / blank, recording.blank, interleave="bil", wavelength=waves)
            vertices = "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in RING[:-1])
            region = f'<Region Id="1"><Vertices>{vertices}</Vertices></Region>'
            text = f"<Annotations><Annotation><Regions>{region}</Regions></Annotation></Annotations>"
            if kind == "L":
                (tmp_path / kind / "annotation" / f"{name}.xml").write_text(text)
    images.write_png(tmp_path / "N/hyper/007a-20x-roi1.png", np.zeros((8, 10, 3), np.uint8))
    return tmp_path


@pytest.fixture
def glioblastoma(tmp_path):
    recording = record(bands=7, height=6, width=9)
    for scene in ("P1/ROI_01_C01_T", "P1/ROI_01_C02_T", "P12/ROI_03_C01_NT", "P2/ROI_01_C01_NT"):
        folder = tmp_path / scene
        folder.mkdir(parents=True)
        write_envi(folder / "raw.hdr", recording.raw, interleave="bil", ending="")
        for name, array in (("whiteReference", recording.blank), ("darkReference", recording.dark)):
            line = array.mean(1, keepdims=True).astype(np.uint16)
            write_envi(folder / f"{name}.hdr", line, interleave="bil", ending="")
        images.write_png(folder / "rgb.png", np.zeros((6, 9, 3), np.uint8))
    return tmp_path


def test_choledoch_scenes(choledoch):
    scenes = ecnu_choledoch.discover(choledoch)
    assert [scene.sample for scene in scenes] == sorted(name for names in SCENES.values() for name in names)
    by_name = {scene.sample: scene for scene in scenes}
    some = by_name["031368c-20x-roi2"]
    assert (some.patient, some.group, some.tumour) == ("031368c", "20x", None)
    assert (some.cube, some.image) == ("L/hyper/031368c-20x-roi2.hdr",) * 2
    assert (some.blank, some.dark) == ("L/hyper/031368c-20x-blank.hdr", "")
    assert some.label == "L/annotation/031368c-20x-roi2.xml"
    assert by_name["007a-20x-roi1"].image == "N/hyper/007a-20x-roi1.png"
    assert [by_name[name].tumour for name in ("007a-20x-roi1", "042145-10x-roi7")] == [False, True]
    assert by_name["042145-10x-roi7"].group == "10x"
    quality = calibrate_files(choledoch / some.cube, None, choledoch / some.blank, choledoch / "o.hdr")
    assert "no dark reference" in quality.warnings[0]


def test_choledoch_labels_and_sheet(choledoch):
    scenes = ecnu_choledoch.write_labels(choledoch, ecnu_choledoch.discover(choledoch), choledoch / "labels")
    labels = {scene.sample: images.read(choledoch / f"labels/{scene.sample}.png") for scene in scenes}
    assert labels["031368c-20x-roi1"].sum() == 12
    assert labels["031368c-20x-roi1"][:3, :4].all()
    assert not labels["007a-20x-roi1"].any()
    assert labels["042145-10x-roi7"].all()
    rows = list(csv.DictReader(io.StringIO(ecnu_choledoch.to_sheet(scenes)), delimiter="\t"))
    assert [row["cube"] for row in rows] == [scene.cube for scene in scenes]
    assert all((choledoch / row["label"]).is_file() for row in rows)


def test_choledoch_faults(choledoch, tmp_path_factory):
    with pytest.raises(ValueError, match="found no scenes in L, N, P"):
        ecnu_choledoch.discover(tmp_path_factory.mktemp("empty"))
    (choledoch / "L/annotation/031368c-20x-roi2.xml").unlink()
    with pytest.raises(ValueError, match=r"found no annotation/031368c-20x-roi2.xml"):
        ecnu_choledoch.discover(choledoch)
    (choledoch / "L/hyper/031368c-20x-roi2.hdr").unlink()
    (choledoch / "P/hyper/042145-10x-blank.hdr").unlink()
    with pytest.raises(ValueError, match=r"found no 042145-10x-blank.hdr"):
        ecnu_choledoch.discover(choledoch)
    assert len(ecnu_choledoch.discover(choledoch, needs_blank=False)) == 3
    write_envi(choledoch / "N/hyper/scene.hdr", record(bands=2).raw)
    with pytest.raises(ValueError, match="a name of no scene"):
        ecnu_choledoch.discover(choledoch)


def test_the_same_scene_twice(choledoch):
    write_envi(choledoch / "N/hyper/042145-10x-roi7.hdr", record(bands=2).raw)
    with pytest.raises(ValueError, match="a second scene 042145-10x-roi7"):
        ecnu_choledoch.discover(choledoch)


def test_glioblastoma_scenes(glioblastoma):
    scenes = histology_hsi_gb.discover(glioblastoma)
    names = ["P1_ROI_01_C01_T", "P1_ROI_01_C02_T", "P2_ROI_01_C01_NT", "P12_ROI_03_C01_NT"]
    assert [scene.sample for scene in scenes] == names
    assert [scene.tumour for scene in scenes] == [True, True, False, False]
    first = scenes[0]
    assert (first.patient, first.group, first.image) == ("P1", "20x", "P1/ROI_01_C01_T/rgb.png")
    files = [glioblastoma / name for name in (first.cube, first.dark, first.blank)]
    calibrate_files(*files, glioblastoma / "o.hdr")
    assert open_cube(glioblastoma / "o.hdr").shape == (7, 6, 9)
    labelled = histology_hsi_gb.write_labels(glioblastoma, scenes, glioblastoma / "labels")
    assert [int(images.read(scene.label).min()) for scene in labelled] == [1, 1, 0, 0]


def test_glioblastoma_faults(glioblastoma, tmp_path_factory):
    with pytest.raises(ValueError, match="expected folders such as P1/ROI_01_C01_T"):
        histology_hsi_gb.discover(tmp_path_factory.mktemp("empty"))
    (glioblastoma / "P1/ROI_01_C02_T/darkReference.hdr").unlink()
    with pytest.raises(ValueError, match=r"ROI_01_C02_T: found no darkReference.hdr"):
        histology_hsi_gb.discover(glioblastoma)


def test_labels_that_do_not_fit(choledoch):
    scene = ecnu_choledoch.discover(choledoch)[1]
    for label, content in (
        ("a.png", None),
        ("a.geojson", {"type": "FeatureCollection", "features": []}),
        ("", None),
    ):
        if content is None and label:
            images.write_png(choledoch / label, np.zeros((3, 3), np.uint8))
        elif content:
            (choledoch / label).write_text(json.dumps(content))
        changed = type(scene)(**{**vars(scene), "label": label})
        if content:
            assert not images.read(
                ecnu_choledoch.write_labels(choledoch, [changed], choledoch / "l")[0].label
            ).any()
            continue
        with pytest.raises(ValueError, match="expected"):
            ecnu_choledoch.write_labels(choledoch, [changed], choledoch / "l")


@pytest.mark.parametrize(("dataset", "count"), [("ecnu_choledoch", 4), ("histology_hsi_gb", 4)])
def test_a_sheet_of_a_folder(dataset, count, request, tmp_path_factory):
    folder = request.getfixturevalue({"ecnu_choledoch": "choledoch"}.get(dataset, "glioblastoma"))
    rows = list(csv.DictReader(io.StringIO(scan.make_sheet(dataset, folder)), delimiter="\t"))
    assert len(rows) == count
    for row in rows:
        label = images.read(folder / row["label"])
        assert label.shape == (open_cube(folder / row["cube"]).height, open_cube(folder / row["cube"]).width)
        assert not row["label"].startswith("/")
    elsewhere = tmp_path_factory.mktemp("labels")
    (row, *_) = csv.DictReader(io.StringIO(scan.make_sheet(dataset, folder, elsewhere)), delimiter="\t")
    assert row["label"] == str(elsewhere / f"{row['sample']}.png")


def test_an_unknown_data_set(tmp_path):
    with pytest.raises(
        ValueError, match="found data set 'ecnu', expected one of: consep, cremi, ecnu_choledoch, histology"
    ):
        scan.make_sheet("ecnu", tmp_path)


def test_the_command_writes_the_sheet(choledoch, tmp_path_factory, capsys):
    out = tmp_path_factory.mktemp("sheets") / "sheet.tsv"
    main_module.main(["scan", "ecnu_choledoch", str(choledoch), "--out", str(out)])
    assert "4 images" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8") == scan.make_sheet("ecnu_choledoch", choledoch)
    with pytest.raises(SystemExit, match=r"error: .*found no scene"):
        main_module.main(["scan", "histology_hsi_gb", str(out.parent), "--out", str(out)])
