# SPDX-License-Identifier: MIT
"""Elements of an XML file as they come, without a tree: files of slides hold millions of vertices.

Document types and entities are refused by the parser itself, before anything is expanded, so a small file
cannot grow in memory or name other files. Used through :mod:`microtome.io.annotations`.
"""

import re
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from microtome.io.errors import AnnotationError

LONGEST = 40
"""Characters of the file that a message repeats."""
DEEPEST = 64
"""Nested elements; files of viewers have 5."""
CHUNK = 2**20
"""Bytes that are parsed at once, so that what is read can be handed on before the file ends."""
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)

Start = Callable[[str, dict[str, str], int], None]
End = Callable[[str], None]


def parse(
    path: Path, content: bytes, start: Start, end: End, *, structure: str, program: str
) -> Iterator[None]:
    """Call `start` (tag, attributes, line) and `end` (tag) of each element, pausing after each chunk.

    Args:
        path: The file, for messages.
        content: Its bytes.
        start: Called where an element begins.
        end: Called where it ends.
        structure: What the elements should be, for messages.
        program: The viewer whose files these are.

    Raises:
        AnnotationError: Not well-formed, too deep, or with a document type.

    Example:
        >>> seen = []
        >>> told = {"structure": "<a>", "program": "a viewer"}
        >>> for _ in parse(Path("a.xml"), b"<a><b c='1'/></a>", lambda *one: seen.append(one), print, **told):
        ...     pass
        b
        a
        >>> seen
        [('a', {}, 1), ('b', {'c': '1'}, 1)]
    """
    parser, depth = expat.ParserCreate(), 0

    def deeper(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            found = f"elements nested more than {DEEPEST} deep"
            raise AnnotationError(path, found, structure, f"export it from {program}")
        start(tag, attributes, parser.CurrentLineNumber)

    def higher(tag: str) -> None:
        nonlocal depth
        depth -= 1
        end(tag)

    def refuse(*_: object) -> NoReturn:
        raise AnnotationError(path, "a document type (<!DOCTYPE>)", "plain XML", "delete it from the file")

    parser.StartElementHandler, parser.EndElementHandler = deeper, higher
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        for first in range(0, len(content), CHUNK):
            parser.Parse(content[first : first + CHUNK], False)
            yield
        parser.Parse(b"", True)
    except AnnotationError:
        raise
    except (expat.ExpatError, ValueError, LookupError) as error:
        found = f"not well-formed XML ({error})"
        raise AnnotationError(path, found, f"a complete {program} file", "copy it again") from error
    yield


@dataclass
class Points:
    """The vertices of an outline while they are read.

    Attributes:
        numbers: x and y of each in turn, as stored.
        fault: The attributes of the first that lacks a number, and the axis; what follows it is not read.

    Example:
        >>> points = Points()
        >>> points.add({"X": "1.5", "Y": "2"})
        >>> points.add({"X": "1,5", "Y": "2"})
        >>> points.numbers.tolist(), points.fault[1]
        ([1.5, 2.0], 'X')
    """

    numbers: array = field(default_factory=lambda: array("d"))
    fault: tuple[Mapping[str, str], str] | None = None

    def add(self, attributes: Mapping[str, str]) -> None:
        """Read the attributes `X` and `Y` of a vertex."""
        for axis in ("X", "Y") if self.fault is None else ():
            value = attributes.get(axis, "")
            if not NUMBER.fullmatch(value):
                self.fault = attributes, axis
                return
            self.numbers.append(float(value))

    def checked(self, where: str) -> array:
        """The numbers.

        Raises:
            AnnotationError: A vertex lacks one.
        """
        if self.fault is None:
            return self.numbers
        (attributes, axis), place = self.fault, len(self.numbers) // 2 + 1
        value = attributes.get(axis)
        found = "no value" if value is None else repr(value[:LONGEST])
        what = f"{where}: vertex {place} has {found} for {axis}, expected a decimal number with a point"
        msg = f"{what}, such as 12.5; correct the file or export it again."
        raise AnnotationError(msg)
