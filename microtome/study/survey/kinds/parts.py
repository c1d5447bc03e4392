# SPDX-License-Identifier: MIT
"""Options that studies of several kinds have."""

from collections.abc import Mapping
from typing import Any

from microtome.study.survey.draft import Draft

Options = dict[str, Any]
RGB = 3
FLIPS: Mapping[str, Any] = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "rotate90": 0.75}
LIGHT: Mapping[str, Any] = {"brightness": 0.1, "contrast": 0.1}
STAIN: Mapping[str, Any] = {"stain": 0.1}
DEMO_EPOCHS, DEMO_WIDTH, DEMO_RATE = 3, 4, 0.005
CURVES: Mapping[str, Any] = {"kind": "loss_curves", "title": "Training and validation loss", "runs": "all"}
TIME: Mapping[str, Any] = {"kind": "time", "title": "Parameters and time", "runs": "all"}
LEAST_ZOOM = 0.5
"""Of objects, which have few pixels."""


def patches(draft: Draft) -> Options:
    """Windows side by side."""
    return {"size": draft.settings.window, "stride": draft.settings.window}


def scaling(draft: Draft) -> Options:
    """Pixels from -1 to 1."""
    return {"scale": draft.scale, "mean": 0.5, "std": 0.5}


def demo(draft: Draft, *, least_zoom: float = 0.0) -> Options:
    """A narrow network, a few epochs, windows of which a part is learnt from, images with fewer pixels."""
    s = draft.settings
    zoom = max(s.demo_zoom, least_zoom)
    sampler = {"kind": "patches", "crop": s.demo_crop, "validate_crops": True, "repeats": s.demo_repeats}
    small: Options = {"input.zoom": zoom} if zoom != 1 else {}
    return {
        "patches": {"size": s.demo_window, "stride": s.demo_window},
        "defaults": {
            "network.width": DEMO_WIDTH,
            **small,
            "sampler": sampler,
            "training": {"epochs": DEMO_EPOCHS, "batch_size": 4, "optimizer.lr": DEMO_RATE},
            "predict": {"window": s.demo_window, "overlap": 0},
        },
    }
