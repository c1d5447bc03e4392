# SPDX-License-Identifier: MIT
"""Classes of pixels, of images, slices, mosaics and cubes: a U-Net."""

from collections.abc import Mapping, Sequence
from typing import Any

from microtome.study.survey.draft import Draft
from microtome.study.survey.kinds.parts import CURVES, FLIPS, LIGHT, TIME, Options, demo, patches, scaling

BINARY = 2
LABELLED = 0.01
"""Least labelled share of a window, where labels leave pixels without one."""
TABLES: Mapping[str, Mapping[str, Any]] = {
    "dice": {"kind": "metrics", "title": "Dice by class", "runs": "all", "interval": True},
    "more": {
        "kind": "metrics",
        "title": "IoU by class, and the share of the pixels that are right",
        "runs": "all",
        "columns": ["iou", "accuracy"],
    },
    "confusion": {"kind": "confusion_matrix", "title": "What is taken for what", "runs": ["unet"]},
    "data": {"kind": "data", "title": "Images, pixels and classes of each part"},
    "time": TIME,
}
PANEL = {"kind": "sample_panel", "title": "An image of the test", "runs": ["unet"]}
PANELS = {"kind": "mosaic_panels", "title": "Images of the test", "runs": "all"}


def content(draft: Draft, classes: Sequence[str]) -> Options:
    """A study of classes: by sigmoid of two, by softmax of more."""
    s, labels, bands = draft.settings, draft.looked.labels, draft.cubes.get("bands", {})
    several, is_partial = len(classes) > BINARY, bool(labels.ignore) or labels.outside is None
    channels = int(bands["width"]) if bands else draft.looked.pictures[0].channels
    loss: Options = {"name": "bce_dice"}
    if several:
        loss = {"name": "ce_dice", "class_weight": "inverse_frequency"}
    method: Options = {"input": scaling(draft)}
    if bands:
        method = {"view": "bands", "input": {"scale": 1, "mean": 0.5, "std": 0.5}}
    return {
        "patches": patches(draft) | ({"labelled": LABELLED} if is_partial else {}),
        "network": {"name": "unet", "width": s.width, "in_channels": channels},
        "loss": loss,
        "method": method,
        "augment": FLIPS if bands else {**FLIPS, **LIGHT},
        "predict": {"window": s.window, "overlap": 0.25},
        "run": "unet",
        "run_label": "U-Net",
        "other_loss": "focal",
        "evaluate": {"metrics": ["overlap"], "rank_by": "mean_dice"},
        "tables": TABLES,
        "figures": {"curves": CURVES, "panel": PANELS if several or is_partial else PANEL},
        "demo": demo(draft),
    }
