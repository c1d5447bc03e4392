# SPDX-License-Identifier: MIT
"""GeoJSON annotations, broken at random."""

import json

from hypothesis import given
from hypothesis import strategies as st

from microtome.io.annotations import read_polygons
from tests.fuzz.bounds import fuzzed
from tests.fuzz.mutations import as_json, edited, reshaped
from tests.fuzz.polygons import check_polygons
from tests.io.test_annotations import HOLE, OUTER, feature

TREES = (
    {"type": "FeatureCollection", "features": [feature(name="n"), feature(classification={"name": "Tumor"})]},
    [feature("MultiPolygon", [[OUTER, HOLE], [[[x + 9, y, 0] for x, y in OUTER]]])],
    feature() | {"nucleusGeometry": {"type": "Polygon", "coordinates": [HOLE]}},
)
NAMES = (
    "type",
    "features",
    "geometry",
    "nucleusGeometry",
    "coordinates",
    "properties",
    "classification",
    "id",
)
ODD = (
    "Polygon",
    "MultiPolygon",
    "Feature",
    [[1, 2], [3, 4], [5, 6]],
    [[[1, 2], [3, 4], [5, 7]]],
    [1e7, -1e7],
)
WORDS = (
    *(
        b'"type": "Feature",',
        b'"coordinates": [[[0, 0]]],',
        b'"id": "\\ud800",',
        b'"\\u0000"',
        b"\\",
        b"/**/",
    ),
    *(b'"geometry": {},', b"[[0,0],[1,0],[1,1]],", b"1e7", b"10000001", b"-0.0", b"." * 3),
)


def test_the_seeds_are_sound(folder):
    path = folder / "a.geojson"
    for tree, count in zip(TREES, (2, 1, 1), strict=True):
        path.write_text(json.dumps(tree), encoding="utf-8")
        assert len(read_polygons(path)) == count


FILES = st.one_of(edited([*map(as_json, TREES)], WORDS), reshaped(TREES, NAMES, ODD).map(as_json))


@fuzzed
@given(content=FILES)
def test_annotations_are_read_or_refused(content, folder):
    path = folder / "a.geojson"
    path.write_bytes(content)
    check_polygons(path)
