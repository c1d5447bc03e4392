# SPDX-License-Identifier: MIT
"""What a study file says of each kind of data: targets, network, loss, tables, figures, the scale `demo`."""

from collections.abc import Mapping
from typing import Any

from microtome.study.survey.draft import DEMO_MPP, Draft

Options = dict[str, Any]
BINARY = 2
SLIDE_WINDOW, DEMO_SLIDE_WINDOW = 256, 64
FLIPS: Mapping[str, Any] = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "rotate90": 0.75}
LIGHT: Mapping[str, Any] = {"brightness": 0.1, "contrast": 0.1}
RGB = 3
TUMOUR = ("tumor", "tumour", "cancer", "carcinoma", "lesion", "melanoma", "bcc", "malignant")
DEMO_EPOCHS = 3


def content(draft: Draft) -> Options:
    """The parts of a study file that differ from kind to kind, by the names that the template gives them."""
    looked, labels = draft.looked, draft.looked.labels
    classes = list(labels.classes) or ["tissue"]
    several = len(classes) > BINARY
    kind = "slides" if looked.kind == "slides" else "objects" if labels.is_objects else "images"
    make = {"slides": _slides, "objects": _objects, "images": _images}[kind]
    numbered = dict(labels.classes) != {name: number for number, name in enumerate(classes)}
    channels = RGB if looked.kind in ("cubes", "slides") else looked.pictures[0].channels
    shared = {
        "channels": channels,
        "classes": dict(labels.classes) if numbered and labels.classes else classes,
        "targets": _targets(draft),
        "figures": _looking_figures(draft),
    }
    return shared | (make(draft, classes, several) if draft.is_trained else {})


def _targets(draft: Draft) -> Options:
    """What labels are turned into, where that is not values or colours of classes."""
    labels = draft.looked.labels
    features: Options = {"names": dict(labels.names)} if labels.names else {}
    features |= {"unclassified": "skip"} if labels.is_unnamed_skipped else {}
    found = {"features": features} if features else {}
    if labels.is_objects:
        return {"kind": "instances", **found}
    return {"outside": labels.outside, **found} if labels.form == "regions" else {}


def _looking_figures(draft: Draft) -> Options:
    """Figures that need no network."""
    kind = draft.looked.kind
    if kind == "cubes":
        return {
            "spectra": {"kind": "spectra", "title": "Spectra and choice of bands"},
            "bands": {"kind": "band_images", "title": "Bands"},
            "quality": {"kind": "cube_quality", "title": "Quality of a cube"},
        }
    if kind == "slides":
        found = {"tissue": {"kind": "tissue_sections", "title": "Tissue and sections of every slide"}}
        marked = {"kind": "slide_annotations", "title": "Annotations"}
        return found | ({"annotations": marked} if draft.is_trained else {})
    return {}


def _in_channels(draft: Draft) -> int:
    bands = draft.cubes.get("bands", {})
    return int(bands["width"]) if bands else draft.looked.pictures[0].channels


