# SPDX-License-Identifier: MIT
"""Boxes of sections in files: read, numbered, written, and corrected in QuPath."""

import json
from dataclasses import replace

import pandas as pd
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import mark, raises

from microtome.io.annotations import AnnotationError, read_polygons
from microtome.io.section_boxes import Box, in_reading_order, read_boxes, read_table, write_boxes

COLORS = {"tumor": "#E69F00", "normal": "#56B4E9"}
labels = st.sampled_from(("", "tumor", "normal", "Basalzellkarzinom, ä", '"', "NA", "1e3"))
boxes = st.builds(
    Box,
    y=st.integers(0, 10**5),
    x=st.integers(0, 10**5),
    height=st.integers(1, 10**4),
    width=st.integers(1, 10**4),
    label=labels,
)


def qupath(geometry, **properties):
    return {"type": "Feature", "geometry": geometry, "properties": {"objectType": "annotation", **properties}}


def rectangle(x, y, right, bottom):
    ring = [[x, y], [right, y], [right, bottom], [x, bottom], [x, y]]
    return {"type": "Polygon", "coordinates": [ring]}


def saved(folder, content, name="a.geojson"):
    path = folder / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


@settings(deadline=None, max_examples=60)
@given(found=st.lists(boxes, max_size=12))
def test_both_files_give_back_what_was_written(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    numbered = in_reading_order(found)
    write_boxes(folder, "a", numbered, COLORS)
    assert read_table(folder / "a.tsv") == numbered
    plain = [replace(box, section=0) for box in numbered]
    assert read_boxes(folder / "a.tsv") == read_boxes(folder / "a.geojson") == plain
    assert in_reading_order(plain) == numbered


def test_other_readers_see_the_same_rectangles(tmp_path):
    numbered = in_reading_order([Box(y=5, x=7, height=11, width=13, label="tumor")])
    write_boxes(tmp_path, "a", numbered, COLORS)
    assert pd.read_csv(tmp_path / "a.tsv", sep="\t").values.tolist() == [[1, 5, 7, 11, 13, "tumor"]]
    document = json.loads((tmp_path / "a.geojson").read_text(encoding="utf-8"))
    (one,) = document["features"]
    assert shapely.geometry.shape(one["geometry"]).equals(shapely.box(7, 5, 20, 16))
    assert one["properties"]["classification"] == {"name": "tumor", "color": [230, 159, 0]}
    assert "isLocked" not in one["properties"]
    (polygon,) = read_polygons(tmp_path / "a.geojson")
    assert (polygon.classification, polygon.text, polygon.area) == ("tumor", "section 1", 143.0)


def test_what_qupath_leaves_after_correcting_is_read(tmp_path):
    """An edge dragged between pixels, a class changed, a box drawn anew as an ellipse without a class."""
    ellipse = {"type": "Polygon", "coordinates": [[[50, 5], [60.2, 10], [50, 15], [39.8, 10], [50, 5]]]}
    features = [
        qupath(rectangle(10.4, 0.2, 30.6, 20.5), classification={"name": "Tumor", "color": [200, 0, 0]}),
        qupath(ellipse, name="section 2"),
        qupath(rectangle(0, 30, 5, 40), classification={"names": ["Tumor", "unsure"]}),
    ]
    for content in ({"type": "FeatureCollection", "features": features}, features):
        assert read_boxes(saved(tmp_path, content)) == [
            Box(y=0, x=10, height=21, width=21, label="Tumor"),
            Box(y=5, x=40, height=10, width=20),
            Box(y=30, x=0, height=10, width=5, label="Tumor: unsure"),
        ]


def test_columns_of_a_table_stand_in_any_order(tmp_path):
    text = "label\twidth\theight\tx\ty\nTumor\t4\t3\t2\t1\n\n\t4.4\t3\t2\t1\n"
    found = read_boxes(saved(tmp_path, text, "a.tsv"))
    assert found == [Box(y=1, x=2, height=3, width=4, label="Tumor"), Box(y=1, x=2, height=3, width=4)]


def test_a_table_without_labels_has_none(tmp_path):
    assert read_boxes(saved(tmp_path, "y\tx\theight\twidth\r\n1\t2\t3\t4\r\n", "a.tsv"))[0].label == ""


HEAD = "y\tx\theight\twidth\tlabel\n"


@mark.parametrize(
    ("content", "said"),
    [
        ("", "0 bytes"),
        ("y\tx\theight\n1\t2\t3\n", "line 1: found no column width"),
        (HEAD.replace("label", "lable") + "1\t2\t3\t4\tTumor\n", "line 1: found the columns 'lable'"),
        (HEAD.replace("label", "y") + "1\t2\t3\t4\t5\n", "a column twice"),
        (HEAD + "1\t2\t3\t4\n", "line 2: found 4 cells, expected 5"),
        (HEAD + "1\t2\t3\t4\ta\n1\t2\tx\t4\ta\n", "line 3, column height: found 'x'"),
        (HEAD + "1\t2\t0\t4\ta\n", "line 2: found a box of 0 x 4 pixels"),
        (HEAD + "1\t2\t-3\t4\ta\n", "a box of -3 x 4 pixels"),
        (HEAD + "1\tinf\t3\t4\ta\n", "column x: found inf"),
        (HEAD + "1\tnan\t3\t4\ta\n", "column x: found 'nan'"),
        (HEAD + "1_0\t2\t3\t4\ta\n", "column y: found '1_0'"),
        (HEAD + "1\t2\t3\t4\ta\u2028b\n", "a label that prints"),
        ("y,x,height,width\n1,2,3,4\n", "no column y, x, height, width"),
        ('{"type": "FeatureCollection"}', "JSON of type"),
        ('{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}}', "geometry 'Point'"),
        (json.dumps([qupath(rectangle(1, 1, 1, 5))]), "feature 1: found a box of 4 x 0 pixels"),
        (json.dumps([qupath({"type": "MultiPolygon", "coordinates": []})]), "no corners"),
        (json.dumps([qupath(rectangle(0, 0, 1e9, 5))]), "slide pixels up to"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, said):
    with raises(AnnotationError) as error:
        read_boxes(saved(tmp_path, content))
    assert said in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_a_missing_file_is_asked_for(tmp_path):
    with raises(AnnotationError, match="check the column `sections`"):
        read_boxes(tmp_path / "none.tsv")


@mark.parametrize("numbers", [(1, 1), (0, 1)])
def test_tables_of_the_workflow_have_a_number_for_each_section(tmp_path, numbers):
    rows = "".join(f"{number}\t1\t2\t3\t4\t\n" for number in numbers)
    with raises(AnnotationError, match="a number of its own"):
        read_table(saved(tmp_path, "section\ty\tx\theight\twidth\tlabel\n" + rows, "a.tsv"))


@settings(deadline=None, max_examples=100)
@given(
    found=st.lists(boxes, max_size=10, unique_by=lambda box: (box.y, box.x, box.height, box.width)),
    seed=st.randoms(),
)
def test_the_order_does_not_depend_on_the_file(found, seed):
    shuffled = list(found)
    seed.shuffle(shuffled)
    assert in_reading_order(shuffled) == in_reading_order(found)
    assert [box.section for box in in_reading_order(found)] == list(range(1, len(found) + 1))


@settings(deadline=None, max_examples=50)
@given(rows=st.integers(1, 4), columns=st.integers(1, 5), seed=st.randoms())
def test_sections_on_a_grid_are_read_like_a_page(rows, columns, seed):
    """Each is shifted by up to a third of its height, as sections on glass are."""
    placed = [
        Box(
            y=1000 * row + seed.randint(0, 200), x=1000 * column + seed.randint(0, 200), height=600, width=600
        )
        for row in range(rows)
        for column in range(columns)
    ]
    shuffled = list(placed)
    seed.shuffle(shuffled)
    assert [replace(box, section=0) for box in in_reading_order(shuffled)] == placed
