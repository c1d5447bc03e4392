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
    """Fit the stain that all images are to have; `path` gets it as JSON.

    Args:
        options: The rule's options (see `workflow.states`).
        source: Folder with the target image, or that image, or (`is_profile`) what was fitted before.
        path: Gets the profile, and what it is of.

    Raises:
        StainError: The stains of the target cannot be told apart, or a profile is of another form or method.
    """
    if options.get("is_profile"):
        write_json(path, {"target": options["target"], "profile": _known_profile(source, options["method"])})
        return
    image = views.find_sample([source], options["target"]) if source.is_dir() else source
    try:
        profile = stain.fit_target(images.read(image), options["method"], **options["parameters"])
    except stain.StainError as error:
        msg = f"{image}: {error}; or choose another target in the study's `stains`"
        raise stain.StainError(msg) from error
    write_json(path, {"target": options["target"], "profile": profile.as_json()})


def _known_profile(path: Path, method: str) -> Options:
    """A profile that was fitted before, alone or as `fit_stain` writes it."""
    content = read_json(path)
    try:
        profile = stain.profile_from_json(content.get("profile", content))
    except (stain.StainError, AttributeError) as error:
        msg = f"{path}: {error}"
        raise stain.StainError(msg) from error
    if profile.method != method:
        msg = f"{path}: found a profile of method {profile.method!r}, expected {method!r}"
        raise stain.StainError(msg)
    return profile.as_json()


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
            place = views.place(partial, path.stem)
            images.write(place, np.moveaxis(normalized, -1, 0), mpp=images.header(path).mpp)
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
