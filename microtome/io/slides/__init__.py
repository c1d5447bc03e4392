# SPDX-License-Identifier: MIT
"""Whole slides: read at any pixel size, by windows, from wherever they lie.

A slide stays where it is. A :class:`Reference` says which image of it is meant, and a :class:`SlideSource`
reads that by windows, as any other raster.
"""

from microtome.io.slides.files import data_files
from microtome.io.slides.headers import SlideHeader, header
from microtome.io.slides.references import Reference, describe, read_reference
from microtome.io.slides.source import SlideSource, open_finest, open_reference

__all__ = [
    "Reference",
    "SlideHeader",
    "SlideSource",
    "data_files",
    "describe",
    "header",
    "open_finest",
    "open_reference",
    "read_reference",
]
