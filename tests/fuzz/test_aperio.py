# SPDX-License-Identifier: MIT
"""Aperio ImageScope XML, broken at random."""

from hypothesis import given

from microtome.io.annotations import read_polygons
from tests.fuzz.bounds import fuzzed
from tests.fuzz.mutations import edited
from tests.fuzz.polygons import check_polygons
from tests.io.test_annotations import layer, region, xml

FILES = tuple(
    text.encode()
    for text in (
        xml(layer(region(Id="7", Text="a"), region([(1, 1), (2, 1), (2, 3)], Id="3"), name="Nucleus")),
        xml(
            layer(region(NegativeROA="1", Type="1"), name="Hole"), layer(region([(5.5, 2), (9, 2), (7, 30)]))
        ),
        '<?xml version="1.0" encoding="utf-8"?>\n' + xml(layer()),
    )
)
WORDS = (
    *(b'<!DOCTYPE a [<!ENTITY b "c">]>', b"&b;", b"&lt;", b"&#0;", b"&#x10FFFF;", b"<![CDATA[", b"]]>"),
    *(
        b"<!--",
        b"-->",
        b"<?pi ",
        b"?>",
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd">',
        b"<a>" * 100,
        b"</a>" * 100,
    ),
    *(
        b'<?xml version="1.0" encoding="%s"?>' % name
        for name in (b"utf-16", b"rot13", b"idna", b"zip", b"utf-7")
    ),
    *(
        b"<Regions>",
        b"</Regions>",
        b"<Region>",
        b"<Vertices/>",
        b"</Vertices>",
        b'<Vertex X="1" Y="2"/>',
        b"Type",
    ),
    *(b'X="', b' Y="-1e7"', b"1e7", b"10000001", b"xmlns:a='b'", b'xmlns="urn:x"', b"a:Region"),
)


def test_the_seeds_are_sound(folder):
    path = folder / "a.xml"
    for content, count in zip(FILES, (2, 2, 0), strict=True):
        path.write_bytes(content)
        assert len(read_polygons(path)) == count


@fuzzed
@given(content=edited(FILES, WORDS))
def test_annotations_are_read_or_refused(content, folder):
    path = folder / "a.xml"
    path.write_bytes(content)
    check_polygons(path)
