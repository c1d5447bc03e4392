# SPDX-License-Identifier: MIT
"""Which outlines of QuPath's and ImageScope's files are labels, of which class, and how they are drawn."""

import json

import numpy as np
from pytest import fixture, mark, raises

from microtome.config.features import Features
from microtome.io.annotations import AnnotationError, read_names, read_polygons
from microtome.objects.features import load_classes, load_objects

SHAPE = (20, 30)
CLASSES = ["background", "tumor", "stroma"]
TWO = ["background", "nucleus"]


def box(left, top, right, bottom, *, name="", kind="", cell=False, hole=None, **more):
    """A feature of QuPath with a rectangle."""
    rings = [_ring(left, top, right, bottom)] + ([_ring(*hole)] if hole else [])
    properties = {"objectType": kind} if kind else {}
    properties |= {"classification": {"name": name, "color": [1, 2, 3]}} if name else {}
    geometry = {"type": "Polygon", "coordinates": rings}
    nucleus = {
        "nucleusGeometry": {"type": "Polygon", "coordinates": [_ring(left + 1, top + 1, right, bottom)]}
    }
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": properties,
        **(nucleus if cell else {}),
        **more,
    }


def _ring(left, top, right, bottom):
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def layer(name, *regions, attribute="Description"):
    """A layer of ImageScope; regions are (left, top, right, bottom) or that and NegativeROA."""
    drawn = "".join(
        f'<Region Id="{n}" NegativeROA="{int(len(r) > 4)}"><Vertices>'
        + "".join(f'<Vertex X="{x}" Y="{y}"/>' for x, y in _ring(*r[:4])[:4])
        + "</Vertices></Region>"
        for n, r in enumerate(regions, start=1)
    )
    named = f'<Attributes><Attribute Name="{attribute}"/></Attributes>'
    return f'<Annotation Name="{name}">{named}<Regions>{drawn}</Regions></Annotation>'


@fixture
def write(tmp_path):
    def writer(*content):
        is_xml = isinstance(content[0], str)
        path = tmp_path / ("a.xml" if is_xml else "a.geojson")
        text = f"<Annotations>{''.join(content)}</Annotations>" if is_xml else json.dumps(content)
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def draw(path, *, order="area", outside=0, **features):
    options = {"classes": CLASSES, "order": order, "outside": outside}
    return load_classes(path, SHAPE, Features(**features), **options)


def objects(path, classes=TWO, **features):
    found, of, left_out = load_objects(path, SHAPE, Features(**features), classes=classes)
    present = [n for n in np.unique(found.labels).tolist() if n]
    return {n: of[n] for n in present}, dict(left_out)


NESTED = (box(5, 5, 9, 9, name="stroma"), box(2, 2, 20, 18, name="tumor"))


REVERSED = (box(5, 5, 9, 9, name="tumor"), box(2, 2, 20, 18, name="stroma"))


@mark.parametrize(
    ("order", "features", "outer", "inner"),
    [
        ("area", NESTED, 1, 2),
        ("area", NESTED[::-1], 1, 2),
        ("file", NESTED, 1, 1),
        ("file", NESTED[::-1], 1, 2),
        ("classes", NESTED, 1, 2),
        ("classes", REVERSED, 2, 2),
    ],
)
def test_the_order_says_which_of_two_lies_on_top(order, features, outer, inner, write):
    target, _ = draw(write(*features), order=order)
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:18, 2:20], expected[5:9, 5:9] = outer, inner
    assert np.array_equal(target, expected)
    assert target.dtype == np.uint8


def test_holes_show_what_lies_outside(write):
    target, _ = draw(write(box(2, 2, 20, 18, name="tumor", hole=(5, 5, 9, 9))), outside=255)
    assert (target[5:9, 5:9] == 255).all()
    assert np.count_nonzero(target == 1) == 16 * 18 - 16
    assert np.count_nonzero(target == 255) == target.size - 16 * 18 + 16


def test_a_negative_region_cuts_its_own_layer_alone(write):
    path = write(layer("tumor", (0, 0, 10, 10), (2, 2, 4, 4, "negative")), layer("stroma", (0, 0, 20, 15)))
    target, _ = draw(path)
    assert (target[2:4, 2:4] == 2).all(), "the stroma below shows"
    assert np.count_nonzero(target == 1) == 100 - 4
    assert read_names(path) == {("tumor", ""): 1, ("stroma", ""): 1}


def test_layers_of_monusac_are_named_by_an_attribute(write):
    path = write(layer("", (0, 0, 5, 5), attribute="tumor"), layer("", (9, 9, 12, 12), attribute="stroma"))
    assert [p.classification for p in read_polygons(path)] == ["tumor", "stroma"]
    assert [p.classification for p in read_polygons(write(layer("", (0, 0, 5, 5))))] == [""]


def test_names_that_no_class_has_are_listed_beside_the_nearest(write):
    path = write(box(0, 0, 5, 5, name="Tumour"), box(6, 0, 9, 5, name="stroma"), box(6, 6, 9, 9, name="x"))
    told = r"a.geojson: found 'Tumour' on 1 outline \(names found: Tumour, stroma, x\) and 'x' on 1 outline"
    with raises(AnnotationError, match=told + r".*expected 'tumor'\? \(known: background, stroma, tumor\)"):
        draw(path)
    target, left_out = draw(path, names={"Tumour": "tumor"}, skip=["x"])
    assert (left_out, np.unique(target).tolist()) == ({"class 'x'": 1}, [0, 1, 2])


