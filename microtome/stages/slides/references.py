# SPDX-License-Identifier: MIT
"""References to the slides of a batch, which stay where they are."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.files import finished_folder
from microtome.io import slides as whole_slides
from microtome.io import views
from microtome.io.errors import ImageError

logger = logging.getLogger(__name__)


def reference_slides(
    samples: Sequence[Mapping[str, Any]],
    root: Path,
    folder: Path,
    *,
    slides: Mapping[str, Any],
    mpp_from: str | None = None,
    mpp: float | None = None,
) -> None:
    """Write a reference to each slide: which of its pixels are meant, and how large they are.

    Args:
        samples: Rows with sample, image, mpp (µm, or None).
        root: Folder that the rows' paths start from.
        folder: Gets `{sample}.slide` each; written whole or not at all.
        slides: `mpp` that is wanted, `tolerance`, `crop`, `decode`, see `microtome.io.slides.describe`.
        mpp_from: `file`: its pixel size goes before that of the row.
        mpp: Pixel size in µm of slides of which neither row nor file says it.

    Raises:
        ImageError: Slides cannot be read, or have no pixel size; all such slides are named.
    """
    wrong = []
    with finished_folder(folder) as partial:
        for row in samples:
            path = root / row["image"]
            try:
                size = _pixel_size(path, row["mpp"], mpp_from, mpp)
                found = whole_slides.describe(path, slide_mpp=size, **slides)
            except ImageError as error:
                wrong.append(f"sample {row['sample']}: {error}")
                continue
            found.write(views.place(partial, row["sample"], ending=views.SLIDE))
            logger.info("%s: %s of level %d, %s", row["sample"], found.shape, found.level, found.format)
        if wrong:
            raise ImageError("\n".join(wrong))


def _pixel_size(
    path: Path, told: float | None, mpp_from: str | None, otherwise: float | None
) -> float | tuple[float, float] | None:
    """What the row says of the slide's pixels, what the file says, or what is told of all; None: nothing."""
    if told and mpp_from != "file":
        return told
    return whole_slides.header(path).mpp or told or otherwise
