# SPDX-License-Identifier: MIT
"""What the images were like that a run was trained on, for its card."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.config.expected import Expected
from microtome.io import images, views

ROWS = 1024
"""Rows of an image that are looked at together."""
COLOURS = {1: "grey", 3: "rgb"}


def seen_in_training(options: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """What a card says of the images of a run's training part: `config.expected.Expected`.

    Args:
        options: `parts`, `classes`, `data_source`, `input` and, where the study has views, `view`.
        folders: Folders of the images as the network sees them.
    """
    paths = [views.find_sample(folders, sample) for sample in options["parts"]["train"]]
    headers = [images.header(path) for path in paths]
    sizes = [header.mpp for header in headers if header.mpp]
    kinds = {header.dtype for header in headers}
    slices = (
        2 * options.get("input", {}).get("neighbours", 0) + 1
    )  # of a stack, each with the channels of an image
    view, channels = options.get("view", "image"), headers[0].channels // slices
    return Expected(
        classes=tuple(options["classes"]),
        channels=channels,
        mpp=(min(sizes), max(sizes)) if sizes else None,
        dtype=kinds.pop() if len(kinds) == 1 else None,
        value_range=_range(paths),
        modality=COLOURS.get(channels, "channels") if view == "image" else view,
        data_kind="phantom" if options["data_source"] == "phantom" else "real",
    ).model_dump(mode="json")


def _range(paths: Iterable[Path]) -> tuple[float, float] | None:
    """The least and the largest value of some images, None where one of these is no number."""
    lows, highs = [], []
    for path in paths:
        if path.suffix == views.SLIDE:  # of 8 bits; its pixels are many
            lows.append(0.0)
            highs.append(255.0)
            continue
        source = images.open_source(path)
        _, height, width = source.shape
        for top in range(0, height, ROWS):
            window = source.read(top, 0, min(ROWS, height - top), width)
            lows.append(float(window.min()))
            highs.append(float(window.max()))
    low, high = min(lows), max(highs)
    return (low, high) if low - low == high - high == 0 else None
