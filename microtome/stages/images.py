# SPDX-License-Identifier: MIT
"""Import images into the workflow's own format."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from microtome.config.entries import model as options_of
from microtome.datasets.catalogue import DatasetEntry
from microtome.datasets.fetch import fetch
from microtome.files import finished_folder, mirror_folder
from microtome.io import images, views
from microtome.io.depth import IMPORTED, as_dtype, importable
from microtome.io.downsample import finite, write_reduced
from microtome.io.raster import ArraySource, Raster
from microtome.registry import load_entry

logger = logging.getLogger(__name__)
Row = Mapping[str, Any]
Range = tuple[float, float] | None


def import_images(
    samples: Sequence[Row],
    root: Path,
    folder: Path,
    *,
    rendered: Path | None = None,
    dtype: str | None = None,
    mpp_from: str | None = None,
    downsample: int = 1,
    value_range: Range = None,
) -> None:
    """Decode images and write them as tiled OME-TIFF.

    Args:
        samples: Rows with sample, image, page, mpp.
        root: Folder that the rows' paths start from.
        folder: Written whole or not at all.
        rendered: Folder with pictures made from other files; a sample that has one there gets it.
        dtype: Type that every image is given, where that is exact; None: its own.
        mpp_from: `file`: its pixel size goes before that of the row.
        downsample: Side of the squares of pixels that become one, their mean; images that need no other type
            are read and written part by part then.
        value_range: As for `io.depth.as_dtype`.

    Raises:
        ImageError: Images cannot be decoded, hold values that are no numbers, or none of the type wanted; all
            such images are named.
    """
    wrong = []
    with finished_folder(folder) as partial:
        for row in samples:
            picture = views.place(rendered, row["sample"]) if rendered else None
            path, page = root / row["image"], row["page"]
            if picture is not None and picture.is_file():
                path, page = picture, None
            target, mpp = views.place(partial, row["sample"]), pixel_size(row, path, mpp_from)
            try:
                if downsample > 1:
                    source = _raster(path, page, dtype, value_range)
                    write_reduced(target, source, downsample, name=path, mpp=mpp)
                else:
                    images.write(target, _pixels(path, page, dtype, value_range), mpp=mpp)
            except images.ImageError as error:
                wrong.append(f"sample {row['sample']}: {error}")
                continue
            written = images.header(target)
            logger.info("%s: %s", row["sample"], written)
            if images.header(path).turned:
                text = "%s: '%s' is turned upright, as it says; its label has to be upright, or say the same"
                logger.warning(text, row["sample"], row["image"])
        if wrong:
            raise images.ImageError("\n".join(wrong))


def pixel_size(row: Row, path: Path, mpp_from: str | None = None) -> float | None:
    """The pixel size of an image in µm: what sheet or study say, else the file; None if neither does.

    Args:
        row: Has `mpp`, or None there.
        path: The file.
        mpp_from: `file`: the other way round.
    """
    if row["mpp"] and mpp_from != "file":
        return float(row["mpp"])
    with suppress(images.ImageError):  # a file of outlines, or one whose reader says what is wrong
        return images.header(path).mpp or row["mpp"]
    return row["mpp"]


def _pixels(path: Path, page: int | None, dtype: str | None, value_range: Range) -> np.ndarray:
    """The pixels of an image (C, H, W), of a type that can be written."""
    array = images.as_channels_first(images.read(path, page=page))
    if dtype is None:
        return finite(importable(array, name=path), path)
    return finite(as_dtype(array, dtype, name=path, value_range=value_range), path)


def _raster(path: Path, page: int | None, dtype: str | None, value_range: Range) -> Raster:
    """The pixels of an image, of a type that can be written; one that is converted lies in memory."""
    source = images.open_source(path, page=page, cache_bytes=0)
    is_fit = source.dtype.name not in IMPORTED and dtype in (None, source.dtype.name)
    return source if is_fit else ArraySource(_pixels(path, page, dtype, value_range))


def fetch_dataset(options: Mapping[str, Any], folder: Path, config: Mapping[str, Any]) -> None:
    """Bring a data set (`options`: its entry of the table) to a folder of its own and verify each file.

    Of the workflow's configuration, `mirror` and `offline` are looked at.
    """
    entry = DatasetEntry.model_validate(options)
    mirror, offline = mirror_folder(config.get("mirror")), bool(config.get("offline"))
    fetch(entry, folder, mirror=mirror, offline=offline)


def simulate(options: Mapping[str, Any], folder: Path) -> None:
    """Write what a phantom simulates: images, labels and further truth.

    The options are a model of `microtome.config.phantoms` as a mapping; the `files` of the phantom that is
    their `kind` yields name and content of each file: arrays become OME-TIFF, mappings JSON, text and bytes
    stay, and functions write the file themselves.
    """
    settings = options_of("microtome.config.phantoms", options["kind"]).model_validate(options)
    phantom = load_entry("microtome.phantoms", options["kind"], kind="phantom")
    with finished_folder(folder) as partial:
        for name, content in phantom.files(settings):
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(content, indent=1) + "\n" if isinstance(content, Mapping) else content
            if callable(text):
                text(path)
            elif isinstance(text, bytes | str):
                path.write_bytes(text if isinstance(text, bytes) else text.encode())
            else:
                images.write(path, text)
