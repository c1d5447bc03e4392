# SPDX-License-Identifier: MIT
"""What belongs together, by names and folders, and how images are divided."""

from collections import Counter
from pathlib import Path

import pytest

from microtome.study.survey.division import divide, divide_mixed, keep_parts, shown, told_parts
from microtome.study.survey.groups import Groups, find_groups
from microtome.study.survey.pictures import Picture

ROOT = Path("/data")


def pictures(*names, page=False):
    shared = {"height": 64, "width": 64, "channels": 1, "dtype": "uint8", "format": "PNG"}
    return [
        Picture(
            path=ROOT / f"{name}.png", sample=name.replace("/", "-"), page=number if page else None, **shared
        )
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("names", "column", "groups"),
    [
        (
            ["TCGA-18-5592-01Z", "TCGA-18-5592-02Z", "TCGA-21-5784-01Z"],
            "patient",
            ["TCGA-18-5592", "TCGA-21-5784"],
        ),
        (["P01_a", "P01_b", "P02_a"], "patient", ["P01", "P02"]),
        (["x_patient-3_1", "x_patient-4_1"], "patient", ["patient-3", "patient-4"]),
        (["A_1", "A_2", "B_1", "C_1"], "patient", ["A", "B", "C"]),
        (["u/1", "u/2", "v/3", "w/4"], "patient", ["u", "v", "w"]),
        (["P1/s1/a", "P1/s2/b", "P2/s1/c", "P3/s1/d"], "patient", ["P1", "P2", "P3"]),
        (["u/s1/a", "u/s2/b", "v/s1/c", "w/s1/d"], "patient", ["u", "v", "w"]),
        (
            ["clinic/u/a", "clinic/u/b", "clinic/v/c", "clinic/w/d"],
            "patient",
            ["clinic-u", "clinic-v", "clinic-w"],
        ),
        (["P01_1", "p1_2", "P 1_3", "P2_1", "control"], "patient", ["P01", "P2", "control"]),
        (["train/a", "train/b", "val/c", "test/d"], "sample", ["train-a", "train-b", "val-c", "test-d"]),
        (["train_1", "train_2", "val_1", "test_1"], "sample", ["train_1", "train_2", "val_1", "test_1"]),
        (["S1_p1", "S1_p2", "S2_p1", "S3_p1"], "patient", ["S1", "S2", "S3"]),
        (["HE_P1_1", "KI_P1_1", "HE_P2_1"], "patient", ["P1", "P2"]),
        (["x/p1/a", "x/p1/b", "x/p2/c"], "patient", ["p1", "p2"]),
        (["one", "two", "three"], "sample", ["one", "two", "three"]),
        (["1", "2", "3"], "sample", ["1", "2", "3"]),
    ],
)
def test_patients_are_read_from_names(names, column, groups):
    found = find_groups(pictures(*names), "tiles", ROOT)
    assert (found.column, found.names) == (column, groups)
    assert found.questions, "a person confirms it"


def test_slices_in_several_folders_are_in_blocks_of_each():
    found = find_groups(pictures("test/8", "test/9", "train/0", "train/1"), "stack", ROOT)
    assert found.of["test-9"] != found.of["train-0"]


def test_parts_that_folders_tell_are_kept():
    found = pictures("train/a", "train/b", "val/c", "test set/d")
    told = told_parts(found, ROOT)
    assert list(told.values()) == ["train", "train", "val", "test"]
    assert keep_parts(find_groups(found, "tiles", ROOT), told).parts == told


@pytest.mark.parametrize(
    "names",
    [["test/a", "test/b"], ["train/a", "other/b"], ["val/a", "test/b"], ["a", "b"], ["trainer/a", "test/b"]],
)
def test_parts_are_those_of_every_image_or_none(names):
    assert told_parts(pictures(*names), ROOT) == {}