def _images(draft: Draft, classes: list[str], several: bool) -> Options:
    """Classes of pixels: a U-Net."""
    s, channels = draft.settings, _in_channels(draft)
    is_cube, is_partial = (
        bool(draft.cubes),
        bool(draft.looked.labels.ignore) or draft.looked.labels.outside is None,
    )
    view = {"view": "bands"} if is_cube else {}
    scaling = {"scale": 1, "mean": 0.5, "std": 0.5} if is_cube else _scaling(draft)
    figures = {
        "curves": {"kind": "loss_curves", "title": "Training and validation loss", "runs": "all"},
        "panel": {"kind": "sample_panel", "title": "An image of the test", "runs": ["unet"]},
    }
    if several or is_partial:
        figures["panel"] = {"kind": "mosaic_panels", "title": "Images of the test", "runs": "all"}
    tables = {
        "dice": {"kind": "metrics", "title": "Dice by class", "runs": "all", "interval": True},
        "more": {
            "kind": "metrics",
            "title": "IoU by class, and the share of the pixels that are right",
            "runs": "all",
            "columns": ["iou", "accuracy"],
        },
        "confusion": {"kind": "confusion_matrix", "title": "What is taken for what", "runs": ["unet"]},
        "data": {"kind": "data", "title": "Images, pixels and classes of each part"},
        "time": {"kind": "time", "title": "Parameters and time", "runs": "all"},
    }
    loss = {"name": "ce_dice", "class_weight": "inverse_frequency"} if several else {"name": "bce_dice"}
    return {
        "patches": _patches(draft) | ({"labelled": 0.01} if is_partial else {}),
        "network": {"name": "unet", "width": s.width, "in_channels": channels},
        "loss": loss,
        "method": {**view, "input": scaling},
        "augment": FLIPS if is_cube else FLIPS | LIGHT,
        "predict": {"window": s.window, "overlap": 0.25},
        "run": "unet",
        "run_label": "U-Net",
        "other_loss": "focal",
        "evaluate": {"metrics": ["overlap"], "rank_by": "mean_dice"},
        "tables": tables,
        "figures": _looking_figures(draft) | figures,
        "demo": _demo(draft, zoomed=True),
    }


def _objects(draft: Draft, classes: list[str], several: bool) -> Options:
    """Objects: a U-Net of mask and marker, or of classes and gaps; then a watershed."""
    s, channels, name = draft.settings, draft.looked.pictures[0].channels, ", ".join(classes[1:])
    network: Options = {"name": "unet", "width": s.width, "in_channels": channels}
    segment = {"kind": "watershed", "mask_threshold": 0.5, "dilation_radius": 0}
    found: Options = {
        "network": network | {"out_channels": 2},
        "loss": {"name": "bce_dice"},
        "outputs": ["mask", "shape_marker"],
        "segment": segment | {"marker_threshold": 0.5},
    }
    if several:
        found = {
            "network": network,
            "loss": {"name": "cross_entropy", "class_weight": "inverse_frequency"},
            "outputs": ["separated_mask"],
            "segment": segment | {"markers": "distance"},
        }
    tables = {
        "scores": {
            "kind": "metrics",
            "title": "Objects found",
            "runs": "all",
            "interval": True,
            "columns": [
                {"metric": "aji", "label": "AJI", "better": "high"},
                {"metric": "pq", "label": "PQ", "better": "high"},
                {"metric": "object_f1", "label": "F1 of objects", "better": "high"},
            ],
        },
        "data": {"kind": "instance_data", "title": "Images and objects", "objects": name},
        "sizes": {"kind": "morphometry", "title": "Size and shape", "runs": "all", "objects": name},
        "time": {"kind": "time", "title": "Parameters and time", "runs": "all"},
    }
    if several:
        tables["types"] = {"kind": "panoptic_classes", "title": "Panoptic quality by class", "runs": "all"}
    figures = {
        "targets": {"kind": "instance_targets", "title": "What the network learns"},
        "results": {"kind": "instance_results", "title": "Objects found", "runs": ["objects"]},
        "curves": {"kind": "loss_curves", "title": "Training and validation loss", "runs": "all"},
    }
    tint = {"stain": 0.1} if channels == RGB else LIGHT
    return {
        "patches": _patches(draft),
        "network": found["network"],
        "loss": found["loss"],
        "method": {"outputs": found["outputs"], "input": _scaling(draft), "segment": found["segment"]},
        "augment": FLIPS | tint,
        "predict": {"window": s.window, "overlap": 0.25},
        "run": "objects",
        "run_label": "U-Net, classes and gaps" if several else "U-Net, mask and marker",
        "other_loss": "focal" if several else "bce",
        "evaluate": {"metrics": ["instances", "overlap"], "rank_by": "mpq" if several else "aji"},
        "tables": tables,
        "figures": figures,
        "demo": _demo(draft, zoomed=False),
    }


