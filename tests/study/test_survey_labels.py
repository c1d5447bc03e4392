# SPDX-License-Identifier: MIT
"""What labels hold: classes by value, colour or name, numbers of objects, pixels without a label."""

import json

import numpy as np
import pytest
from PIL import Image

from microtome.study.survey.labels import look_into


def save(folder, *arrays, ending="png"):
    paths = [folder / f"{number}.{ending}" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        Image.fromarray(np.asarray(array)).save(path)
    return [(path, None) for path in paths]


def squares(*values, side=8):
    """Squares of these values side by side, a row of background between."""
    label = np.zeros((side + 2, len(values) * (side + 2)), np.uint16)
    for number, value in enumerate(values):
        label[1:-1, number * (side + 2) + 1 : (number + 1) * (side + 2) - 1] = value
    return label


@pytest.mark.parametrize(
    ("values", "classes", "ignore"),
    [
        ([0, 255], {"background": 0, "foreground": 255}, ()),
        ([0, 1, 2], {"background": 0, "class_1": 1, "class_2": 2}, ()),
        ([1, 2], {"class_1": 1, "class_2": 2}, ()),
        ([0, 1, 255], {"background": 0, "class_1": 1}, (255,)),
        ([0, 1, 2, 3, 4, 5, 7], {"background": 0} | {f"class_{n}": n for n in range(1, 6)}, (7,)),
        ([0, 128, 255], {"background": 0, "class_128": 128, "class_255": 255}, ()),
    ],
)
def test_values_are_classes(tmp_path, values, classes, ignore):
    found = look_into(save(tmp_path, np.array([values, values], np.uint8)))
    expected = (
        classes
        if len(classes) > 2 or 0 not in classes.values()
        else dict(zip(["background", "foreground"], classes.values(), strict=True))
    )
    assert (found.form, dict(found.classes), found.ignore) == ("values", expected, ignore)
    assert any("data.classes" in one.option for one in found.questions)
    assert bool(ignore) == any("data.ignore" in one.option for one in found.questions)


def test_numbers_of_objects_are_known_by_their_pieces(tmp_path):
    assert look_into(save(tmp_path, squares(*range(1, 12)), squares(*range(5, 19)))).form == "objects"


def test_few_objects_are_known_by_their_count_that_differs(tmp_path):
    labels = [squares(*range(1, count + 1)).astype(np.uint8) for count in (3, 1, 5, 2)]
    found = look_into(save(tmp_path, *labels, squares(0).astype(np.uint8)))
    assert found.form == "objects"
    assert [one.option for one in found.questions] == ["targets.kind"], "they may be classes"


def test_many_objects_are_beyond_doubt(tmp_path):
    assert not look_into(save(tmp_path, squares(*range(1, 41)))).questions


@pytest.mark.parametrize(
    "labels", [[(1, 2, 3), (1, 2, 3)], [(1,), (1, 3)], [(1,), (1, 2)], [(1, 1, 1, 2, 3), (1, 2)]]
)
def test_values_that_are_the_same_in_all_images_are_classes(tmp_path, labels):
    assert look_into(save(tmp_path, *(squares(*one).astype(np.uint8) for one in labels))).form == "values"


def test_it_is_asked_whether_single_pieces_are_objects(tmp_path):
    options = [one.option for one in look_into(save(tmp_path, squares(1, 2, 3).astype(np.uint8))).questions]
    assert options == ["data.classes", "targets.kind: instances"]


def test_masks_of_one_class_with_two_values_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"found 0 and 255 in 1 labels, 0 and 1 in 2 \(0.png, …\)"):
        look_into(save(tmp_path, *(np.array([[0, value]], np.uint8) for value in (1, 1, 255))))


def test_grey_masks_among_coloured_ones_are_refused(tmp_path):
    colours = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match=r"1\.png: found 1 of the labels in grey and 2 in colours"):
        look_into(save(tmp_path, colours, np.zeros((4, 4), np.uint8), colours))


def test_a_mask_of_many_pieces_is_a_class(tmp_path):
    found = look_into(save(tmp_path, squares(*[1, 2] * 9).astype(np.uint8)))
    assert (found.form, len(found.classes)) == ("values", 3)


