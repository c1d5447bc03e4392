# SPDX-License-Identifier: MIT
"""Slices of stacks: their order, the neighbours that runs see, and what is refused."""

import copy
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from PIL import Image

from microtome.config.sampling import Input
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.study.load import load_plans
from microtome.study.modalities.stacks import neighbourhood, place_of, stacked
from microtome.study.newcomers import find_newcomers
from microtome.workflow.asked import Asked
from microtome.workflow.states import data, runs
from microtome.workflow.states.stacks import stack_neighbours

STUDY = {
    "title": "Slices",
    "data": {
        "source": "phantom",
        "phantom": {"size": 32, "slices": {"train": 3, "val": 1, "test": 2}, "block": 1},
        "group_by": "block",
        "batch_size": 2,
        "classes": {"membrane": 0, "cell": 255},
    },
    "patches": {"size": 32, "stride": 32},
    "defaults": {"loss": {"name": "bce"}},
    "runs": {
        "plain": {"network": {"name": "unet", "width": 2}},
        "three": {"network": {"name": "unet", "width": 2, "in_channels": 3}, "input": {"neighbours": 1}},
        "both": {"members": ["plain", "three"]},
    },
    "evaluate": {"metrics": ["overlap"]},
}
HEAD = "sample\timage\tlabel\tblock\tpart"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def plan(content=STUDY, **changes):
    content = copy.deepcopy(content)
    for keys, value in changes.items():
        *parents, last = keys.split("__")
        place = content
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    Path("config/studies/mini.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return load_plans(Workflow(studies=("mini",), scale="full"))["mini"]


def own_files(rows, head):
    """A study of PNG files by a sheet of these rows: what follows sample, image, label, block and part."""
    lines = [f"{HEAD}\t{head}".rstrip()]
    for number, more in enumerate(rows):
        name, part = f"s{number}", ("train", "train", "val", "test")[number % 4]
        for kind in ("image", "label"):
            Image.fromarray(np.zeros((32, 32), np.uint8)).save(f"{name}-{kind}.png")
        lines.append(f"{name}\t{name}-image.png\t{name}-label.png\tb{number}\t{part}\t{more}".rstrip())
    Path("s.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    content = copy.deepcopy(STUDY)
    content["data"] = {"source": "files", "samples": "s.tsv", "group_by": "block"}
    return content | {"data": content["data"] | {"classes": {"membrane": 0, "cell": 255}}}


def refused(content=STUDY, **changes):
    with pytest.raises(ConfigurationError) as error:
        plan(content, **changes)
    return str(error.value)


def test_neighbours_are_those_of_an_array_mirrored_at_its_ends():
    """A stack without gaps, against NumPy's `reflect`."""
    names = [f"s{number}" for number in range(6)]
    found = neighbourhood({name: ("v", number + 4) for number, name in enumerate(names)}, 1)
    padded = np.pad(np.arange(len(names)), 1, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3)
    assert list(found.values()) == [tuple(names[index] for index in window) for window in windows]


@pytest.mark.parametrize("count", [2, 3])
def test_more_neighbours_are_as_far_on_the_other_side(count):
    names = "abcdef"
    found = neighbourhood({name: ("v", number) for number, name in enumerate(names)}, count)
    for number, name in enumerate(names):
        offsets = range(-count, count + 1)
        there = [number + d if 0 <= number + d < len(names) else number - d for d in offsets]
        assert "".join(found[name]) == "".join(names[index] for index in there)


def test_stacks_and_gaps_are_no_neighbours():
    places = {"a": ("v", 0), "b": ("v", 2), "c": ("w", 1), "d": ("v", 3)}
    found = neighbourhood(places, 1)
    assert found == {"a": ("a",) * 3, "b": ("d", "b", "d"), "c": ("c",) * 3, "d": ("b", "d", "b")}


def test_neighbours_stay_in_their_part_unless_it_is_said():
    found = plan()
    assert stacked(found, "main", "1", "train-1") == {"slice-002": ("slice-001", "slice-002", "slice-001")}
    assert stacked(found, "main", "1", "val-0") == {"slice-003": ("slice-003",) * 3}
    assert stacked(found, "main", "1-beyond", "val-0") == {
        "slice-003": ("slice-002", "slice-003", "slice-004")
    }
    assert stacked(found, "main", "2-beyond", "test-0")["slice-005"][0] == "slice-003"


def test_a_run_sees_the_folder_of_its_neighbours():
    found = plan()
    assert found.seen("main", "plain") == "images/{batch}"
    assert found.seen("main", "three") == "stacked/main/1/{batch}"
    beyond = plan(runs__three__input__beyond_part=True)
    assert beyond.seen("main", "three") == "stacked/main/1-beyond/{batch}"


def test_options_of_before_are_as_they_were():
    """Runs that see no neighbours are not trained again for there being such an option."""
    assert Input().model_dump() == {"scale": 255.0, "mean": 0.5, "std": 0.5, "zoom": 1.0}


def test_states_hold_what_is_stacked():
    before, after = plan(), plan(runs__three__input__beyond_part=True)
    assert runs.train(before, "main", "plain", 0) == runs.train(after, "main", "plain", 0)
    assert runs.train(before, "main", "three", 0) != runs.train(after, "main", "three", 0)
    assert runs.predict(before, "three") != runs.predict(after, "three")
    states = [stack_neighbours(before, "main", place, "train-1") for place in ("1", "1-beyond")]
    assert states[0] != states[1]
    assert "slice-003" in states[1]
    assert "slice-003" not in states[0]


def test_the_order_is_nothing_that_images_are_read_by():
    first = plan(own_files(["0", "1", "2", "3"], "z"))
    other = plan(own_files(["0", "1", "2", "4"], "z"))
    assert data.import_images(first, "test-0") == data.import_images(other, "test-0")
    assert data.rasterize_targets(first, "test-0") == data.rasterize_targets(other, "test-0")


def test_a_volume_is_the_stack_of_its_slices():
    rows = ["v\t\t0", "v\t\t1", "w\t\t0", "w\tx\t1"]
    found = plan(own_files(rows, "volume\tstack\tz"))
    assert [found.samples[f"s{n}"].more["stack"] for n in range(4)] == ["v", "v", "w", "x"]
    assert stacked(found, "main", "1-beyond", "train-0")["s0"] == ("s1", "s0", "s1")
    assert stacked(found, "main", "1-beyond", "val-0")["s2"] == ("s2",) * 3


def test_pages_are_an_order():
    stack = np.zeros((4, 32, 32), np.uint8)
    for name in ("v.tif", "l.tif"):
        tifffile.imwrite(name, stack, photometric="minisblack", metadata=None)
    parts = ("train", "train", "val", "test")
    rows = [f"s{n}\tv.tif\tl.tif\tb{n}\t{part}\t{n}" for n, part in enumerate(parts)]
    content = own_files([], "")
    Path("s.tsv").write_text("\n".join([f"{HEAD}\tpage", *rows]) + "\n", encoding="utf-8")
    found = plan(content)
    assert stacked(found, "main", "1-beyond", "val-0") == {"s2": ("s1", "s2", "s3")}


def paged(rows, head="page"):
    """A study of two files of two pages by a sheet of these rows."""
    content = own_files([], "")
    for name in ("v.tif", "w.tif", "l-v.tif", "l-w.tif"):
        tifffile.imwrite(name, np.zeros((2, 32, 32), np.uint8), photometric="minisblack", metadata=None)
    parts = ("train", "train", "val", "test")
    named = zip(rows, parts, ("v.tif", "v.tif", "w.tif", "w.tif"), strict=True)
    lines = [f"s{n}\t{file}\tl-{file}\tb{n}\t{part}\t{row}" for n, (row, part, file) in enumerate(named)]
    Path("s.tsv").write_text("\n".join([f"{HEAD}\t{head}", *lines]) + "\n", encoding="utf-8")
    return content


def test_files_of_pages_are_stacks_of_their_own_also_where_slices_are_numbered_through():
    found = plan(paged(["0\t0", "1\t1", "0\t2", "1\t3"], "page\tz"))
    assert stacked(found, "main", "1-beyond", "train-0")["s1"] == ("s0", "s1", "s0")
    found = plan(paged(["0\t0\tx", "1\t1\tx", "0\t2\tx", "1\t3\tx"], "page\tz\tstack"))
    assert stacked(found, "main", "1-beyond", "train-0")["s1"] == ("s0", "s1", "s2")


def test_pages_of_two_files_are_no_one_stack():
    """Which page 0 is the neighbour of a page 1 cannot be told."""
    rows = ["0\tx", "1\tx", "0\tx", "1\tx"]
    text = refused(paged(rows, "page\tstack"))
    assert "s.tsv:4 page: found slice 0 of stack 'x', also in row 2; expected each slice once" in text
    flat = paged(rows, "page\tstack")
    del flat["runs"]["three"], flat["runs"]["both"]
    assert place_of(plan(flat).samples["s1"]) == ("x", 1)


def test_slices_without_an_order_are_refused():
    text = refused(own_files(["", "", "", ""], ""))
    assert "s.tsv:2 z: found nothing, nor in 3 further rows; expected the number of the slice" in text
    assert "run 'three' sees 1 neighbours on each side" in text
    assert "s.tsv z: found no slice whose number is 1 to 1 above another's" in refused(
        own_files(["0", "2", "4", "6"], "z")
    )


def test_numbers_that_are_none_or_stand_twice_are_refused():
    assert "s.tsv:3 z: found '1.5'; expected a whole number" in refused(
        own_files(["0", "1.5", "2", "3"], "z")
    )
    assert "s.tsv:4 z: found slice 1, also in row 3" in refused(own_files(["0", "1", "1", "2"], "z"))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"runs__three__network__in_channels": 1}, "(2 x input.neighbours + 1) x data.channels = 3"),
        ({"runs__plain__input__beyond_part": True}, "expected false, as input.neighbours is 0"),
        ({"runs__three__augment": {"stain": 0.05}}, "expected 0, as augment.stain is 0.05"),
        (
            {"runs__plain": {"classifier": {"name": "lda"}, "input": {"neighbours": 1}}},
            "runs.plain.input.neighbours: found 1; expected 0, as the run is a pixel classifier",
        ),
        (
            {"runs__plain__network__in_channels": 3},
            "data.channels: found 1; expected 3, the in_channels of every network",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, text):
    assert text in refused(**changes)


