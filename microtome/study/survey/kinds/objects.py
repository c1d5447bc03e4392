# SPDX-License-Identifier: MIT
"""Objects: a U-Net of mask and marker, or of classes and gaps; then a watershed."""

from collections.abc import Mapping, Sequence
from typing import Any

from microtome.study.survey.draft import Draft
from microtome.study.survey.kinds.images import BINARY
from microtome.study.survey.kinds.parts import (
    CURVES,
    FLIPS,
    LEAST_ZOOM,
    LIGHT,
    RGB,
    STAIN,
    TIME,
    Options,
    demo,
    patches,
    scaling,
)

SCORES: Mapping[str, Any] = {
    "kind": "metrics",
    "title": "Objects found",
    "runs": "all",
    "interval": True,
    "columns": [
        {"metric": "aji", "label": "AJI", "better": "high"},
        {"metric": "pq", "label": "PQ", "better": "high"},
        {"metric": "object_f1", "label": "F1 of objects", "better": "high"},
    ],
}
TYPES: Mapping[str, Any] = {"kind": "panoptic_classes", "title": "Panoptic quality by class", "runs": "all"}
FIGURES: Mapping[str, Mapping[str, Any]] = {
    "targets": {"kind": "instance_targets", "title": "What the network learns"},
    "results": {"kind": "instance_results", "title": "Objects found", "runs": ["objects"]},
    "curves": CURVES,
}
SEGMENT: Mapping[str, Any] = {"kind": "watershed", "mask_threshold": 0.5, "dilation_radius": 0}


def content(draft: Draft, classes: Sequence[str]) -> Options:
    """A study of objects of one class, or of several."""
    s, channels, named = draft.settings, draft.looked.pictures[0].channels, classes[1].capitalize()
    several = len(classes) > BINARY
    heading = "Objects" if several or named == "Object" else named
    network: Options = {"name": "unet", "width": s.width, "in_channels": channels}
    tables = {
        "scores": SCORES,
        **({"types": TYPES} if several else {}),
        "data": {"kind": "instance_data", "title": "Images and objects", "objects": heading},
        "sizes": {"kind": "morphometry", "title": "Size and shape", "runs": "all", "objects": heading},
        "time": TIME,
    }
    return {
        "patches": patches(draft),
        "network": network if several else {**network, "out_channels": 2},
        "augment": {**FLIPS, **(STAIN if channels == RGB else LIGHT)},
        "predict": {"window": s.window, "overlap": 0.25},
        "run": "objects",
        "evaluate": {"metrics": ["instances", "overlap"], "rank_by": "mpq" if several else "aji"},
        "tables": tables,
        "figures": FIGURES,
        "demo": demo(draft, least_zoom=LEAST_ZOOM),
        **(_of_classes(draft) if several else _of_markers(draft)),
    }


def _of_markers(draft: Draft) -> Options:
    """Two maps by sigmoid: the mask, and a marker in each object."""
    segment = {**SEGMENT, "marker_threshold": 0.5}
    return {
        "loss": {"name": "bce_dice"},
        "method": {"outputs": ["mask", "shape_marker"], "input": scaling(draft), "segment": segment},
        "run_label": "U-Net, mask and marker",
        "other_loss": "bce",
    }


def _of_classes(draft: Draft) -> Options:
    """A map of each class by softmax, with gaps between objects that touch."""
    segment = {**SEGMENT, "markers": "distance"}
    return {
        "loss": {"name": "cross_entropy", "class_weight": "inverse_frequency"},
        "method": {"outputs": ["separated_mask"], "input": scaling(draft), "segment": segment},
        "run_label": "U-Net, classes and gaps",
        "other_loss": "focal",
    }
