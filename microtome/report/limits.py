# SPDX-License-Identifier: MIT
"""How much of everything goes into the page, so that it stays light; what is left out is said and linked."""

PAGE_BYTES = 10_000_000
"""The page is smaller than this."""

FIGURE_BYTES = 4_500_000
"""All embedded figures together, before base64 (which adds a third)."""

CASE_BYTES = 1_500_000
"""All thumbnails together, before base64."""

FIGURE_WIDTHS = (1600, 1200, 900, 640, 480)
"""Widths tried for a figure, pixels, until it fits its share."""

THUMBNAIL = 256
"""Longest side of a thumbnail, pixels; shown at half of it or less."""

THUMBNAIL_BYTES = 12_000
"""A thumbnail loses quality until it is as small; decides how many worst images get pictures."""

SOURCE_PIXELS = 64_000_000
"""Larger pictures without a pyramid are not read for a thumbnail."""

TABLE_ROWS = 200
CASE_ROWS = 100
CASE_PICTURES = 6
DETAIL_ROWS = 200
RUN_DETAILS = 60

PREVIEW_WIDTH = 960
"""Width of the overview's figures, pixels; they are shown at half of it or less, or at their own width."""

PREVIEW_BYTES = 80_000
"""A figure of the overview, before base64; one figure a study."""

PREVIEW_ROWS = 12
"""Rows of the overview's tables; all are in the study's view."""
