# SPDX-License-Identifier: MIT
"""The text of an ENVI header: read whatever its encoding, and split into its fields. See `envi_header`."""

import re
from pathlib import Path

from microtome.io.errors import EnviError

MAGIC = "ENVI"
LARGEST_HEADER = 16 * 2**20
"""Bytes; a header with the wavelengths of 2000 bands has 30 kB."""
CUT = 40
"""Characters of the header that a message repeats."""
WIDE_STARTS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"E\0N\0": "utf-16-le", b"\0E\0N": "utf-16-be"}
"""First bytes of headers with two bytes a character."""
FILLING = "\0\x1a"
"""What programs write behind the text, up to the size that they reserved."""
BRACE_BELOW = re.compile(r"^([ \t]*[^;=\s][^=\n]*=)[ \t]*\n(?:\s*;[^\n]*\n)*\s*\{", re.MULTILINE)


def read_text(path: Path) -> str:
    """The text of a header file.

    Raises:
        EnviError: It is missing, too large, binary, or cut short.
    """
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise EnviError(path, found, "an ENVI header", "check the path in the sample sheet")
    size = path.stat().st_size
    if size > LARGEST_HEADER:
        found = f"{size} bytes"
        raise EnviError(path, found, f"a header of at most {LARGEST_HEADER}", "give the .hdr, not the data")
    content = path.read_bytes()
    wide = next((coding for start, coding in WIDE_STARTS.items() if content.startswith(start)), None)
    text = _decoded(content, wide, path).rstrip(FILLING)
    if "\0" not in text:
        return text
    if text.startswith(MAGIC):
        found = f"a zero byte in the text, after {text.index(chr(0))} characters"
        raise EnviError(path, found, "none before its end", "write the header again as plain text")
    raise EnviError(path, "a binary file", "a text header", "give the .hdr, not the data file")


def _decoded(content: bytes, wide: str | None, path: Path) -> str:
    """A header's text; what is neither UTF-16 nor UTF-8 is Latin-1, in which every byte is a character."""
    try:
        return content.decode(wide or "utf-8")
    except UnicodeDecodeError as error:
        if wide is None:
            return content.decode("latin-1")
        found = "UTF-16 that is cut short or damaged"
        raise EnviError(path, found, "an ENVI header", "save it again, encoded as UTF-8") from error


def parse(text: str, path: Path) -> dict[str, str]:
    r"""Split the text of a whole header into its fields.

    Returns:
        Values as text without braces, by names in lower case with single spaces.

    Raises:
        EnviError: It is no ENVI header, a brace is not closed, or a field comes twice with two values.

    Example:
        >>> parse("ENVI\nlines = 3\nWavelength = {\n 550,\n 557.5}", Path("a.hdr"))
        {'lines': '3', 'wavelength': '550, 557.5'}
    """
    whole = "\n".join(text.removeprefix("\ufeff").splitlines())
    lines = iter(BRACE_BELOW.sub(r"\1 {", whole).splitlines())
    first = next(lines, "").strip()
    if not first.startswith(MAGIC):
        raise EnviError(path, f"a first line {first[:CUT]!r}", f"{MAGIC!r}", "give the ENVI header (.hdr)")
    fields: dict[str, str] = {}
    for line in lines:
        if line.lstrip().startswith(";") or "=" not in line:
            continue
        key, _, value = line.partition("=")
        key, value = " ".join(key.split()).lower(), value.strip()
        if value.startswith("{"):
            value = _braced(value, lines, key, path)
        if fields.get(key, value) != value:
            found = f"the field '{key[:CUT]}' twice, as {fields[key][:CUT]!r} and {value[:CUT]!r}"
            raise EnviError(path, found, "it once", "delete the wrong line")
        fields[key] = value
    return fields


def _braced(value: str, lines: object, key: str, path: Path) -> str:
    """The text between braces, which may run over lines; comment lines within are left out."""
    parts = [value]
    while "}" not in parts[-1]:
        line = next(lines, None)
        if line is None:
            found = f"an open brace at '{key[:CUT]}'"
            raise EnviError(path, found, "a closing brace", "add '}' after the last value")
        if not line.lstrip().startswith(";"):
            parts.append(line.strip())
    text = " ".join(parts)
    return text[1 : text.index("}")].strip()
