# SPDX-License-Identifier: MIT
"""Stain normalization: the target once, then each image."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from microtome import stain
from microtome.files import finished_folder, write_json
from microtome.io import images, views
from microtome.provenance.cards import read_json

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]


def fit_stain(options: Options, source: Path, path: Path) -> None:
    """Fit the stain that all images are to have on the target image in a folder; `path` gets it as JSON.

    Raises:
        StainError: The stains of the target cannot be told apart.
    """
    image = views.find_sample([source], options["target"])
    try:
        profile = stain.fit_target(images.read(image), options["method"], **options["parameters"])
    except stain.StainError as error:
        msg = f"{image}: {error}; or choose another target in the study's `stains`"
        raise stain.StainError(msg) from error
    write_json(path, {"target": options["target"], "profile": profile.as_json()})


def normalize_batch(options: Options, target: Path, source: Path, folder: Path) -> None:
    """Give every image of a folder the stain of the target.

    Args:
        options: The rule's options (see `workflow.states`).
        target: The profile that `fit_stain` wrote.
        source: Folder of RGB images.
        folder: Gets each image under its name, beside it a report (JSON), and in `profiles/` the profile that
            the image had.

    Raises:
        StainError: An image is not RGB of 8 bits, or its stains cannot be told apart and `fallback` is
            `error`.
    """
    content = read_json(target)
    if not isinstance(content, dict) or not isinstance(content.get("profile"), dict):
        msg = f"{target}: found no `profile`, expected what fit_stain writes; fit it again"
        raise stain.StainError(msg)
    profile = content["profile"]
    with finished_folder(folder) as partial:
        for path in views.samples(source).values():
            normalized, report = _normalized(path, profile, options)
            images.write(partial / path.name, np.moveaxis(normalized, -1, 0), mpp=images.header(path).mpp)
            write_json(partial / views.PROFILES / f"{path.stem}.json", report["profile"])
            shown = {name: value for name, value in report.items() if name != "profile"}
            write_json(partial / f"{path.stem}.json", {"sample": path.stem, **shown})


def _normalized(path: Path, profile: Options, options: Options) -> tuple[np.ndarray, dict[str, Any]]:
    """One image with its report, where the stains it lacks were taken from the target or not."""
    try:
        normalized, report = stain.apply(images.read(path), profile)
    except stain.StainError as error:
        msg = f"{path}: {error}"
        raise stain.StainError(msg) from error
    if report["fallback"] and options["fallback"] == "error":
        msg = f"{path}: {report['fallback']}; leave the image out, or set fallback: target in `stains`"
        raise stain.StainError(msg)
    for text in filter(None, [report["fallback"], *report["warnings"]]):
        logger.warning("%s: %s", path.stem, text)
    return normalized, report
