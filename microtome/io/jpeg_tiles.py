# SPDX-License-Identifier: MIT
"""JPEG tiles of a TIFF: whole or cut short, and decoded to half their size. Used by :mod:`.tiff_windows`."""

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

JPEG = (7, 34892, 33007)
"""Compressions of TIFF that are JPEG, each tile with an end of its own."""
END = b"\xff\xd9"
HALF = 2
RGB = 3
MODES = {tifffile.PHOTOMETRIC.RGB: "RGB", tifffile.PHOTOMETRIC.YCBCR: "YCbCr"}
"""Colours that a tile holds where no marker of its own says so (Aperio stores RGB)."""


def is_jpeg(page: tifffile.TiffPage) -> bool:
    """Whether a page consists of tiles of JPEG."""
    return page.is_tiled and page.compression in JPEG


def check_end(data: bytes) -> None:
    r"""Refuse a JPEG without its last marker, of which decoders show what there is.

    Raises:
        ValueError: The marker is not there.

    Example:
        >>> check_end(b"\xff\xd8 pixels \xff\xd9")
    """
    if not data.rstrip(b"\0").endswith(END):
        msg = "a JPEG tile that ends before its last marker"
        raise ValueError(msg)


def can_halve(page: tifffile.TiffPage) -> bool:
    """Whether `half` can decode the tiles of a page: JPEG of 8 bits in RGB, with even sides."""
    even = page.is_tiled and page.tilewidth % HALF == 0 and page.tilelength % HALF == 0
    return even and is_jpeg(page) and page.photometric in MODES and page.samplesperpixel == RGB


def mode_of(page: tifffile.TiffPage) -> str:
    """Colours of the tiles as stored, for `half`; empty where they say so themselves."""
    return "" if page.is_jfif else MODES[page.photometric]


def half(data: bytes, tables: bytes | None, *, size: tuple[int, int], mode: str) -> NDArray[np.uint8]:
    """Decode a tile to half its sides by a DCT of half the size.

    The reduced transform of libjpeg (4 x 4 values of each block of 8 x 8) is the area average of the block up
    to the frequencies that it leaves out; it differs from the average by a fraction of a grey level.

    Args:
        data: The tile as stored.
        tables: Tables of quantization and of Huffman codes that all tiles share.
        size: Rows and columns of the result, (H, W).
        mode: See `mode_of`.

    Returns:
        RGB (H, W, 3).

    Raises:
        ValueError: It cannot be decoded.
    """
    whole = tables[: -len(END)] + data[len(END) :] if tables else data
    return np.asarray(Image.frombytes("RGB", size[::-1], whole, "jpeg", "RGB", mode, HALF, 0))