def test_all_runs_may_see_neighbours():
    """The channels of the data are those of a slice."""
    content = copy.deepcopy(STUDY)
    del content["runs"]["plain"], content["runs"]["both"]
    assert plan(content).study.data.channels == 1


def rows_of(found, folder):
    newcomers = find_newcomers(Path(folder), found.study, [found.study.runs["three"]])
    return newcomers, {
        row["sample"]: row for row in Asked(found, "both", "main", 0, newcomers=newcomers).rows()
    }


def test_new_slices_are_ordered_by_their_names_or_pages():
    found = plan()
    Path("new").mkdir()
    for name in ("a9.png", "a10.png", "a8.png"):
        Image.fromarray(np.zeros((32, 32), np.uint8)).save(f"new/{name}")
    newcomers, rows = rows_of(found, "new")
    assert newcomers.faults == ()
    assert [place["image"] for place in rows["a9"]["neighbours"]] == [
        "new/a8.png",
        "new/a9.png",
        "new/a10.png",
    ]
    tifffile.imwrite("v.tif", np.zeros((3, 32, 32), np.uint8), photometric="minisblack", metadata=None)
    _, rows = rows_of(found, "v.tif")
    assert [place["page"] for place in rows["v_2"]["neighbours"]] == [1, 2, 1]


def test_new_slices_without_an_order_are_refused():
    found = plan()
    Path("new").mkdir()
    Image.fromarray(np.zeros((32, 32), np.uint8)).save("new/last.png")
    newcomers, _ = rows_of(found, "new")
    (fault,) = newcomers.faults
    assert "'last.png'" in str(fault)
    assert "names end in the number of the slice" in str(fault)
    assert find_newcomers(Path("new"), found.study, [found.study.runs["plain"]]).faults == ()
