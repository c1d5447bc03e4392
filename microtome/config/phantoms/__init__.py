# SPDX-License-Identifier: MIT
"""Options of each phantom, one file each.

A model's class attributes say what the phantom gives: `CHANNELS`, channels of its images, and `OBJECTS`,
whether its labels have one value for each object.
"""

from typing import Annotated, Literal

from pydantic import Field

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)

Part = Literal["train", "val", "test"]
LARGEST_TILE = 4096
"""Pixels of a side; the nuclei of such a tile still fit 16-bit labels."""
Images = Annotated[int, Field(gt=0, le=100_000)]
"""Images of a part; their sheet is made with the DAG, so it has to end."""
