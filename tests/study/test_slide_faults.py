# SPDX-License-Identifier: MIT
"""Everything that is wrong with slides, their annotations and boxes, listed together before any job."""

import os
from pathlib import Path

import numpy as np
import yaml
from pytest import fixture, mark, skip

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study import headers
from microtome.study.load import load_plans
from microtome.workflow.memory import held_bytes
from tests.config.test_slides import STUDY
from tests.slide_files import write_annotations, write_boxes, write_slide

SIDE, HALF = 512, 256
HEADER = ("sample", "image", "patient", "part", "label", "sections", "mpp")
TCGA = "TCGA-CR-7395-01A-01-TS1.svs"


def noise(dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 200, (SIDE, SIDE, 3)).astype(dtype)


@fixture
def folder(tmp_path, monkeypatch):
    """A project with four good slides, which a test may spoil."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(headers, "_known", {})
    data = tmp_path / "data"
    data.mkdir()
    for number in range(4):
        write_slide(data / f"{number}.tif", noise())
        write_annotations(data / f"{number}.geojson", {"tumor": [(10, 10, 80)]})
        write_boxes(data / f"{number}.tsv", [(0, 0, HALF, SIDE, "tumor"), (HALF, 0, HALF, SIDE, "normal")])
    return tmp_path


def good_rows():
    parts = ("train", "val", "val", "test")
    return [
        {
            "sample": f"s{n}",
            "image": f"{n}.tif",
            "patient": f"p{n}",
            "part": part,
            "label": f"{n}.geojson" if n < 2 else "",
            "sections": f"{n}.tsv",
            "mpp": "",
        }
        for n, part in enumerate(parts)
    ]


def faults_of(folder, rows, **options):
    lines = ["\t".join(HEADER), *("\t".join(row[name] for name in HEADER) for row in rows)]
    (folder / "data/s.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "config/studies").mkdir(parents=True, exist_ok=True)
    data = STUDY["data"] | {"samples": "data/s.tsv"} | options.pop("data", {})
    content = STUDY | {"data": data, "targets": {"outside": "normal"}} | options
    content |= {"evaluate": {"parts": ["val", "test"]}, "scales": {"local": {}}}
    (folder / "config/studies/bcc.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    try:
        load_plans(Workflow(studies=("bcc",), scale="local"))
    except ConfigurationError as error:
        return [str(fault).removeprefix("data/s.tsv") for fault in error.faults]
    return []


def test_good_slides_have_no_faults(folder):
    assert faults_of(folder, good_rows()) == []


def test_all_faults_are_listed_together(folder):
    data, rows = folder / "data", good_rows()
    for number in range(4, 10):
        rows.append(rows[3] | {"sample": f"s{number}", "image": f"{number}.tif", "patient": f"p{number}"})
    write_slide(data / "5.tif", noise())
    cut = (data / "5.tif").read_bytes()
    (data / "5.tif").write_bytes(cut[: len(cut) // 2])
    write_slide(data / "6.tif", noise(np.uint16))
    write_slide(data / "7.tif", noise(np.float32))
    write_slide(data / "8.tif", noise())
    write_slide(data / "9.tif", noise(), mpp=None)
    write_boxes(data / "far.tsv", [(0, 1, SIDE, SIDE, "tumor")])
    rows[0]["label"] = ""
    rows[2]["patient"] = "p3"
    rows[3]["sections"] = "far.tsv"
    rows[8]["mpp"] = "0.53"
    found = faults_of(folder, rows)
    starts = {
        ":2 label: found nothing, for a sample of part 'train'",
        ":5 part: found patient 'p3' in 'test', but in 'val' in row 4",
        ":5 sections: found box 1 (y 0, x 1, 512 x 512 pixels) in 'data/far.tsv'; expected boxes inside",
        ":6 image: found 'data/4.tif', which does not exist",
        ":7 image: found 'data/5.tif', which cannot be read",
        ":8 image: found 3 channels of uint16 in 'data/6.tif'; expected RGB (or grey) of 8 bits",
        ":9 image: found 3 channels of float32 in 'data/7.tif'; expected RGB (or grey) of 8 bits",
        ":10 mpp: found 0.53 µm per pixel, where 'data/8.tif' says 0.5 µm; expected the same",
        ":11 mpp: found nothing, nor does 'data/9.tif' say it; expected `mpp`",
    }
    missed = {start for start in starts if not any(fault.startswith(start) for fault in found)}
    assert not missed, "\n".join(found)
    assert len(found) == len(starts), found


def test_a_pixel_size_of_the_study_is_for_slides_that_say_none(folder):
    """The sheet's goes before the file's, the file's before the study's, however far these are apart."""
    rows, of_all = good_rows(), {"mpp": 0.9}
    assert faults_of(folder, rows, data=of_all) == []
    write_slide(folder / "data/silent.tif", noise(), mpp=None)
    rows[3]["image"] = "silent.tif"
    assert faults_of(folder, rows, data=of_all) == []
    (fault,) = faults_of(folder, rows, data=of_all, slides={"mpp": 0.25})
    assert fault.startswith(
        ":5 image: found pixels of 0.9 µm in 'data/silent.tif', where slides.mpp is 0.25; "
    )
    rows[0]["mpp"] = "0.6"
    (fault,) = faults_of(folder, rows, data=of_all)
    assert fault.startswith(
        ":2 mpp: found 0.6 µm per pixel, where 'data/0.tif' says 0.5 µm; expected the same"
    )


@mark.parametrize("data", [{"mpp_from": "sheet"}, {"mpp_from": "file"}])
def test_one_of_two_pixel_sizes_may_be_right(folder, data):
    rows = good_rows()
    rows[3]["mpp"] = "0.6"
    assert faults_of(folder, rows, data=data) == []


def test_pixel_sizes_may_differ_by_calibration(folder):
    rows = good_rows()
    rows[3]["mpp"] = "0.52"
    assert faults_of(folder, rows) == []


def test_memory_is_asked_for_by_the_pixels_that_networks_see(folder):
    assert faults_of(folder, good_rows(), slides={"mpp": 1}) == []
    (plan,) = load_plans(Workflow(studies=("bcc",), scale="local")).values()
    of_slide = (SIDE // 2) ** 2
    assert held_bytes(plan, "main", "one") == 2 * of_slide * (3 + 1)  # two with labels; RGB and a target


def test_regions_are_looked_for(folder):
    targets = {"outside": "normal", "features": {"take": ["tumor"]}, "regions": {"S": ["Stroma"]}}
    found = faults_of(folder, good_rows(), targets=targets)
    assert len(found) == 1, "\n".join(found)
    (fault,) = found
    assert "no outline called Stroma (names found: tumor)" in fault


def test_regions_have_to_be_in_annotations_of_training(folder):
    """One that validation alone has cannot be drawn from; classes likewise, by their names in the files."""
    write_annotations(folder / "data/1.geojson", {"tumor": [(10, 10, 80)], "Stroma": [(99, 99, 80)]})
    targets = {"outside": "normal", "features": {"names": {"Nest": "tumor"}}, "regions": {"S": ["Stroma"]}}
    (fault,) = faults_of(folder, good_rows(), targets=targets)
    assert "in the labels of training no outline called Stroma (names found: tumor)" in fault
    write_annotations(folder / "data/0.geojson", {"Stroma": [(99, 99, 80)]})
    (fault,) = faults_of(folder, good_rows(), targets=targets)
    assert (
        "no outline called Nest or tumor (names found: Stroma); expected some, as targets has 'tumor'"
        in fault
    )


def test_the_whole_canvas_may_be_meant(folder):
    assert faults_of(folder, good_rows(), slides={"mpp": 1, "crop": False}) == []


def test_a_real_slide_without_a_pixel_size_is_asked_for_it(folder):
    root = os.environ.get("MICROTOME_DATA")
    if not root:
        skip("MICROTOME_DATA is not set: no real slides")
    path = folder / "data" / TCGA
    path.symlink_to(Path(root) / "wsi_small" / TCGA)
    rows = [
        *good_rows(),
        good_rows()[3] | {"sample": "tcga", "image": TCGA, "patient": "tcga", "sections": ""},
    ]
    (fault,) = faults_of(folder, rows)
    assert fault.startswith(f":6 mpp: found nothing, nor does 'data/{TCGA}' say it; expected `mpp`")
    rows[-1]["mpp"] = "0.25"
    assert faults_of(folder, rows) == []


def test_sections_of_both_kinds_are_needed_to_choose_thresholds(folder):
    """Otherwise it would show when all is trained."""
    for number in (1, 2):
        write_boxes(folder / f"data/{number}.tsv", [(0, 0, SIDE, SIDE, "tumor")])
    assert faults_of(folder, good_rows()) == [
        " sections: found 2 sections of the part 'val' with a label, 2 of them 'tumor'; expected 'tumor' and "
        "others, as thresholds are chosen by both; label more sections"
    ]
    write_boxes(folder / "data/2.tsv", [(0, 0, SIDE, SIDE, "")])
    (fault,) = faults_of(folder, good_rows())
    assert "found 1 section of the part 'val' with a label, 1 of them 'tumor'" in fault
    write_boxes(folder / "data/1.tsv", [(0, 0, SIDE, SIDE, "")])
    (fault,) = faults_of(folder, good_rows())
    assert "found 0 sections of the part 'val' with a label" in fault


def test_parts_that_are_measured_have_labels(folder):
    write_boxes(folder / "data/3.tsv", [(0, 0, SIDE, SIDE, "")])
    assert faults_of(folder, good_rows()) == [
        " sections: found 1 boxes of part 'test', none with a label; expected one with a label at least, as "
        "calls are measured by them; or see evaluate.parts"
    ]


def test_labels_of_sections_mean_classes(folder):
    write_boxes(folder / "data/3.tsv", [(0, 0, HALF, SIDE, "Tumr"), (HALF, 0, HALF, SIDE, "Rand")])
    named = {"mpp": 0.5, "sections": {"names": {"normal": ["Rand"]}}}
    assert faults_of(folder, good_rows(), slides=named) == [
        ":5 sections: found the label 'Tumr' of 1 box in 'data/3.tsv'; expected 'tumor'? (known: Rand, "
        "normal, tumor); correct it, or name it in slides.sections.names"
    ]


def test_a_file_of_boxes_holds_one(folder):
    (folder / "data/3.geojson").write_text('{"type": "FeatureCollection", "features": []}', encoding="utf-8")
    rows = good_rows()
    rows[3]["sections"] = "3.geojson"
    (fault,) = faults_of(folder, rows)
    assert fault.startswith(":5 sections: found no box in 'data/3.geojson'; expected one at least")


def test_slides_may_be_too_coarse(folder):
    """Pixels of 0.5 µm are enlarged twofold at most."""
    assert faults_of(folder, good_rows(), slides={"mpp": 0.25}) == []
    rows = good_rows()
    rows[3]["mpp"] = "0.52"
    (fault,) = faults_of(folder, rows, slides={"mpp": 0.25})
    assert fault.startswith(":5 image: found pixels of 0.52 µm in 'data/3.tif', where slides.mpp is 0.25; ")
    assert faults_of(folder, rows, slides={"mpp": 0.25}, data={"mpp_from": "file"}) == []
