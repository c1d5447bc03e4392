# SPDX-License-Identifier: MIT
"""Where tissue lies on each slide of a batch: masks, outlines for QuPath, overlays, shares."""

import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import TypeAdapter

from microtome.config.colors import rgb_bytes
from microtome.config.sections import Tissue
from microtome.files import finished_folder
from microtome.io import geojson, images, views
from microtome.io.failures import recorded
from microtome.io.slides import SlideSource, open_reference
from microtome.objects.measure import outlines
from microtome.slides import overlay
from microtome.slides import tissue as method

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]

SHARES = "shares.tsv"
COLUMNS = ("sample", "tissue", "left_out", "tissue_mm2", "threshold")
COLOR = "#00963C"
"""Of tissue in QuPath."""
NAMESPACE = uuid.UUID("0c4b8f0e-8f0f-5d55-8a6f-2b3f1f4a9a10")
MM2 = 1e-6
"""mm² in a µm²."""
DIGITS = 2
"""Decimals of slide pixels."""


def find_tissue(options: Options, slides: Path, folder: Path) -> None:
    """Find the tissue of every slide of a batch.

    Args:
        options: `tissue`, the study's `slides.tissue`; `may_fail`, whether a slide that cannot be read, or
            has no tissue, is recorded and passed over.
        slides: Batch folder of references, `{sample}.slide`.
        folder: Gets `{sample}.tif` (1 where tissue is, at `tissue.mpp`), `{sample}.geojson` (its outlines,
            slide pixels), `{sample}.png` (both drawn over the slide; pen and borders tinted), or
            `{sample}.failed.json`; and `shares.tsv`: shares of the slide that are tissue and that were left
            out as pen or border, mm² of tissue, and the threshold of saturation. Written whole or not at
            all.

    Raises:
        ImageError: A slide cannot be read, is dark, or has no tissue, and may not fail.
    """
    wanted = TypeAdapter(Tissue).validate_python(options["tissue"])
    rows: list[Mapping[str, Any]] = []
    with finished_folder(folder) as partial:
        for sample, path in views.samples(slides).items():
            source = open_reference(path)
            with recorded(sample, source.reference.path, partial, may_fail=options["may_fail"]):
                rows.append({"sample": sample, **_find(source, wanted, partial, sample)})
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        table.to_csv(partial / SHARES, sep="\t", index=False, float_format="%.6g", lineterminator="\n")


def _find(source: SlideSource, wanted: Tissue, folder: Path, sample: str) -> Mapping[str, Any]:
    """Find and write the tissue of a slide; returns its shares."""
    seen = source.at(max(wanted.mpp, *source.reference.slide_mpp))
    rgb = seen.read(0, 0, *seen.shape[1:])
    found = method.find_tissue(rgb, wanted, spacing=seen.mpp, name=source.reference.path)
    images.write(views.place(folder, sample), found.tissue.astype(np.uint8), mpp=seen.mpp[0], labels=True)
    geojson.write(folder / f"{sample}.geojson", _features(found.tissue, seen, sample))
    images.write_png(folder / f"{sample}.png", overlay.draw(rgb, found.tissue, found.left_out))
    area = float(found.tissue.sum()) * seen.mpp[0] * seen.mpp[1] * MM2
    logger.info("%s: %.1f mm² of tissue, %.1f %% of the slide", sample, area, 100 * found.shares["tissue"])
    return {**found.shares, "tissue_mm2": area, "threshold": found.threshold}


def _features(mask: NDArray[np.bool_], seen: SlideSource, sample: str) -> list[dict[str, Any]]:
    """The pieces of a mask as annotations of QuPath."""
    whole = outlines(mask.astype(np.uint8)).get(1)
    scale, bounds = np.array(seen.scale[::-1]), seen.reference.bounds
    most = np.array([bounds.width, bounds.height])
    scaled = shapely.transform(whole, lambda corners: np.minimum(corners * scale, most).round(DIGITS))
    features = []
    for number, piece in enumerate(getattr(scaled, "geoms", [scaled]), 1):
        key = str(uuid.uuid5(NAMESPACE, f"{sample}/{number}/{piece.wkt}"))
        classified = {"name": "Tissue", "color": list(rgb_bytes(COLOR))}
        properties = {"objectType": "annotation", "classification": classified}
        geometry = shapely.geometry.mapping(piece)
        features.append({"type": "Feature", "id": key, "geometry": geometry, "properties": properties})
    return features
