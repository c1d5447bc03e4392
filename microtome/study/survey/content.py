# SPDX-License-Identifier: MIT
"""What a study file says of the data that were found, and of what is done with them."""

from collections.abc import Mapping
from typing import Any

from microtome.study.survey.draft import Draft
from microtome.study.survey.kinds import images, objects, slides
from microtome.study.survey.kinds.parts import RGB, Options

PATH: Mapping[str, Any] = {"kind": "sample_path", "title": "One sample, step by step"}
LOOKING: Mapping[str, Mapping[str, Any]] = {
    "cubes": {
        "spectra": {"kind": "spectra", "title": "Spectra and choice of bands"},
        "bands": {"kind": "band_images", "title": "Bands"},
        "quality": {"kind": "cube_quality", "title": "Quality of a cube"},
    },
    "slides": {"tissue": {"kind": "tissue_sections", "title": "Tissue and sections of every slide"}},
}
"""Figures that need no network, by the kind of data."""


def content(draft: Draft) -> Options:
    """The parts of a study file that differ from kind to kind, by the names that the template gives them."""
    looked, labels = draft.looked, draft.looked.labels
    classes = list(labels.classes) or ["tissue"]
    are_numbered = list(labels.classes.values()) == list(range(len(labels.classes)))
    is_rgb = looked.kind in ("cubes", "slides")
    looking = {"sample_path": PATH, **LOOKING.get(looked.kind, {})}
    shared = {
        "channels": RGB if is_rgb else looked.pictures[0].channels,
        "classes": classes if are_numbered else dict(labels.classes),
        "targets": _targets(draft),
    }
    if not draft.is_trained:
        return {**shared, "figures": looking}
    make = slides if looked.kind == "slides" else objects if labels.is_objects else images
    found = make.content(draft, classes)
    return {**shared, **found, "figures": {**looking, **found["figures"]}}


def _targets(draft: Draft) -> Options:
    """What labels are turned into, where that is not values or colours of classes."""
    labels = draft.looked.labels
    features: Options = {"names": dict(labels.names)} if labels.names else {}
    features |= {"unclassified": "skip"} if labels.is_unnamed_skipped else {}
    found = {"features": features} if features else {}
    if labels.is_objects:
        return {"kind": "instances", **found}
    return {"outside": labels.outside, **found} if labels.form == "regions" else {}