def test_outlines_without_a_class_are_refused_or_counted(write):
    path = write(box(0, 0, 5, 5), box(6, 0, 9, 5, name="stroma"))
    with raises(AnnotationError, match=r"1 outline without a class .* targets.features.unclassified: skip"):
        draw(path)
    assert draw(path, unclassified="skip")[1] == {"no class": 1}


def test_semantic_labels_are_annotations_where_there_are_some(write):
    path = write(
        box(0, 0, 15, 15, name="tumor", kind="annotation"),
        box(2, 2, 4, 4, name="Lymphocyte", kind="detection"),
        box(0, 0, 30, 20, name="Region*", kind="annotation"),
    )
    target, left_out = draw(path)
    assert np.count_nonzero(target == 1) == 225
    assert left_out == {"object type detection": 1, "class 'Region*'": 1}


NUCLEI = (box(2, 2, 5, 5), box(8, 8, 12, 12), box(20, 3, 24, 8))


def typed(kind, features=NUCLEI):
    return [{**one, "properties": {**one["properties"], "objectType": kind}} for one in features]


@mark.parametrize(
    ("features", "reason"),
    [
        ([box(0, 0, 14, 14, kind="annotation"), *typed("detection")], "object type annotation"),
        ([box(0, 0, 14, 14, kind="annotation", name="x"), *typed("cell")], "object type annotation"),
        ([box(0, 0, 14, 14), *typed("detection")], "no object type"),
        ([box(0, 0, 14, 14), *NUCLEI], "encloses others"),
        ([box(0, 0, 14, 14, kind="annotation"), *typed("annotation")], "encloses others"),
        ([box(0, 0, 30, 20), *NUCLEI], "encloses others"),
        ([box(0, 0, 30, 20)], "covers half of the image"),
        ([box(15, 10, 18, 14, name="Ignore*"), *NUCLEI], "class 'Ignore*'"),
        ([box(15, 10, 18, 14, kind="tile"), *NUCLEI], "object type tile"),
    ],
)
def test_a_region_is_never_taken_for_an_object(features, reason, write):
    found, left_out = objects(write(*features))
    assert left_out == {reason: 1}
    assert found == dict.fromkeys(range(2, len(features) + 1), 1), "numbers are places in the file"


def test_nuclei_that_touch_or_overlap_stay(write):
    path = write(*NUCLEI, box(4, 4, 9, 9), box(9, 9, 11, 11))
    assert objects(path) == ({1: 1, 2: 1, 3: 1, 4: 1}, {}), "the fifth is covered, and no region"


def test_options_choose_objects(write):
    mixed = [*typed("annotation", NUCLEI[:1]), *typed("detection", NUCLEI[1:])]
    assert objects(write(*mixed), object_types=["annotation"])[0] == {1: 1}
    whole = box(0, 0, 30, 20)
    assert objects(write(whole), regions="keep") == ({1: 1}, {})
    path = write(layer("Nuclei", (2, 2, 5, 5)), layer("Artefacts", (8, 8, 12, 12)), layer("", (20, 3, 24, 8)))
    assert objects(path, take=["Nuclei"]) == ({1: 1}, {"class 'Artefacts'": 1, "no class": 1})
    assert objects(path, skip=["Artefacts"]) == ({1: 1, 3: 1}, {"class 'Artefacts'": 1})


def test_objects_have_the_class_of_their_name(write):
    path = write(
        box(2, 2, 5, 5, name="stroma"), box(8, 8, 12, 12, name="tumor"), box(0, 0, 14, 14, name="ROI*")
    )
    assert objects(path, CLASSES) == ({1: 2, 2: 1}, {"class 'ROI*'": 1})
    with raises(AnnotationError, match=r"'background' on 1 outline .* expected one of: stroma, tumor"):
        objects(write(box(2, 2, 5, 5, name="background")), CLASSES)


@mark.parametrize(
    ("feature", "kind"),
    [
        (box(0, 0, 5, 5, kind="cell"), "cell"),
        (box(0, 0, 5, 5, cell=True), "cell"),
        (box(0, 0, 5, 5, id="PathDetectionObject"), "detection"),
        (box(0, 0, 5, 5, id="PathAnnotationObject"), "annotation"),
        (box(0, 0, 5, 5, id="3f6f1f1f"), ""),
        (box(0, 0, 5, 5, kind="PathTileObject"), "tile"),
        (box(0, 0, 5, 5, id="PathTMACoreObject"), "tma_core"),
        (box(0, 0, 5, 5, kind="nucleus"), ""),
    ],
)
def test_the_type_of_an_object_in_files_of_every_version(feature, kind, write):
    (polygon,) = read_polygons(write(feature))
    assert polygon.object_type == kind
    assert read_names(write(feature)) == {("", kind): 1}


def test_a_file_of_tiles_alone_is_asked_about(write):
    path = write(*typed("tile"))
    with raises(AnnotationError, match=r"3 outlines, all of object type tile.*object_types: \[tile\]"):
        objects(path)
    assert objects(path, object_types=["tile"])[0] == {1: 1, 2: 1, 3: 1}
    assert objects(write(*typed("annotation")), object_types=["cell"]) == ({}, {"object type annotation": 3})
