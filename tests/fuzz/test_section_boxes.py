# SPDX-License-Identifier: MIT
"""Boxes of sections, GeoJSON and tables, broken at random."""

import json

from hypothesis import given
from hypothesis import strategies as st

from microtome.config.sections import Proposed
from microtome.io.annotations import AnnotationError
from microtome.io.section_boxes import as_table, feature, in_reading_order, read_boxes, read_table
from microtome.slides.sections import given as given_sections
from tests.fuzz.bounds import bounded, fuzzed
from tests.fuzz.mutations import as_json, edited, reshaped
from tests.io.test_annotations import HOLE, OUTER
from tests.io.test_annotations import feature as polygon

TABLES = (
    b"y\tx\theight\twidth\tlabel\n0\t10\t20\t30\tTumor\n5.5\t60\t20\t30\t\n",
    b"section\ty\tx\theight\twidth\tlabel\n1\t0\t10\t20\t30\tTumor\n2\t5\t60\t20\t30\tNormal\n",
    b'label\twidth\theight\tx\ty\r\n"a ""b"""\t1\t2\t3\t4\r\n',
)
TREES = (
    {"type": "FeatureCollection", "features": [polygon(name="n"), polygon(classification={"name": "Tumor"})]},
    [polygon("MultiPolygon", [[OUTER, HOLE], [[[x + 9, y, 0] for x, y in OUTER]]])],
)
NAMES = ("type", "features", "geometry", "coordinates", "properties", "classification", "name")
ODD = ("Polygon", "MultiPolygon", [[[1, 2], [3, 4], [5, 7]]], [1e7, -1e7], {"names": ["a", 3]})
WORDS = (b"y", b"x", b"height", b"width", b"label", b"section", b"\t", b"\r\n", b"1e7", b"10000001", b"-0.4")
FILES = st.one_of(
    edited(TABLES, WORDS), edited([*map(as_json, TREES)], WORDS), reshaped(TREES, NAMES, ODD).map(as_json)
)


def test_the_seeds_are_sound(folder):
    path = folder / "a"
    for content, count in (
        (TABLES[0], 2),
        (TABLES[1], 2),
        (TABLES[2], 1),
        (as_json(TREES[0]), 2),
        (as_json(TREES[1]), 1),
    ):
        path.write_bytes(content)
        assert len(read_boxes(path)) == count


@fuzzed
@given(content=FILES)
def test_boxes_are_read_or_refused(content, folder):
    """What is read is a rectangle with a label that can be written, and read again as it was."""
    path = folder / "a"
    path.write_bytes(content)
    with bounded(AnnotationError):
        found = read_boxes(path)
        assert all(box.height > 0 and box.width > 0 and box.label.isprintable() for box in found)
        numbered = in_reading_order(found)
        path.write_text(as_table(numbered), encoding="utf-8", newline="")
        assert read_table(path) == numbered
        path.write_text(json.dumps([feature("a", box) for box in numbered]), encoding="utf-8")
        assert len(read_boxes(path)) == len(found)
        given_sections(found, Proposed(), size=(40, 60), classes=("Normal", "Tumor"), path=path)


@fuzzed
@given(content=edited(TABLES, WORDS))
def test_tables_of_the_workflow_are_read_or_refused(content, folder):
    path = folder / "a.tsv"
    path.write_bytes(content)
    with bounded(AnnotationError):
        numbers = [box.section for box in read_table(path)]
        assert len(set(numbers)) == len(numbers)
        assert min(numbers, default=1) > 0
