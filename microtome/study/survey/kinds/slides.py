# SPDX-License-Identifier: MIT
"""Whole slides: a deeply supervised U-Net, and calls of sections."""

from collections.abc import Mapping, Sequence
from typing import Any

from microtome.study.survey.draft import DEMO_MPP, Draft
from microtome.study.survey.kinds.images import BINARY
from microtome.study.survey.kinds.parts import (
    CURVES,
    DEMO_EPOCHS,
    DEMO_RATE,
    DEMO_WIDTH,
    FLIPS,
    RGB,
    STAIN,
    Options,
)

WINDOW = {True: 512, False: 256}
"""Side, pixels, with and without a GPU."""
PREDICTED, DEMO_WINDOW = 256, 64
TUMOUR = ("tumor", "tumour", "cancer", "carcinoma", "lesion", "melanoma", "bcc", "malignant")
"""In the name of the class that sections are called for."""
TABLES: Mapping[str, Mapping[str, Any]] = {
    "sections": {"kind": "section_metrics", "title": "Sections of the test", "runs": "all", "part": "test"},
    "chosen": {
        "kind": "section_metrics",
        "title": "Sections of the validation, with the thresholds chosen on it",
        "runs": "all",
        "part": "val",
        "thresholds": True,
    },
    "parts": {"kind": "slide_parts", "title": "Slides and sections by part"},
    "time": {"kind": "slide_time", "title": "Seconds per slide", "runs": "all"},
}
FIGURES: Mapping[str, Mapping[str, Any]] = {
    "annotations": {"kind": "slide_annotations", "title": "Annotations"},
    "curves": CURVES,
    "heat_maps": {
        "kind": "section_heat_maps",
        "title": "Probabilities in sections of the test",
        "runs": ["calls"],
    },
}


def called_class(classes: Sequence[str]) -> str:
    """The class that sections are called for: one named like a tumour, else the last.

    Example:
        >>> called_class(["background", "Tumornest", "Stroma"]), called_class(["normal", "crypt"])
        ('Tumornest', 'crypt')
    """
    likely = (name for name in classes[1:] if any(word in name.lower() for word in TUMOUR))
    return next(likely, classes[-1])


def content(draft: Draft, classes: Sequence[str]) -> Options:
    """A study of slides."""
    s, called, side = draft.settings, called_class(classes), WINDOW[bool(draft.machine.gpu)]
    stored = {} if len(classes) > BINARY else {"classes": [called]}
    method = {
        "supervision": {"levels": "all"},
        "input": {"scale": 255, "mean": 0.5, "std": 0.5},
        "calls": {"class": called, "beta": 1.5},
    }
    network = {"name": "dsunet", "encoder": "resnet34", "head": "deep", "width": s.width, "in_channels": RGB}
    evaluated = {"metrics": ["overlap", "sections"], "parts": ["val", "test"], "rank_by": "section_accuracy"}
    return {
        "patches": {"size": side, "stride": side},
        "network": network,
        "loss": {"name": "softmax_focal"},
        "method": method,
        "called": called,
        "augment": {**FLIPS, **STAIN},
        "predict": {
            "window": PREDICTED,
            "batch_size": s.batch,
            "store": {"dtype": "uint8", **stored},
        },
        "run": "calls",
        "run_label": "U-Net, deep supervision",
        "other_loss": "cross_entropy",
        "evaluate": evaluated,
        "tables": TABLES,
        "figures": FIGURES,
        "demo": _demo(draft),
    }


def _demo(draft: Draft) -> Options:
    """Coarse pixels, a narrow network, a few epochs."""
    training = {"epochs": DEMO_EPOCHS, "batch_size": 8, "select.keep": 2, "optimizer.lr": DEMO_RATE}
    return {
        "slides": {"mpp": DEMO_MPP * draft.slide_mpp},
        "patches": {"size": DEMO_WINDOW, "stride": DEMO_WINDOW},
        "defaults": {
            "network.width": DEMO_WIDTH,
            "training": training,
            "predict": {"window": DEMO_WINDOW, "batch_size": 16},
        },
    }
