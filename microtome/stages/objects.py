# SPDX-License-Identifier: MIT
"""Objects of a batch for QuPath (GeoJSON) and as a table."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from microtome import stain
from microtome.files import finished_folder
from microtome.io import images, views
from microtome.objects import measure
from microtome.objects.types import vote

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]

RGB = 3
TWO = 2
"""Classes where every object is of one."""


def export_objects(
    options: Options, segmentations: Path, source: Path, folder: Path, *, stains: Path | None = None
) -> None:
    """Measure the objects of every image of a batch and write them with their outlines.

    Args:
        options: The rule's options (see `workflow.states`): `mpp` (pixel size in µm of an
            image that does not say it, or None), and `class`, the objects' class, or `classes`, their
            names in class order, the background first; `downsample`, by which images have fewer pixels than
            the files that outlines are for.
        segmentations: Batch folder with `instances/{sample}.tif`.
        source: Batch folder of the images as imported, `{sample}.tif`.
        folder: Gets `{sample}.geojson` and `{sample}.tsv`. Written whole or not at all.
        stains: Folder of the normalized images, with `profiles/{sample}.json`: the profiles that the images
            had tell the stains apart. Without it, the stains are fitted.

    Raises:
        FileNotFoundError: The batch has no `instances/`, or an image is missing.
        ValueError: An image and its objects differ in size.
    """
    found = views.samples(segmentations / views.INSTANCES)
    if not found:
        msg = f"no objects in {segmentations / views.INSTANCES}; set segment.kind to one that finds objects"
        raise FileNotFoundError(msg)
    with finished_folder(folder) as partial:
        for sample, path in found.items():
            image = views.find_sample([source], sample)
            labels, pixels = images.read(path), images.read(image)
            mpp = images.header(image).mpp or options["mpp"]
            rgb = pixels if pixels.ndim == RGB and pixels.dtype == np.uint8 else None
            densities = None if rgb is None else _densities(rgb, stains, sample)
            table = measure.measure(labels, image=rgb, densities=densities, mpp=mpp)
            classes = options.get("classes", ["", options["class"]])
            if len(classes) > TWO:
                of = vote(labels, images.read(views.place(segmentations, sample)), len(classes))
                table.insert(1, "class", [classes[of[number]] for number in table["id"].tolist()])
            told = {"classes": classes[1:], "name": sample, "tolerance": options.get("tolerance", 0)}
            told["scale"] = options.get("downsample", 1)
            outlined = measure.as_geojson(labels, table, **told)
            text = json.dumps(outlined, ensure_ascii=False, allow_nan=False) + "\n"
            (partial / f"{sample}.geojson").write_text(text, encoding="utf-8")
            (partial / f"{sample}.tsv").write_text(measure.to_tsv_text(table), encoding="utf-8", newline="\n")
            logger.info("%s: %d objects", sample, len(table))


def _densities(rgb: np.ndarray, stains: Path | None, sample: str) -> np.ndarray:
    """Concentrations of hematoxylin and eosin (2, H, W); not a number where they cannot be told apart."""
    try:
        profile = (stains and _profile(stains / views.PROFILES / f"{sample}.json")) or stain.fit(rgb)
        return stain.concentrations(rgb, profile)
    except stain.StainError as error:
        logger.warning("%s: stain densities are left empty: %s", sample, error)
        return np.full((2, *rgb.shape[:2]), np.nan, np.float32)


def _profile(path: Path) -> stain.StainProfile | None:
    """The profile that an image had before normalization; None if its method tells no stains apart."""
    profile = stain.profile_from_json(json.loads(path.read_text(encoding="utf-8")))
    return profile if isinstance(profile, stain.StainProfile) else None
