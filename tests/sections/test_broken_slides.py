# SPDX-License-Identifier: MIT
"""Slides that cannot be used: recorded where they are only tested, and the end of the job elsewhere."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import tifffile
from pytest import fixture, mark, raises
from scipy import ndimage

from microtome.files import PARTIAL, write_json
from microtome.io.errors import FileContentError, ImageError
from microtome.io.failures import ENDING, pass_on, read_failures, recorded
from microtome.io.slides import describe
from microtome.stages.slides import predict
from microtome.stages.slides.calls import call_sections
from microtome.stages.slides.heatmaps import Predictor
from microtome.stages.slides.sections import find_sections
from microtome.stages.slides.tissue import find_tissue
from tests.slides.predicted import OPTIONS, Darkness
from tests.slides.written import phantom, write

MPP = 1.0
SOUND = ("sound-1", "sound-2")
BROKEN = {
    "random-tile": "cannot be decoded|damaged",
    "half-tile": "cannot be decoded|damaged|FFD9",
    "empty": "no tissue",
    "fluorescent": "a dark slide",
}
"""Slides that cannot be used, and what their records say."""
SELECTED = {"threshold": 0.5, "least_area": 10.0}
CALLS = {"calls": {"class": "tumor"}, "classes": ["normal", "tumor"]}


def dark():
    nuclei = np.random.default_rng(1).random((640, 640)) < 0.01
    picture = np.zeros((640, 640, 3), np.uint8)
    picture[..., 2] = np.clip(ndimage.gaussian_filter(nuclei * 9000.0, 4), 0, 255)
    return picture


def damage(path, kind):
    """Put noise in the place of a tile of level 0 that shows tissue, or zeros in that of its second half."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        tile = int(np.argmax(page.databytecounts))
        start, length = page.dataoffsets[tile], page.databytecounts[tile]
    content = bytearray(path.read_bytes())
    noise = np.random.default_rng(0).integers(0, 255, length, np.uint8).tobytes()
    half = length // 2
    put = noise if kind == "random-tile" else content[start : start + half] + bytes(length - half)
    content[start : start + length] = put
    path.write_bytes(content)


def picture_of(name):
    if name == "empty":
        return np.full((640, 640, 3), 244, np.uint8)
    return dark() if name == "fluorescent" else phantom(MPP)[0]


@fixture(scope="module")
def slides(tmp_path_factory):
    """A batch of references to slides."""
    root = tmp_path_factory.mktemp("broken")
    (root / "images").mkdir()
    for number, name in enumerate((*BROKEN, *SOUND)):
        path = write(("tiff", "svs")[number % 2], root / name, picture_of(name), MPP)
        if name.endswith("tile"):
            damage(path, name)
        describe(path, mpp=MPP).write(root / "images" / f"{name}.slide")
    return root


@fixture
def network(monkeypatch):
    found = Darkness().eval()
    monkeypatch.setattr(
        predict, "ready_predictor", lambda options, _weights, **_: Predictor(found, options, readers=1)
    )


def chain(images, root, *, may_fail):
    """All stages from references to calls."""
    tissue, sections, maps, calls = (root / name for name in ("tissue", "sections", "predictions", "calls"))
    find_tissue({"tissue": {"kind": "glass"}, "may_fail": may_fail}, images, tissue)
    rows = [{"sample": path.stem, "sections": None} for path in images.glob("*.slide")]
    wanted = {"sections": {"kind": "proposed"}, "samples": rows, "classes": CALLS["classes"]}
    find_sections({**wanted, "may_fail": may_fail}, root, images, tissue, sections)
    (root / "model.safetensors").write_bytes(b"weights")
    options = {**OPTIONS, "may_fail": may_fail}
    predict.predict_slides(
        options, root / "model.safetensors", images, tissue, sections, maps, device="cpu", threads=1
    )
    write_json(root / "selection.json", SELECTED)
    call_sections(CALLS, root / "selection.json", maps, sections, calls)
    return tissue, sections, maps, calls


