# SPDX-License-Identifier: MIT
"""Import images into the workflow's own format."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome import images
from microtome.job import finished_folder

logger = logging.getLogger(__name__)
Row = Mapping[str, Any]


def import_images(samples: Sequence[Row], root: Path, folder: Path, *, rendered: Path | None = None) -> None:
    """Decode images and write them as tiled OME-TIFF.

    Args:
        samples: Rows with sample, image, page, mpp.
        root: Folder that the rows' paths start from.
        folder: Written whole or not at all.
        rendered: Folder with pictures of cubes; a sample that has one there gets it.

    Raises:
        ImageError: An image cannot be decoded.
    """
    with finished_folder(folder) as partial:
        for row in samples:
            picture = rendered / f"{row['sample']}.tif" if rendered else root / row["image"]
            path = picture if picture.is_file() else root / row["image"]
            array = images.as_channels_first(images.read(path, page=row["page"]))
            images.write(partial / f"{row['sample']}.tif", array, mpp=row["mpp"])
            logger.info("%s: %s %s", row["sample"], array.shape, array.dtype)
