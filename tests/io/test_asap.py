# SPDX-License-Identifier: MIT
"""Annotations of ASAP: what is read, what is refused, and files of whole slides."""

import math
import tracemalloc

import pytest

from microtome.io.annotations import AnnotationError, read_names, read_polygons, starts_at_canvas

SQUARE = [(0, 0), (4, 0), (4, 4), (0, 4)]


def drawn(points=SQUARE, **attributes):
    """An annotation as ASAP writes it."""
    known = {"Name": "Annotation 0", "Type": "Polygon", "PartOfGroup": "None", "Color": "#F4FA58"}
    opened = " ".join(f'{key}="{value}"' for key, value in (known | attributes).items())
    rows = "".join(f'<Coordinate Order="{n}" X="{x}" Y="{y}" />' for n, (x, y) in enumerate(points))
    return f"<Annotation {opened}><Coordinates>{rows}</Coordinates></Annotation>"


def asap(*annotations, groups=("Tumor",)):
    listed = "".join(f'<Group Name="{g}" PartOfGroup="None"><Attributes /></Group>' for g in groups)
    body = f"<Annotations>{''.join(annotations)}</Annotations><AnnotationGroups>{listed}</AnnotationGroups>"
    return f"<ASAP_Annotations>{body}</ASAP_Annotations>"


@pytest.fixture
def write(tmp_path):
    def writer(content):
        path = tmp_path / "slide.xml"
        path.write_text(content, encoding="utf-8")
        return path

    return writer


def test_groups_are_classes_and_order_is_kept(write):
    triangle = [(1, 1), (3, 1), (3, 5), (1, 1)]
    path = write(asap(drawn(Name="a", PartOfGroup="Tumor"), drawn(triangle, Name="b", Type="Spline")))
    found = read_polygons(path)
    assert [(p.region, p.classification, p.area) for p in found] == [("a", "Tumor", 16), ("b", "", 4)]
    assert found[1].rings[0].tolist() == [[1, 1], [3, 1], [3, 5]]
    assert read_names(path) == {("Tumor", ""): 1, ("", ""): 1}
    assert starts_at_canvas(path)


def test_other_formats_start_at_the_bounds(tmp_path):
    (tmp_path / "a.xml").write_text("<Annotations><Annotation><Regions/></Annotation></Annotations>")
    (tmp_path / "a.geojson").write_text("[]")
    assert not any(starts_at_canvas(path) for path in tmp_path.iterdir())


def test_a_slide_without_annotations_is_sound(write):
    assert read_polygons(write(asap())) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            asap(drawn(Type="Dot")),
            "annotation Annotation 0 (line 1): found Type 'Dot', expected Polygon",
        ),
        (asap(drawn([(1, 2), ("3,5", 4), (5, 6)])), "vertex 2 has '3,5' for X, expected a decimal number"),
        (asap(drawn([(1, 2), (3, 4)])), "found fewer than 3 different vertices"),
        (asap(drawn([(1, 2), (3, 4), (1e9, 4)])), "expected finite pixel coordinates"),
        (asap()[:-3], "not well-formed XML"),
        ("<!DOCTYPE a []>" + asap(), "found a document type"),
        ("<a><ASAP_Annotations/></a>", "XML whose root is <a>"),
    ],
)
def test_what_is_no_outline_is_refused_by_place_and_remedy(write, content, message):
    with pytest.raises(AnnotationError) as caught:
        read_polygons(write(content))
    assert message in str(caught.value)


@pytest.mark.parametrize("viewer", ["ASAP", "ImageScope"])
def test_memory_is_that_of_the_numbers(write, viewer):
    """60,000 vertices in one outline take 16 bytes each beside the file, not elements of a tree."""
    turns = [2 * math.pi * n / 60_000 for n in range(60_000)]
    points = [(9000 + 8000 * math.cos(t), 9000 + 8000 * math.sin(t)) for t in turns]
    rows = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
    region = f"<Annotations><Annotation><Regions><Region><Vertices>{rows}</Vertices></Region></Regions>"
    path = write(asap(drawn(points)) if viewer == "ASAP" else f"{region}</Annotation></Annotations>")
    tracemalloc.start()
    (found,) = read_polygons(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.area == pytest.approx(math.pi * 8000**2, rel=1e-6)
    assert peak < path.stat().st_size + 60_000 * 16 * 8