def called_class(classes: list[str]) -> str:
    """The class that sections are called for: one named like a tumour, else the last.

    Example:
        >>> called_class(["background", "Tumornest", "Stroma"]), called_class(["normal", "crypt"])
        ('Tumornest', 'crypt')
    """
    likely = (name for name in classes[1:] if any(word in name.lower() for word in TUMOUR))
    return next(likely, classes[-1])


def _slides(draft: Draft, classes: list[str], several: bool) -> Options:
    """Whole slides: a deeply supervised U-Net, and calls of sections."""
    s, called = draft.settings, called_class(classes)
    is_wide = bool(draft.machine.gpu)
    network = {"name": "dsunet", "encoder": "resnet34", "head": "deep", "width": s.width, "in_channels": RGB}
    store = {"dtype": "uint8"} if several else {"dtype": "uint8", "classes": [called]}
    predict = {"window": SLIDE_WINDOW, "batch_size": s.batch, "store": store}
    tables = {
        "sections": {
            "kind": "section_metrics",
            "title": "Sections of the test",
            "runs": "all",
            "part": "test",
        },
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
    figures = {
        "curves": {"kind": "loss_curves", "title": "Training and validation loss", "runs": "all"},
        "heat_maps": {
            "kind": "section_heat_maps",
            "title": "Probabilities in sections of the test",
            "runs": ["calls"],
        },
    }
    side = SLIDE_WINDOW * (2 if is_wide else 1)
    demo = {
        "slides": {"mpp": DEMO_MPP * draft.slide_mpp},
        "patches": {"size": DEMO_SLIDE_WINDOW, "stride": DEMO_SLIDE_WINDOW},
        "defaults": {
            "network.width": 4,
            "training": {"epochs": DEMO_EPOCHS, "batch_size": 8, "select.keep": 2, "optimizer.lr": 0.005},
            "predict": {"window": DEMO_SLIDE_WINDOW, "batch_size": 16},
        },
    }
    return {
        "patches": {"size": side, "stride": side},
        "network": network,
        "loss": {"name": "softmax_focal"},
        "method": {
            "supervision": {"levels": "all"},
            "input": {"scale": 255, "mean": 0.5, "std": 0.5},
            "calls": {"class": called, "beta": 1.5},
        },
        "called": called,
        "augment": FLIPS | {"stain": 0.1},
        "predict": predict,
        "run": "calls",
        "run_label": "U-Net, deep supervision",
        "other_loss": "cross_entropy",
        "evaluate": {
            "metrics": ["overlap", "sections"],
            "parts": ["val", "test"],
            "rank_by": "section_accuracy",
        },
        "tables": tables,
        "figures": _looking_figures(draft) | figures,
        "demo": demo,
    }


def _patches(draft: Draft) -> Options:
    return {"size": draft.settings.window, "stride": draft.settings.window}


def _scaling(draft: Draft) -> Options:
    """Pixels from -1 to 1."""
    whole = int(draft.scale) if draft.scale == int(draft.scale) else draft.scale
    return {"scale": whole, "mean": 0.5, "std": 0.5}


def _demo(draft: Draft, *, zoomed: bool) -> Options:
    """A narrow network, a few epochs, windows of which a part is learnt from, images with fewer pixels."""
    s = draft.settings
    zoom = s.demo_zoom if zoomed else max(s.demo_zoom, 0.5)
    sampler = {"kind": "patches", "crop": s.demo_crop, "validate_crops": True, "repeats": s.demo_repeats}
    small: Options = {"input.zoom": zoom} if zoom != 1 else {}
    return {
        "patches": {"size": s.demo_window, "stride": s.demo_window},
        "defaults": {
            "network.width": 4,
            **small,
            "sampler": sampler,
            "training": {"epochs": DEMO_EPOCHS, "batch_size": 4, "optimizer.lr": 0.005},
            "predict": {"window": s.demo_window, "overlap": 0},
        },
    }
