# SPDX-License-Identifier: MIT
"""The pipeline of an instance study, from the image to the objects, with pictures of one sample."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.config.augment import Augment
from microtome.figures.inputs import FigureInputs, SampleSources, needed
from microtome.figures.parts.flow_diagram import Stage, draw_flow, tell_flow
from microtome.figures.parts.markers_reached import unreached
from microtome.figures.parts.objects import Window, colour_labels, densest_window, read_labels
from microtome.figures.parts.panels import heat_picture, outputs_of, read_image, read_output
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.training.augment import augment

EXPLAINS = True
NEEDS = frozenset({"images", "method", "names", "runs", "trained"})
USES = frozenset({"stains"})
SAMPLE_OPTIONS = ("sample",)
CROP = 192
SEEDS = (3, 5, 8)
"""Seeds of the augmented pictures."""
PER_CENT = 100


@styled
def draw(inputs: FigureInputs, *, run: str = "", sample: str = "", crop: int = CROP) -> FigureResult:
    """Draw the way of an image through normalization, augmentation, network and separation of the objects.

    Args:
        inputs: Run records, settings of the runs (`FigureInputs.settings`), files of the samples. Steps
            without a picture at hand are drawn as empty frames, steps that the run does without are left out.
        run: The run; the first by default.
        sample: The sample; by default the first test sample with objects found by the run.
        crop: Side of the square that is shown, the one with most of the objects; 0 for the whole image.

    Returns:
        The figure. Its data: step, what is known of it, whether a picture shows it.

    Raises:
        ValueError: There is no run, or no sample with an image.
    """
    name = inputs.select([run] if run else ())[0].run
    settings = _settings(inputs, name)
    has_objects = any(name in files.segmented for files in inputs.sources.values())
    needs = ("image", "segmented") if has_objects else ("image",)
    chosen, sources = inputs.sample(sample, run=name, needs=needs)
    window = _window(sources, name, chosen, crop)
    stages = _stages(inputs, name, settings, chosen, sources, window)
    data, told = tell_flow(stages, run=name, sample=chosen)
    caption = (
        f"The pipeline of {inputs.record(name).label}, with pictures of sample {chosen}: {told}. "
        f"{_missing(inputs, name, settings, sources)}{data_sentence(inputs.data_kind)}"
    )
    return FigureResult(draw_flow(stages, data_kind=inputs.data_kind), data, caption)


def _missing(inputs: FigureInputs, run: str, settings: Mapping[str, Any], sources: SampleSources) -> str:
    """A sentence about markers that are nowhere above the threshold; empty where they are."""
    path = sources.predictions.get(run)
    said = unreached(inputs.record(run), path, settings.get("segment", {})) if path else ""
    return f"{said[0].upper()}{said[1:]}. " if said else ""


def _settings(inputs: FigureInputs, run: str) -> dict[str, Any]:
    """What is known of a run: its part of the study file, else its card."""
    card = inputs.record(run).card
    training = card.get("training", {})
    from_card = {
        "network": {"name": card["network"]["name"], **card["network"].get("options", {})},
        "loss": card.get("loss", {}),
        "stain": card.get("stain"),
        "outputs": outputs_of(inputs.record(run)),
        "sampler": training.get("sampler", {}),
        "augment": training.get("augment", {}),
    }
    return from_card | dict(inputs.settings.get("runs", {}).get(run, {}))


def _window(sources: SampleSources, run: str, sample: str, crop: int) -> Window:
    """A square, so that pictures may be turned."""
    path = sources.segmented.get(run) or sources.instances
    header = images.header(needed(sources, "image", sample))
    short = min(header.height, header.width)
    labels = np.ones((header.height, header.width), np.uint8) if path is None else read_labels(path)
    return densest_window(labels, min(crop or short, short))


def _stages(
    inputs: FigureInputs,
    run: str,
    settings: Mapping[str, Any],
    sample: str,
    sources: SampleSources,
    window: Window,
) -> list[Stage]:
    image = window.of(read_image(needed(sources, "image", sample)))
    stages = [Stage("picture", ("image",), (image,))]
    if settings["stain"]:
        stages.append(_normalized(inputs, settings["stain"], sources, window))
    if _augmentation(settings["augment"]) or settings["sampler"].get("copies"):
        seen = stages[-1].pictures[0]
        stages.append(_augmented(settings, image if seen is None else seen))
    network = settings["network"]
    backbone = inputs.name_of("encoder", network.get("encoder") or "")
    lines = [line for line in (backbone, inputs.name_of("loss", settings["loss"].get("name", ""))) if line]
    stages.append(Stage("network", (inputs.name_of("network", network["name"]), *lines), arrow="train"))
    stages.append(_outputs(settings["outputs"], sources, run, window))
    stages.append(_objects(settings.get("segment", {}), sources, run, window))
    return stages


def _normalized(inputs: FigureInputs, stain: str, sources: SampleSources, window: Window) -> Stage:
    path = sources.normalized.get(stain)
    picture = None if path is None else window.of(read_image(path))
    settings = inputs.settings.get("stains", {}).get(stain, {})
    method = settings.get("method", stain)
    return Stage("picture", ("normalized",), (picture,), arrow=inputs.name_of("stain", method))


def _augmented(settings: Mapping[str, Any], picture: NDArray) -> Stage:
    copies, repeats = (settings["sampler"].get(key) for key in ("copies", "repeats"))
    often = "anew in\neach epoch" if repeats in (None, 1) else f"anew, {repeats}×\nper epoch"
    options = Augment.model_validate(settings["augment"])
    pictures = tuple(_augment(picture, options, seed) for seed in SEEDS)
    return Stage(
        "stack",
        ("augmented",),
        pictures,
        below=_augmentation(settings["augment"]),
        arrow="augment",
        under_arrow=f"{copies} copies\nof each" if copies else often,
    )


def _augment(picture: NDArray, settings: Augment, seed: int) -> NDArray:
    channels = picture if picture.ndim == 3 else picture[..., None]
    batch = torch.from_numpy(np.ascontiguousarray(np.moveaxis(channels, -1, 0)[None], np.float32))
    image, _ = augment(batch, torch.zeros_like(batch[:, :1]), settings, seed=seed)
    return np.squeeze(np.moveaxis(image[0].numpy(), 0, -1)).clip(0, 1)


def _augmentation(settings: Mapping[str, Any]) -> str:
    """Two short lines about an augmentation."""
    texts = {
        "flip": settings.get("horizontal_flip") or settings.get("vertical_flip"),
        "quarter turns": settings.get("rotate90"),
        f"rotation ±{settings.get('rotation', 0):g}°": settings.get("rotation"),
        f"shift ±{PER_CENT * settings.get('translate', 0):g} %": settings.get("translate"),
        "elastic": settings.get("elastic_alpha"),
        "colour": any(settings.get(key) for key in ("stain", "brightness", "contrast", "gamma")),
    }
    chosen = [text for text, is_on in texts.items() if is_on]
    half = -(-len(chosen) // 2)
    return ",\n".join(", ".join(part) for part in (chosen[:half], chosen[half:]) if part)


def _outputs(outputs: Sequence[str], sources: SampleSources, run: str, window: Window) -> Stage:
    names = list(outputs) or ["mask"]
    path = sources.predictions.get(run)
    pictures = [
        None if path is None else heat_picture(window.of(read_output(path, names, name))) for name in names
    ]
    shape = "pair" if len(names) == 2 else "picture"
    return Stage(shape, tuple(name.replace("_", " ") for name in names), tuple(pictures))


def _objects(settings: Mapping[str, Any], sources: SampleSources, run: str, window: Window) -> Stage:
    path = sources.segmented.get(run)
    picture = None if path is None else colour_labels(window.of(read_labels(path)))
    thresholds = {key: settings.get(f"{key}_threshold") for key in ("mask", "marker")}
    below = ",\n".join(f"{key} > {value:g}" for key, value in thresholds.items() if value is not None)
    kind = settings.get("kind", "watershed")
    return Stage("picture", ("objects",), (picture,), below=below, arrow=kind)
