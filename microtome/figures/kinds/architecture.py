# SPDX-License-Identifier: MIT
"""The architecture of a network, drawn from the built model: a U, rows of nested ones, a chain of windows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.annotated_patches import half_annotated
from microtome.figures.parts.chain_diagram import draw_chain
from microtome.figures.parts.level_maps import read_levels, shown_class
from microtome.figures.parts.nested_diagram import draw_nested
from microtome.figures.parts.nested_steps import TracedNested, trace_nested
from microtome.figures.parts.network_steps import Step, Traced, trace
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import styled
from microtome.figures.parts.u_diagram import draw_u, halvings
from microtome.figures.result import FigureResult
from microtome.networks import build, parameter_count
from microtome.tables.kinds.layers import has_layer_table, layers_of

EXPLAINS = True
NEEDS = frozenset({"trained"})
NEEDS_WHEN = {("network", None): {"runs"}, ("scores", True): {"runs", "slides", "patches", "calls"}}
SAMPLE_OPTIONS = ("sample",)
SIZE = 512


@styled
def draw(
    inputs: FigureInputs,
    *,
    run: str = "",
    network: Mapping[str, Any] | None = None,
    size: int = SIZE,
    scores: bool = False,
    sample: str = "",
    part: str = "val",
) -> FigureResult:
    """Draw a network.

    Args:
        inputs: Run records, when the network is named by a run.
        run: Run whose network is drawn; used where `network` is not given.
        network: ``name`` and options of the network.
        size: Side of the image, pixels; window networks have their own.
        scores: Whether the probabilities that each level of the run's network gives stand beside it, for a
            window of a slide, whose side is then that of the image.
        sample: The slide; by default the one with the patch that is nearest to half annotated.
        part: Part of the split whose slides are looked through.

    Returns:
        The figure. Its data: one row per step or layer; of nested networks, too, the reduction of the
        subnetwork's image.

    Raises:
        ValueError: The network is unknown or cannot be drawn, neither network nor run is given, or the run
            has no levels whose scores could be shown.
    """
    if scores:
        return _with_scores(inputs, run, sample, part)
    chosen = dict(network) if network else network_of(inputs, run)
    if has_layer_table(chosen["name"]):
        return _chain(chosen)
    if nested := trace_nested(chosen, size=size):
        return _nested(chosen["name"], nested)
    traced = trace(chosen, size=size)
    outputs = () if network else _outputs_of(inputs, run)
    drawing = draw_u(traced.steps, traced.companions, outputs)
    return FigureResult(drawing, _data(traced.steps), _caption(chosen["name"], traced, size, outputs))


def _with_scores(inputs: FigureInputs, run: str, sample: str, part: str) -> FigureResult:
    """The network of a run with what its levels make of a window of a slide."""
    record = inputs.select([run] if run else ())[0]
    chosen, positive = network_of(inputs, record.run), shown_class(inputs, record)
    (place,) = half_annotated(inputs, record, positive, part=part, samples=[sample] if sample else ())
    maps = read_levels(inputs, record, place, positive)
    traced = trace(chosen, size=place.height)
    halved = [round(math.log2(reduction)) for reduction in maps.reductions]
    by_level = dict(zip(halved, maps.levels, strict=True))
    drawing = draw_u(
        traced.steps, traced.companions, scores=by_level, scored=positive, data_kind=inputs.data_kind
    )
    caption = (
        f"{_caption(chosen['name'], traced, place.height, ())} At the right of each decoder block: the "
        f"softmax of its scores, probability of {positive} (dark 0, bright 1), for a window of slide "
        f"{place.sample} (row {place.y}, column {place.x}). {data_sentence(inputs.data_kind)}"
    )
    return FigureResult(drawing, _data(traced.steps), caption)


def _data(steps: Sequence[Step]) -> pd.DataFrame:
    """One row per step; what only stages have is left out where there are none."""
    data = pd.DataFrame([asdict(step) for step in steps])
    return data if data["blocks"].any() else data.drop(columns=["blocks", "label"])


def _caption(name: str, traced: Traced, size: int, outputs: Sequence[str]) -> str:
    steps = traced.steps
    stages = [step for step in steps if step.kind == "stage"]
    sentences = [
        f"The network {name} as built, for an image of {size}×{size} pixels: {halvings(steps)} halvings, at "
        f"most {max(step.channels for step in steps):,} channels, {traced.parameters:,} parameters.",
    ]
    if any(step.copied for step in steps):
        sentences.append("White boxes are copied from the contracting path.")
    if stages:
        blocks = ", ".join(str(stage.blocks) for stage in stages)
        sentences.append(f"The stages of the contracting path have {blocks} {stages[0].label}s.")
    if len(outputs) > 1:
        sentences.append(f"The outputs are independent sigmoids: {', '.join(outputs)}.")
    return " ".join(sentences)


def _nested(name: str, traced: TracedNested) -> FigureResult:
    """Subnetworks of an image at several scales."""
    rows = [{"reduction": one.reduction, **asdict(step)} for one in traced.scales for step in one.steps]
    finest = traced.scales[-1]
    sizes = [f"{scale.steps[scale.bottleneck].size}²" for scale in traced.scales]
    caption = (
        f"The network {name} as built, for an image of {finest.steps[0].size}×{finest.steps[0].size} pixels: "
        f"{len(traced.scales)} subnetwork{'s' * (len(traced.scales) != 1)}, coarse to fine, "
        f"with bottlenecks of {', '.join(sizes)} pixels; "
        f"{traced.parameters:,} parameters."
    )
    if len(traced.scales) > 1:
        caption += (
            " Each subnetwork but the coarsest takes the image of its scale and, appended to it, the class "
            "probabilities of the next coarser one (white); its bottleneck is multiplied with a factor made "
            "of that one's. Every scale has scores of its own."
        )
    return FigureResult(draw_nested(traced), pd.DataFrame(rows), caption)


def _chain(network: Mapping[str, Any]) -> FigureResult:
    options = dict(network)
    model = build(options.pop("name"), **options)
    layers = layers_of(network["name"], model)
    caption = (
        f"The network {network['name']} as built: it looks at a window of "
        f"{layers[0]['size']}×{layers[0]['size']} pixels "
        f"and classifies its central pixel; {parameter_count(model):,} parameters."
    )
    return FigureResult(draw_chain(layers), pd.DataFrame(layers), caption)


def _outputs_of(inputs: FigureInputs, run: str) -> tuple[str, ...]:
    """What the outputs of a run's network are, in words."""
    record = inputs.select([run] if run else ())[0]
    return tuple(str(name).replace("_", " ") for name in record.card.get("outputs") or ())


def network_of(inputs: FigureInputs, run: str) -> dict[str, Any]:
    """Name and options of the network of a run (the first by default).

    Raises:
        ValueError: There is no run, or it is an ensemble.
    """
    if not inputs.runs:
        msg = "an architecture needs the option network (its name and options) or a run; give one of the two"
        raise ValueError(msg)
    record = inputs.select([run] if run else ())[0]
    if record.is_ensemble:
        msg = f"run {record.run!r} is an ensemble and has no network of its own; name one of its members"
        raise ValueError(msg)
    card = record.card["network"]
    options = card.get("options", {})
    return {"name": card["name"], **{key: value for key, value in options.items() if key != "name"}}
