# SPDX-License-Identifier: MIT
"""What the options of phantoms share."""

from typing import Annotated, Literal

from pydantic import Field

Part = Literal["train", "val", "test"]
LARGEST_TILE = 4096
"""Pixels of a side; the nuclei of such a tile still fit 16-bit labels."""
Images = Annotated[int, Field(gt=0, le=100_000)]
"""Images of a part; their sheet is made with the DAG, so it has to end."""
