# SPDX-License-Identifier: MIT
"""Outlines from annotation files: what is read, what is refused, and that nothing else can happen."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.io.annotations import AnnotationError, Polygon, read_polygons

relaxed = settings(deadline=None, max_examples=150)
SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4)]


def region(vertices=SQUARE, **attributes):
    known = {"Id": "1", "Type": "0", "NegativeROA": "0", "Text": ""} | attributes
    opened = " ".join(f'{key}="{value}"' for key, value in known.items())
    points = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in vertices)
    return f"<Region {opened}><Attributes/><Vertices>{points}</Vertices></Region>"


def layer(*regions, name=""):
    head = '<RegionAttributeHeaders><AttributeHeader Id="9999" Name="Region"/></RegionAttributeHeaders>'
    return f'<Annotation Id="1" Name="{name}"><Regions>{head}{"".join(regions)}</Regions></Annotation>'


def xml(*layers):
    return f'<Annotations MicronsPerPixel="0.252">{"".join(layers)}</Annotations>'


def feature(kind="Polygon", coordinates=None, **properties):
    ring = [[*vertex] for vertex in [*SQUARE, SQUARE[0]]]
    coordinates = [ring] if coordinates is None else coordinates
    return {
        "type": "Feature",
        "id": "PathDetectionObject",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


@pytest.fixture
def write(tmp_path):
    def writer(content, name="file.xml"):
        path = tmp_path / name
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)
        return path

    return writer


def test_regions_come_in_file_order_over_all_layers(write):
    path = write(
        xml(
            layer(region(Id="7", Text="a"), region([(1, 1), (2, 1), (2, 3)], Id="3"), name="Nucleus"),
            layer(region(NegativeROA="1", Type="1"), name="Hole"),
        )
    )
    found = read_polygons(path)
    assert [(p.region, p.classification, p.text, p.negative) for p in found] == [
        ("7", "Nucleus", "a", False),
        ("3", "Nucleus", "", False),
        ("1", "Hole", "", True),
    ]
    assert [p.area for p in found] == [16, 1, 16]
    assert found[1].rings[0].tolist() == [[1, 1], [2, 1], [2, 3]]


def test_closing_and_repeated_vertices_are_left_out(write):
    doubled = [(0, 0), (0, 0), (4, 0), (4, 4), (4, 4), (0, 4), (0, 0), (0, 0)]
    (found,) = read_polygons(write(xml(layer(region(doubled)))))
    assert found.rings[0].tolist() == [[*vertex] for vertex in SQUARE]


def test_an_image_without_objects_has_the_right_structure(write):
    assert read_polygons(write(xml(layer()))) == []
    assert read_polygons(write('{"type": "FeatureCollection", "features": []}')) == []
    assert read_polygons(write("[]")) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(write, encoding):
    head = f'<?xml version="1.0" encoding="{"utf-8" if encoding == "utf-8-sig" else encoding}"?>'
    (found,) = read_polygons(write((head + xml(layer(region(Text="Kern µ")))).encode(encoding)))
    assert found.text == "Kern µ"


def test_numbers_in_any_decimal_form(write):
    (found,) = read_polygons(write(xml(layer(region([(" 1.5", "-2"), ("+3e1", ".5"), ("4.", "1E0")])))))
    assert found.rings[0].tolist() == [[1.5, -2], [30, 0.5], [4, 1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "0 bytes"),
        ("hello", "neither XML nor JSON"),
        ("<Annotations><Annotation>", "not well-formed XML.*complete ImageScope file"),
        ("<svg/>", "root is <svg>, expected <Annotations>"),
        ("<Annotations/>", "found 0 <Annotation>, none with <Regions>"),
        ("<Annotations><Annotation/></Annotations>", "found 1 <Annotation>, none with <Regions>"),
        ('<!DOCTYPE Annotations SYSTEM "x.dtd"><Annotations/>', "document type"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><Annotations>&b;</Annotations>', "document type"),
        ("<a>" * 1000 + "</a>" * 1000, "nested more than 64"),
        ('<?xml version="1.0" encoding="nothing"?><Annotations/>', "not well-formed"),
        (
            xml(layer("<Region Id='5'/>")),
            r"file.xml, region 5 \(line 1\): found no <Vertices>",
        ),
        (xml(layer(region(Id="8", Type="2"))), "region 8.*found Type '2', expected 0 .polygon. or 1"),
        (
            xml(layer(region([(0, 0), (1, "a"), (2, 2)]))),
            "region 1.*vertex 2 has 'a' for Y, expected",
        ),
        (xml(layer(region([(0, 0), ("1,5", 2), (2, 2)]))), "vertex 2 has '1,5' for X"),
        (xml(layer(region([(0, 0), ("1_0", 2), (2, 2)]))), "vertex 2 has '1_0' for X"),
        (xml(layer(region([(0, 0), ("nan", 2), (2, 2)]))), "vertex 2 has 'nan' for X"),
        (xml(layer(region([(0, 0), ("1e999", 2), (2, 2)]))), r"vertex 2 is \(inf, 2\), expected finite"),
        (xml(layer(region([(0, 0), ("1e9", 2), (2, 2)]))), "vertex 2 is .1e.09, 2., expected finite"),
        (xml(layer(region().replace('Y="4"', ""))), "vertex 3 has no value for Y"),
        (xml(layer(region([]))), "region 1.*fewer than 3 different vertices"),
        (xml(layer(region([(0, 0), (1, 1), (0, 0)]), region([]))), "fewer than 3.*and 1 regions more"),
        ("{", "not JSON in UTF-8"),
        (b"[\xff]", "not JSON in UTF-8"),
        ("[" * 100_000, "not JSON in UTF-8"),
        ('{"type": "Topology"}', "type 'Topology', expected a FeatureCollection"),
        ("[3]", "feature 1: found 'int', expected an object of type 'Feature'"),
        (json.dumps(feature("Point", [1, 2])), "feature 1 .id PathD.*geometry 'Point', expected Polygon"),
        (json.dumps(feature("Polygon", 3)), "found 3 where a list of rings"),
        (json.dumps(feature("Polygon", [[[1]]])), r"found \[1\], expected a position"),
        (json.dumps(feature("Polygon", [[[1, True]]])), "expected a position"),
        (json.dumps(feature("Polygon", [[[1, 2], [3, float("nan")], [4, 4]]])), "vertex 2 is .3, nan."),
        (json.dumps(feature("Polygon", [[[1, 2], [3, 10**400], [4, 4]]])), "vertex 2 is .3, inf."),
        (json.dumps(feature("Polygon", [])), "fewer than 3 different vertices"),
    ],
)
def test_what_is_refused(write, content, message):
    with pytest.raises(AnnotationError, match=message) as caught:
        read_polygons(write(content))
    assert "file.xml" in str(caught.value)


def test_missing_files(tmp_path):
    with pytest.raises(AnnotationError, match="found nothing, expected an annotation file"):
        read_polygons(tmp_path / "none.xml")
    with pytest.raises(AnnotationError, match="found a folder"):
        read_polygons(tmp_path)


def test_the_line_of_a_region_is_told(write):
    with pytest.raises(AnnotationError, match=r"region 9 \(line 3\)"):
        read_polygons(write(xml("\n", layer("\n", region(Id="9", Type="3")))))


HOLE = [[1, 1], [1, 2], [2, 2], [2, 1], [1, 1]]
OUTER = [[*vertex] for vertex in [*SQUARE, SQUARE[0]]]


@pytest.mark.parametrize(
    "wrap", [lambda f: f, lambda f: [f], lambda f: {"type": "FeatureCollection", "features": [f]}]
)
def test_geojson_features_with_holes_and_parts(write, wrap):
    far = [[[x + 9, y, 0] for x, y in OUTER]]
    made = feature("MultiPolygon", [[OUTER, HOLE], far], classification={"name": "Tumor"}, name="n")
    (found,) = read_polygons(write(json.dumps(wrap(made)), "a.geojson"))
    assert [len(part) for part in found.parts] == [2, 1]
    assert (found.area, found.classification, found.text) == (31, "Tumor", "n")


@pytest.mark.parametrize(
    ("classification", "expected"),
    [(None, ""), ("Stroma", "Stroma"), ({"names": ["Tumor", "Positive"]}, "Tumor: Positive"), ({}, "")],
)
def test_geojson_classes(write, classification, expected):
    path = write(json.dumps(feature(classification=classification)))
    assert read_polygons(path)[0].classification == expected


def test_the_nucleus_of_a_cell_is_taken(write):
    cell = feature() | {"nucleusGeometry": {"type": "Polygon", "coordinates": [HOLE]}}
    assert read_polygons(write(json.dumps(cell)))[0].area == 1


def refused_or_polygons(path):
    try:
        found = read_polygons(path)
    except AnnotationError:
        return
    assert all(
        isinstance(p, Polygon) and all(np.isfinite(r).all() and len(r) > 2 for r in p.rings) for p in found
    )


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "file"


@relaxed
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(scratch, content):
    scratch.write_bytes(content)
    refused_or_polygons(scratch)


@relaxed
@given(st.data())
def test_damaged_files_are_read_or_refused(scratch, data):
    whole = data.draw(
        st.sampled_from([xml(layer(region(), region())).encode(), json.dumps([feature()]).encode()])
    )
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 9)))
    scratch.write_bytes(whole[:start] + data.draw(st.binary(max_size=6)) + whole[end:])
    refused_or_polygons(scratch)


leaves = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4)
keys = st.sampled_from(["type", "features", "geometry", "coordinates", "properties", "classification", "id"])
names = st.sampled_from(["Feature", "FeatureCollection", "Polygon", "MultiPolygon"])
trees = st.recursive(
    leaves | names,
    lambda more: st.lists(more, max_size=4) | st.dictionaries(keys, more | names, max_size=5),
    max_leaves=20,
)


@relaxed
@given(trees)
def test_any_json_is_read_or_refused(scratch, tree):
    content = json.dumps(tree)
    scratch.write_text(content)
    refused_or_polygons(scratch)
    scratch.write_text(json.dumps([feature("Polygon", tree), feature(classification=tree, name=tree)]))
    refused_or_polygons(scratch)


@relaxed
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=3, max_size=8, unique=True))
def test_both_formats_say_the_same(scratch, vertices):
    found = []
    for content in (xml(layer(region(vertices))), json.dumps(feature("Polygon", [vertices]))):
        scratch.write_text(content)
        found.append(read_polygons(scratch)[0].rings[0])
    assert found[0].tolist() == found[1].tolist() == [[*vertex] for vertex in vertices]


LAUGHS = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))


def test_entities_are_never_expanded(write):
    """A billion laughs: 10 kB that stand for 10 GB."""
    text = f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]><Annotations Name="&a9;"/>'
    with pytest.raises(AnnotationError, match="document type"):
        read_polygons(write(text))


def test_files_that_entities_name_are_never_read(write, tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    text = (
        f'<!DOCTYPE a [<!ENTITY b SYSTEM "{(tmp_path / "secret").as_uri()}">]><Annotations>&b;</Annotations>'
    )
    with pytest.raises(AnnotationError, match="document type") as caught:
        read_polygons(write(text))
    assert "secret" not in str(caught.value).removeprefix(str(tmp_path))


def test_names_that_no_file_can_hold_are_changed(write):
    """JSON may escape half a surrogate pair, which UTF-8 has no bytes for."""
    made = json.dumps(feature(name="x")).replace('"x"', '"\\ud800"').replace("PathDetectionObject", "\\udc00")
    (found,) = read_polygons(write(made, "a.geojson"))
    assert (found.text, found.region) == ("?", "?")


@pytest.mark.parametrize("where", ["type", "geometry"])
def test_values_nested_deep_are_quoted_short(write, where):
    """As deep as the parser of JSON goes, Python's `repr` does not."""
    deep = "[" * 900 + "]" * 900
    text = '{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[@]]}}'
    text = f'{{"type": {deep}}}' if where == "type" else text.replace("@", deep)
    with pytest.raises(AnnotationError) as caught:
        read_polygons(write(text, "a.geojson"))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("is_list", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_features_come_one_by_one_as_from_the_whole_document(write, indent, is_list, count):
    features = [feature(name=f"n{number}") | {"id": f"{number}, ]}}"} for number in range(count)]
    collection = {"type": "FeatureCollection", "features": features}
    for document in (
        features if is_list else collection,
        {"features": features, "type": "FeatureCollection"},
    ):
        found = read_polygons(write(" \n" + json.dumps(document, indent=indent) + "\n"))
        assert [(one.region, one.text) for one in found] == [
            (f["id"], f["properties"]["name"]) for f in features
        ]
        more = document if isinstance(document, list) else document | {"name": "slide", "crs": {"a": [1]}}
        assert len(read_polygons(write(json.dumps(more, indent=indent)))) == count


@pytest.mark.parametrize(
    ("behind", "message"),
    [
        ('], "features": [1]}', "a second list of features behind the first"),
        ('], "type": "Feature"}', "a second list of features behind the first, or another type"),
        (",]}", "not JSON in UTF-8 "),
        ("]} {}", "Extra data: line 1"),
        ("", "not JSON in UTF-8 "),
        ("]", "not JSON in UTF-8 "),
        ('"x"]}', "not JSON in UTF-8 "),
    ],
)
def test_what_stands_behind_the_features_is_looked_at(write, behind, message):
    start = f'{{"type": "FeatureCollection", "features": [{json.dumps(feature())}'
    with pytest.raises(AnnotationError) as caught:
        read_polygons(write(start + behind))
    assert message in str(caught.value)


def test_memory_is_that_of_the_text_and_of_one_feature(write):
    """Sixty outlines of 1,000 vertices, which as one document take nine times the file."""
    ring = [[x + 0.123456, (x * 7919) % 1000 + 0.5] for x in range(1000)]
    outlines = [feature(coordinates=[[*ring, ring[0]]]) for _ in range(60)]
    path = write(json.dumps({"type": "FeatureCollection", "features": outlines}))
    size = path.stat().st_size
    tracemalloc.start()
    found = read_polygons(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 60
    assert peak < 4 * size
