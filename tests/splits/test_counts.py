# SPDX-License-Identifier: MIT
"""Labelled pixels: counted in the labels, written into the sheet, and refused where both disagree."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from microtome.__main__ import main
from microtome.config.study import Data, Split
from microtome.stages.label_counts import count_labelled
from microtome.stages.targets import rasterize_targets
from microtome.study.load import inspect_data
from tests.splits.two_splits import CLASSES, Content, plan, rows, study, text, write_files

IGNORED = 7
SIZE = (1500, 40)
"""Rows of more than one band."""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _labels(count: int) -> list[np.ndarray]:
    """Labels with every class, and with pixels of none."""
    draw = np.random.default_rng(0)
    return [
        draw.choice([0, 1, 2, IGNORED], SIZE, p=[0.2, 0.3, 0.1, 0.4]).astype(np.uint8) for _ in range(count)
    ]


def _written(content: Content, *, sheet: str) -> list[np.ndarray]:
    """The study in the working directory, with label files; the last image has none."""
    for folder in ("config/studies", "data/two"):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("config/studies/two.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    Path("data/two/samples.tsv").write_bytes(sheet.encode())
    labels = _labels(3)
    for number, label in enumerate(labels):
        Image.fromarray(label).save(f"data/two/m{number}-label.png")
    return labels


def _content() -> Content:
    content = study()
    content["data"]["ignore"] = [IGNORED]
    return content


def _plain_rows() -> list[dict[str, str]]:
    """Four images as a user lists them, with columns of their own order and none of pixels."""
    names = ("label", "sample", "image", "scenario_2", "patient")
    listed = [{name: row[name] for name in names} for row in rows(4)]
    listed[3] |= {"label": "", "scenario_2": "test"}
    return listed


def _cells(sheet: Path) -> list[dict[str, str]]:
    lines = [line.split("\t") for line in sheet.read_text(encoding="utf-8").splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_command_fills_the_columns_of_the_sheet(ends: str, capsys: pytest.CaptureFixture[str]) -> None:
    labels = _written(_content(), sheet=text(_plain_rows()).replace("\n", ends))
    sheet = Path("data/two/samples.tsv")
    main(["count", str(sheet)])
    assert "labels of 4 images, 3 rows are new or changed" in capsys.readouterr().out
    found = _cells(sheet)
    assert list(found[0])[:5] == ["label", "sample", "image", "scenario_2", "patient"]
    assert [{name: row[name] for name in _plain_rows()[0]} for row in found] == _plain_rows()
    for row, label in zip(found, labels, strict=False):
        values, counts = np.unique(label, return_counts=True)
        counted = dict(zip(values.tolist(), counts.tolist(), strict=True))
        assert [row[f"pixels_{name}"] for name in CLASSES] == [str(counted[n]) for n in range(len(CLASSES))]
    assert [found[3][f"pixels_{name}"] for name in CLASSES] == ["", "", ""]
    assert sheet.read_bytes().count(ends.encode()) == 5
    before = sheet.read_bytes()
    main(["count", str(sheet), "--study", "two"])
    assert sheet.read_bytes() == before
    assert "0 rows are new or changed" in capsys.readouterr().out


def test_a_sheet_that_was_counted_can_be_balanced() -> None:
    listed = _plain_rows()[:3]
    again = [{"sample": f"n{n}", "image": f"n{n}.png", "patient": f"q{n}"} for n in range(3)]
    listed += [row | other for row, other in zip(listed, again, strict=True)]
    listed = [row | {"label": f"{row['sample']}-label.png"} for row in listed]
    _written(_content(), sheet=text(listed))
    for number in range(3):
        shutil.copy(f"data/two/m{number}-label.png", f"data/two/n{number}-label.png")
    with pytest.raises(ValueError, match="1 pixels_background: found no such column, or an empty one; expec"):
        plan(_content(), listed)
    main(["count", "data/two/samples.tsv", "--study", "two"])
    assert plan(_content(), _cells(Path("data/two/samples.tsv"))).splits["patients-0"]


def _another_study() -> None:
    Path("config/studies/other.yaml").write_text(Path("config/studies/two.yaml").read_text(encoding="utf-8"))


def _a_value_of_no_class() -> None:
    Image.fromarray(np.full(SIZE, 9, np.uint8)).save("data/two/m1-label.png")


def _a_file_that_is_gone() -> None:
    Path("data/two/m2-label.png").unlink()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            _another_study,
            "studies that name it: other, two; expected the study whose classes its lab",
        ),
        (_a_value_of_no_class, "label 'm1-label.png' of sample m1 holds the value 9"),
        (_a_file_that_is_gone, "m2-label.png"),
    ],
)
def test_what_cannot_be_counted_leaves_the_sheet_as_it_is(change: Callable[[], None], expected: str) -> None:
    _written(_content(), sheet=text(_plain_rows()))
    sheet = Path("data/two/samples.tsv")
    before = sheet.read_bytes()
    change()
    with pytest.raises(SystemExit) as caught:
        main(["count", str(sheet)])
    assert expected in str(caught.value)
    assert sheet.read_bytes() == before


TARGETS = {
    "kind": "semantic",
    "classes": [(name, number) for number, name in enumerate(CLASSES)],
    "ignore": [IGNORED],
}


def _row(label: np.ndarray, folder: Path, **cells: object) -> dict[str, object]:
    tifffile.imwrite(folder / "a-label.tif", label, rowsperstrip=100)
    Image.fromarray(label).save(folder / "a.png")
    return {"sample": "a", "image": "a.png", "label": "a-label.tif", "page": None, "mpp": None, **cells}


def test_a_label_that_contradicts_the_sheet_is_refused(tmp_path: Path) -> None:
    (label,) = _labels(1)
    row = _row(label, tmp_path)
    counted = count_labelled(row, tmp_path, TARGETS)
    assert counted == {name: int((label == number).sum()) for number, name in enumerate(CLASSES)}
    said = {f"pixels_{name}": str(count) for name, count in counted.items()}
    rasterize_targets([row | said], tmp_path, tmp_path / "right", targets=TARGETS)
    assert (tmp_path / "right/a.tif").is_file()
    wrong = row | said | {"pixels_nest": str(counted["nest"] + 1)}
    nests = counted["nest"]
    expected = rf"sample a: label 'a-label.tif' has .*: {nests} of nest \(pixels_nest: {nests + 1}\); correct"
    with pytest.raises(ValueError, match=expected):
        rasterize_targets([wrong], tmp_path, tmp_path / "wrong", targets=TARGETS)
    assert not (tmp_path / "wrong").exists()


def test_a_sheet_that_says_nothing_is_not_compared(tmp_path: Path) -> None:
    (label,) = _labels(1)
    row = _row(label, tmp_path, pixels_nest=None, pixels_ring="")
    rasterize_targets([row], tmp_path, tmp_path / "targets", targets=TARGETS)
    assert (tmp_path / "targets/a.tif").is_file()


def test_complete_labels_are_looked_at_as_labels_are(tmp_path: Path) -> None:
    """Of another size than the image, or not there: said by row and column before any job."""
    write_files(tmp_path, count=3)
    listed = [row | {"full": row["label"]} for row in _cells(tmp_path / "samples.tsv")]
    listed[1]["full"], listed[2]["full"] = "small.png", "gone.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "small.png")
    sheet = tmp_path / "samples.tsv"
    sheet.write_text(text(listed), encoding="utf-8")
    data = Data(source="files", samples=str(sheet), classes=list(CLASSES))
    ways = {"clinics": Split(kind="column", column="scenario_2")}
    found = [str(fault) for fault in inspect_data(data, ways, sheet=sheet).faults]
    assert len(found) == 2
    assert "samples.tsv:3 full: found a label of 8 x 8 pixels" in found[0]
    assert "samples.tsv:4 full: found" in found[1]
    assert "gone.png', which does not exist" in found[1]