def test_a_part_that_is_not_told_is_drawn_from_training_by_patient():
    names = [*(f"train/P{n}_{each}" for n in range(8) for each in "ab"), "test/P8_a"]
    groups = find_groups(pictures(*names), "tiles", ROOT)
    parts = keep_parts(groups, told_parts(pictures(*names), ROOT)).parts
    assert Counter(parts.values()) == {"train": 14, "val": 2, "test": 1}
    assert len({groups.of[name] for name, part in parts.items() if part == "val"}) == 1


def test_slices_are_in_blocks_of_neighbours():
    found = find_groups(pictures(*(f"{n:02d}" for n in range(8))), "stack", ROOT)
    assert list(found.of.values()) == ["b0", "b0", "b0", "b1", "b1", "b1", "b2", "b2"]
    assert found.is_in_order


def test_tiles_of_one_slide_are_in_stretches():
    names = [f"S1_{x}x{y}" for x in range(0, 6144, 512) for y in (0, 512)]
    found = find_groups(pictures(*names), "tiles", ROOT)
    assert found.column == "block"
    by_column = {name.split("_")[1].split("x")[0]: group for name, group in found.of.items()}
    assert len(set(found.of.values())) == 6
    assert [by_column[str(x)] for x in range(0, 6144, 512)] == sorted(by_column.values())


def test_tiles_of_several_slides_are_by_slide():
    names = [f"{slide}_{x}x{y}" for slide in ("S1", "S2", "S3") for x in (0, 512) for y in (0, 512)]
    assert find_groups(pictures(*names), "tiles", ROOT).names == ["S1", "S2", "S3"]


def of_groups(count, each=1, *, is_in_order=False):
    names = {f"g{group}-{n}": f"g{group}" for group in range(count) for n in range(each)}
    return Groups("patient", names, "", "", is_in_order=is_in_order)


@pytest.mark.parametrize(
    ("count", "kind"), [(2, "none"), (3, "folds"), (9, "folds"), (10, "random"), (50, "random")]
)
def test_few_groups_are_tested_in_turn(count, kind):
    assert divide(of_groups(count), is_labelled=True).kind == kind
    assert divide(of_groups(count), is_labelled=False).kind == "none"


def test_stretches_are_parts_and_no_group_is_in_two():
    groups = of_groups(8, 3, is_in_order=True)
    found = divide(groups, is_labelled=True)
    parts = {groups.of[sample]: part for sample, part in found.parts.items()}
    assert list(parts.values()) == ["train"] * 5 + ["val"] + ["test"] * 2
    assert Counter(found.parts.values()) == {"train": 15, "val": 3, "test": 6}


@pytest.mark.parametrize("sizes", [(8, 12, 1, 2, 2, 1), (2, 2, 2, 2, 12, 6), (6, 12, 2, 2, 2, 2)])
def test_stretches_of_unlike_size_train_on_most(sizes):
    of = {f"{group}-{n}": f"g{group}" for group, size in enumerate(sizes) for n in range(size)}
    found = divide(Groups("block", of, "", "", is_in_order=True), is_labelled=True)
    counts = Counter(found.parts.values())
    assert counts["train"] >= 18
    assert min(counts["val"], counts["test"]) > 0


@pytest.mark.parametrize("count", [3, 4, 6, 20])
def test_parts_that_choose_and_test_have_both_classes(count):
    groups = of_groups(count)
    mixed = list(groups.of)[-2:]
    parts = divide_mixed(groups, mixed).parts
    assert {parts[one] for one in mixed} == {"val", "test"}
    assert set(parts.values()) == {"train", "val", "test"}


def test_the_demo_shows_some_of_each_part_and_many_groups():
    groups = of_groups(10, 30, is_in_order=True)
    division = divide(groups, is_labelled=True)
    chosen = shown(groups, division)
    assert len(chosen) <= 32
    assert {division.parts[sample] for sample in chosen} == {"train", "val", "test"}
    assert len({groups.of[sample] for sample in chosen}) >= 9
    assert chosen == [sample for sample in groups.of if sample in chosen]