def test_many_values_in_pieces_are_neither(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    with pytest.raises(
        ValueError, match=r"found 256 values in the labels; expected one for each of at most 32"
    ):
        look_into(save(tmp_path, noise))


def test_one_value_alone_is_refused(tmp_path):
    with pytest.raises(ValueError, match="found the value 0 alone in all labels"):
        look_into(save(tmp_path, np.zeros((4, 4), np.uint8)))


def test_colours_are_classes_called_by_their_colours(tmp_path):
    array = np.zeros((4, 6, 3), np.uint8)
    array[:, 2:5], array[:, 5] = (190, 255, 0), (112, 48, 160)
    found = look_into(save(tmp_path, array))
    assert found.form == "colours"
    assert dict(found.colors) == {
        "background": "#000000",
        "greenyellow": "#beff00",
        "rebeccapurple": "#7030a0",
    }
    assert list(found.classes.values()) == [0, 1, 2]


def test_smoothed_colours_are_refused(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    with pytest.raises(
        ValueError, match=r"found 256 colours; expected .* smoothed, resized or saved as JPEG"
    ):
        look_into(save(tmp_path, np.stack([ramp, ramp // 2, 255 - ramp], axis=-1)))


def test_labels_as_jpeg_are_refused(tmp_path):
    with pytest.raises(ValueError, match="found a label as JPEG"):
        look_into(save(tmp_path, np.zeros((8, 8), np.uint8), ending="jpg"))


def geojson(path, names, kind="annotation"):
    ring = [[0, 0], [4, 0], [4, 4], [0, 0]]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"objectType": kind} | ({"classification": {"name": name}} if name else {}),
        }
        for name in names
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return [(path, None)]


def test_regions_have_the_names_of_their_outlines(tmp_path):
    found = look_into(geojson(tmp_path / "a.geojson", ["Tumor: +", "Stroma", "Stroma", "Region*", ""]))
    assert found.form == "regions"
    assert list(found.classes) == ["background", "Stroma", "Tumor"]
    assert dict(found.names) == {"Tumor: +": "Tumor"}
    assert (found.outside, found.is_unnamed_skipped) == ("background", True)


def test_names_that_files_cannot_have_stay_apart(tmp_path):
    found = look_into(geojson(tmp_path / "a.geojson", ["腫瘍", "腫瘍", "間質", "Tumor", "tumor "]))
    assert len(found.classes) == 4, "background, two of the Japanese names, one of Tumor in two writings"
    assert dict(found.names) == {"腫瘍": "region", "間質": "region-2", "tumor ": "Tumor"}


def test_where_the_rest_is_drawn_what_is_outside_has_no_label(tmp_path):
    found = look_into(geojson(tmp_path / "a.geojson", ["Tumor", "Normal"]))
    assert (list(found.classes), found.outside) == (["Normal", "Tumor"], None)


@pytest.mark.parametrize(
    ("names", "kind", "are_regions", "form"),
    [
        ([""] * 20, "annotation", False, "outlined objects"),
        (["Nucleus"] * 20, "annotation", False, "outlined objects"),
        (["Tumor"] * 20, "annotation", True, "regions"),
        (["Tumor"] * 5, "annotation", False, "regions"),
        (["a", "b"], "cell", False, "outlined objects"),
        (["a", "b"] * 20, "annotation", False, "outlined objects"),
        (["a", "b"] * 10, "annotation", False, "regions"),
    ],
)
def test_outlines_are_objects_or_regions(tmp_path, names, kind, are_regions, form):
    found = look_into(geojson(tmp_path / "a.geojson", names, kind), are_regions=are_regions)
    assert found.form == form
    assert next(iter(found.classes)) == "background"


@pytest.mark.parametrize(("count", "kind", "asked"), [(20, "annotation", True), (20, "cell", False)])
def test_it_is_asked_whether_many_outlines_are_objects(tmp_path, count, kind, asked):
    found = look_into(geojson(tmp_path / "a.geojson", ["Nucleus"] * count, kind))
    assert ("targets.kind" in [one.option for one in found.questions]) == asked


def test_objects_of_several_classes_keep_them(tmp_path):
    found = look_into(geojson(tmp_path / "a.geojson", ["Immune cells", "Tumor"], "cell"))
    assert list(found.classes) == ["background", "Immune-cells", "Tumor"]
    assert dict(found.names) == {"Immune cells": "Immune-cells"}


def test_files_without_an_outline_are_refused(tmp_path):
    with pytest.raises(ValueError, match="found no outline"):
        look_into(geojson(tmp_path / "a.geojson", []))
