# SPDX-License-Identifier: MIT
"""What the sheets of phantoms share: the DAG is made from them, so they import no simulator."""

from typing import Any, get_args

from microtome.config.phantoms import Part

Row = dict[str, Any]
PARTS = get_args(Part)


def files_of(sample: str, number: int) -> Row:
    """The name of a sample and its files, the first fields of its row."""
    name = f"{number:03d}.tif"
    return {"sample": sample, "image": f"images/{name}", "label": f"labels/{name}"}
