# SPDX-License-Identifier: MIT
"""What each level of a network makes of one window of a slide."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from microtome.config.sampling import Input
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.heat_maps import Place, read_picture
from microtome.figures.parts.layer_outputs import load_network
from microtome.provenance.runs import RunRecord

BYTE = 255


@dataclass(frozen=True)
class LevelMaps:
    """Probabilities of one class by each level of a network.

    Attributes:
        levels: (h, w) of each, coarse to fine.
        reductions: Size of the window over that of each.
        result: (H, W), of the network's output.
        merges: Whether the output is a sum of all levels, whose probabilities are then for pictures only.
    """

    levels: tuple[NDArray[np.float32], ...]
    reductions: tuple[int, ...]
    result: NDArray[np.float32]
    merges: bool


def shown_class(inputs: FigureInputs, record: RunRecord) -> str:
    """The class that a run calls, else the first that is not the background."""
    return inputs.calls[record.run]["class"] if record.run in inputs.calls else inputs.shown_class


def read_levels(inputs: FigureInputs, record: RunRecord, place: Place, class_name: str) -> LevelMaps:
    """Let the network of a run look at a window of a slide.

    Args:
        inputs: Slides (``images``) and the classes.
        record: The run, whose folder has its weights.
        place: The window, within its slide.
        class_name: The class whose probability is shown.

    Returns:
        The maps of each level.

    Raises:
        ValueError: The run has no weights, or its network has no other output than the result.
    """
    model = load_network(record)
    if len(getattr(model, "reductions", ())) <= 1:
        msg = f"the network of run {record.run!r} has no coarser outputs; name one of network dsunet with "
        msg += "head deep or linear"
        raise ValueError(msg)
    settings = Input(**record.card.get("training", {}).get("input", {"scale": BYTE, "mean": 0, "std": 1}))
    pixels = np.moveaxis(read_picture(inputs.files["images"], place), -1, 0) * BYTE
    scaled = (pixels / settings.scale - settings.mean) / settings.std
    with torch.inference_mode():
        window = torch.from_numpy(scaled.astype(np.float32))[None]
        *levels, result = (
            _probability(logits, inputs.class_id(class_name))
            for logits in (*model.levels(window), model(window))
        )
    return LevelMaps(tuple(levels), tuple(model.reductions), result, model.merge is not None)


def _probability(logits: torch.Tensor, number: int) -> NDArray[np.float32]:
    """The probability (h, w) of a class; logits (1, 1, h, w) are of the second class alone."""
    if logits.shape[1] == 1:
        second = logits[0, 0].sigmoid()
        return (second if number else 1 - second).numpy()
    return logits.softmax(1)[0, number].numpy()
