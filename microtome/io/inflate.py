# SPDX-License-Identifier: MIT
"""What a compressed part of a file holds, unpacked piece by piece in little memory.

`gzip.open` holds an open file, which processes that fork share with its place; here the file is opened for
each read, so that whoever holds one of these can be forked.
"""

import zlib
from pathlib import Path
from typing import BinaryIO

from microtome.io.errors import VolumeError

GZIP, ZLIB = 31, 15
"""Window bits by which zlib tells the two wrappers of deflate apart."""
LARGEST_RATIO = 1032
"""What deflate can make of a byte at most."""
PACKED_BYTES = 2**16
"""Read of the file at once."""
PIECE_BYTES = 2**20
"""Unpacked at once where the content is passed over."""


class Inflated:
    """The content of a compressed part of a file, read forwards; a read further back begins anew.

    Args:
        path: The file.
        offset: Where the compressed bytes begin.
        bits: `GZIP` or `ZLIB`.

    Example:
        >>> import gzip, tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.gz"
        >>> _ = file.write_bytes(b"head" + gzip.compress(b"0123456789"))
        >>> content = Inflated(file, 4, GZIP)
        >>> bytes(content.read(2, 3)), bytes(content.read(8, 2)), content.is_over(), bytes(content.read(0, 1))
        (b'234', b'89', True, b'0')
    """

    def __init__(self, path: Path, offset: int, bits: int) -> None:
        self._path, self._offset, self._bits = path, offset, bits
        self._begin()

    def _begin(self) -> None:
        self._engine = zlib.decompressobj(self._bits)
        self._pending, self._at, self._place = b"", self._offset, 0

    def read(self, place: int, count: int) -> bytearray:
        """Return `count` bytes of the content from `place` on.

        Raises:
            VolumeError: The content ends before, or is damaged.
        """
        if place < self._place:
            self._begin()
        content, filled = bytearray(count), 0
        with self._path.open("rb") as file:
            file.seek(self._at)
            while self._place < place:
                self._some(file, min(place - self._place, PIECE_BYTES))
            while filled < count:
                piece = self._some(file, count - filled)
                content[filled : filled + len(piece)] = piece
                filled += len(piece)
        return content

    def is_over(self) -> bool:
        """Whether the content ends where reading has come to; its checksum is compared."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            return not self._next(file, 1)

    def _some(self, file: BinaryIO, most: int) -> bytes:
        piece = self._next(file, most)
        if not piece:
            found = f"compressed values that end after {self._place} bytes"
            raise VolumeError(self._path, found, "all that the header announces", "copy the file again")
        return piece

    def _next(self, file: BinaryIO, most: int) -> bytes:
        """At most so many of the next bytes, none at the end."""
        piece = b""
        try:
            while not piece:
                if self._engine.eof and not self._begin_member():
                    return b""
                if not (packed := self._pending or file.read(PACKED_BYTES)):
                    raise EOFError
                piece = self._engine.decompress(packed, most)
                self._pending, self._at = self._engine.unconsumed_tail, file.tell()
        except (zlib.error, EOFError) as error:
            found = f"damaged compressed values ({error or 'they are cut short'})"
            raise VolumeError(self._path, found, "a complete file", "copy it again") from error
        self._place += len(piece)
        return piece

    def _begin_member(self) -> bool:
        """Go on with the next of several members of a gzip file, if one follows (RFC 1952)."""
        rest = self._engine.unused_data
        if self._bits != GZIP or not rest.startswith(b"\x1f\x8b"):
            return False
        self._engine, self._pending = zlib.decompressobj(self._bits), rest
        return True