def test_four_slides_are_recorded_and_the_others_finished(slides, network, tmp_path):
    folders = chain(slides / "images", tmp_path, may_fail=True)
    tissue, sections, maps, calls = folders
    failures = read_failures(calls)
    assert set(failures) == set(BROKEN)
    for name, failure in failures.items():
        assert Path(failure.path).parent.name == name
        assert any(said in failure.what for said in BROKEN[name].split("|")), failure
        assert failure.where and failure.expected and failure.remedy
    assert set(read_failures(tissue)) == {"empty", "fluorescent"}  # the others are broken at full resolution
    for folder, endings in {
        tissue: (".tif", ".geojson", ".png"),
        sections: (".tsv", ".geojson"),
        maps: (".tif",),
        maps / "areas": (".tsv",),
        calls: (".tsv", ".geojson"),
    }.items():
        finished = {path.name for path in folder.glob("*") if path.suffix in endings} - {
            "shares.tsv",
            "seconds.tsv",
        }
        assert finished >= {f"{name}{ending}" for name in SOUND for ending in endings}
        unfinished = {f"{name}{ending}" for name in read_failures(folder) for ending in endings}
        assert not finished & unfinished
    assert not [path for path in tmp_path.rglob("*") if PARTIAL in path.name]
    assert (calls / "sound-1.tsv").read_text().count("\n") == 3


@mark.parametrize("name", BROKEN)
def test_where_a_slide_may_not_fail_it_stops_with_one_line(name, slides, network, tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    (images / f"{name}.slide").write_bytes((slides / "images" / f"{name}.slide").read_bytes())
    with raises(ImageError) as error:
        chain(images, tmp_path, may_fail=False)
    said = str(error.value)
    assert "\n" not in said
    assert f"{slides / name}" in said
    assert any(part in said for part in BROKEN[name].split("|"))
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(ENDING)]


@fixture
def here(tmp_path_factory, monkeypatch):
    """A folder with the slide `a.svs`, in which the test runs."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "a.svs").touch()
    monkeypatch.chdir(folder)
    return folder


def test_a_slide_that_is_gone_is_not_recorded(here, tmp_path):
    (here / "a.svs").unlink()
    with raises(ImageError, match="nothing"), recorded("a", "a.svs", tmp_path, may_fail=True):
        raise ImageError("a.svs", "nothing", "a slide", "check the path")
    assert not list(tmp_path.iterdir())


@mark.usefixtures("here")
def test_what_was_written_of_a_slide_goes_when_it_fails(tmp_path):
    (tmp_path / "areas").mkdir()
    for name in ("a.tif", "a.geojson", "areas/a.tsv", "ab.tif", "areas/b.tsv"):
        (tmp_path / name).touch()
    with recorded("a", "a.svs", tmp_path, may_fail=True):
        raise ImageError("a.svs, tile 3", "a damaged tile", "a whole slide", "copy it again")
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*"))
    assert left == ["a.failed.json", "ab.tif", "areas/b.tsv"]
    assert asdict(read_failures(tmp_path)["a"]) == {
        "sample": "a",
        "path": "a.svs",
        "what": "a damaged tile",
        "where": "a.svs, tile 3",
        "expected": "a whole slide",
        "remedy": "copy it again",
    }


def test_what_is_no_fault_of_a_file_is_not_recorded(tmp_path):
    with raises(ValueError, match="a fault of the program"), recorded("a", "a.svs", tmp_path, may_fail=True):
        raise ValueError("a fault of the program")
    assert not list(tmp_path.iterdir())


@mark.usefixtures("here")
def test_errors_of_one_sentence_are_recorded_too(tmp_path):
    with recorded("a", "a.svs", tmp_path, may_fail=True):
        raise FileContentError("a.svs: all of it is wrong")
    found = read_failures(tmp_path)["a"]
    assert (found.what, found.where) == ("all of it is wrong", "a.svs")


@mark.usefixtures("here")
def test_the_record_of_an_earlier_try_goes_when_the_next_one_succeeds(tmp_path):
    with recorded("a", "a.svs", tmp_path, may_fail=True):
        raise FileContentError("a.svs: all of it is wrong")
    with recorded("a", "a.svs", tmp_path, may_fail=True):
        (tmp_path / "a.tif").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@mark.usefixtures("here")
def test_records_are_passed_on(tmp_path):
    with recorded("a", "a.svs", tmp_path, may_fail=True):
        raise FileContentError("a.svs: all of it is wrong")
    (tmp_path / "later").mkdir()
    assert pass_on(tmp_path, tmp_path / "later") == {"a"}
    assert read_failures(tmp_path / "later") == read_failures(tmp_path)


@mark.parametrize(
    "content",
    ["", "[]", "{}", json.dumps(dict.fromkeys(("sample", "path", "what", "where", "expected", "remedy"), 3))],
)
def test_a_damaged_record_is_refused(tmp_path, content):
    (tmp_path / f"a{ENDING}").write_text(content, encoding="utf-8")
    with raises(ValueError, match=r"a\.failed\.json"):
        read_failures(tmp_path)
