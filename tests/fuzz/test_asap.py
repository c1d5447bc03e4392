# SPDX-License-Identifier: MIT
"""Annotations of ASAP, broken at random."""

from hypothesis import given

from microtome.io.annotations import read_polygons
from tests.fuzz.bounds import fuzzed
from tests.fuzz.mutations import edited
from tests.fuzz.polygons import check_polygons
from tests.io.test_asap import asap, drawn

FILES = tuple(
    text.encode()
    for text in (
        asap(drawn(Name="a", PartOfGroup="Tumor"), drawn([(1, 1), (2, 1), (2, 3)], Type="Spline")),
        '<?xml version="1.0"?>\n' + asap(drawn([(5.5, 2), (9, 2), (7, 30)], PartOfGroup="Stroma")),
        asap(),
    )
)
WORDS = (
    *(b'<!DOCTYPE a [<!ENTITY b "c">]>', b"&b;", b"&lt;", b"&#0;", b"<![CDATA[", b"]]>", b"<!--", b"-->"),
    *(b"<a>" * 100, b"</a>" * 100, b"<?pi ", b"?>", b'<?xml version="1.0" encoding="utf-16"?>'),
    *(b"<Annotations>", b"</Annotations>", b"<ASAP_Annotations>", b"<Annotation>", b"<Coordinates/>"),
    *(b'<Coordinate X="1" Y="2"/>', b"Coordinate", b"Dot", b"Rectangle", b'X="', b' Y="-1e7"', b"10000001"),
)


def test_the_seeds_are_sound(folder):
    path = folder / "a.xml"
    for content, count in zip(FILES, (2, 1, 0), strict=True):
        path.write_bytes(content)
        assert len(read_polygons(path)) == count


@fuzzed
@given(content=edited(FILES, WORDS))
def test_annotations_are_read_or_refused(content, folder):
    path = folder / "a.xml"
    path.write_bytes(content)
    check_polygons(path)
