# SPDX-License-Identifier: MIT
"""What the layers of a trained network give for one sample, seen by hooks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from microtome import networks
from microtome.config.sampling import Input
from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.parts.bands import chosen_bands, read_bands
from microtome.io import images
from microtome.io.envi import Cube, open_cube
from microtome.networks._blocks import hooked
from microtome.networks.weights import load_weights
from microtome.provenance.cards import WEIGHTS_NAME
from microtome.provenance.runs import RunRecord

FULL_SCALE = 4095.0
"""Largest value of a 12-bit camera, by which raw bands are divided."""
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
ENCODER, FUSION, DECODER = "encoder", "fusion", "decoder"
PATHS = ("standard", "dilated")
"""Parts of an encoder stage that are blocks of their own (Hyper-net's two paths)."""
RGB = 3
VIEWS = ("image", "bands", "raw")


@dataclass(frozen=True)
class Block:
    """A module of a network with an encoder and a decoder.

    Attributes:
        layer: Its name.
        path: ``encoder``, ``fusion`` or ``decoder``.
        label: What it is called in a drawing.
        added: Whether its output is added to that of the block after it before the decoder takes both.
    """

    layer: str
    path: str
    label: str
    added: bool = False


def load_network(record: RunRecord) -> nn.Module:
    """Build the network of a run on the CPU and load its weights, in evaluation mode.

    Raises:
        ValueError: The run has no network of its own, no weights, or those of another network.
    """
    if record.is_ensemble:
        msg = f"run {record.run!r} is an ensemble and has no network of its own; name one of its members"
        raise ValueError(msg)
    path = record.folder / WEIGHTS_NAME
    if not path.is_file():
        found = f"{path} does not exist, so run {record.run!r} has no weights of its own"
        msg = f"{found}; train it, or name the run whose weights it takes"
        raise ValueError(msg)
    card = record.card["network"]
    options = {key: value for key, value in card.get("options", {}).items() if key != "name"}
    model = networks.build(card["name"], **options)
    load_weights(model, path, network=f"{card['name']} {options}")
    return model.eval()


def read_input(
    inputs: FigureInputs,
    record: RunRecord,
    model: nn.Module,
    sample: str,
    *,
    crop: int,
) -> NDArray[np.float32]:
    """Read what a network sees of a sample, scaled as in its training.

    Args:
        inputs: Images, cubes and the table of bands.
        record: The run; its card says what it sees (``view``).
        model: Its network.
        sample: Name of the sample.
        crop: Side of the square in the middle that is read; 0 for everything.

    Returns:
        (C, H, W) float32.

    Raises:
        ValueError: A file is missing, or the network takes another number of channels.
    """
    channels = int(getattr(model, "in_channels", 1))
    view = record.card.get("view") or ("bands" if inputs.cubes and channels != RGB else "image")
    if view not in VIEWS:
        msg = f"run {record.run!r} sees {view!r}, expected one of {list(VIEWS)}"
        raise ValueError(msg)
    if view == "image":
        pixels = _read_image(inputs.sample(sample)[1], record, sample, crop)
    else:
        paths = inputs.cubes if view == "bands" else inputs.raw_cubes
        what = "calibrated cube" if view == "bands" else "raw cube"
        cube = open_cube(file_of(paths, sample, sample=sample, what=what))
        pixels = _read_cube(cube, inputs, crop) / (1.0 if view == "bands" else FULL_SCALE)
    if len(pixels) != channels:
        found = f"its view {view!r} of sample {sample!r} has {len(pixels)}"
        msg = f"run {record.run!r} takes {channels} channels, {found}; set the view of the run"
        raise ValueError(msg)
    settings = Input(**record.card.get("training", {}).get("input", {"scale": 1, "mean": 0, "std": 1}))
    return ((pixels.astype(np.float32) / settings.scale - settings.mean) / settings.std).astype(np.float32)


def first_layer(model: nn.Module) -> str:
    """Name the activation after the first convolution of a network, or the convolution if none follows.

    Raises:
        ValueError: The network has no convolution.

    Example:
        >>> first_layer(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.ReLU()))
        '2'
    """
    leaves = [(name, part) for name, part in model.named_modules() if next(part.children(), None) is None]
    first = next((index for index, (_, part) in enumerate(leaves) if isinstance(part, CONVOLUTIONS)), None)
    if first is None:
        msg = f"{type(model).__name__} has no convolution, so no feature maps"
        raise ValueError(msg)
    after = leaves[first + 1 :]
    stop = next((i for i, (_, part) in enumerate(after) if isinstance(part, CONVOLUTIONS)), len(after))
    found = [name for name, part in after[:stop] if isinstance(part, ACTIVATIONS)]
    return found[0] if found else leaves[first][0]


def blocks(model: nn.Module) -> list[Block]:
    """List the blocks of a network with an encoder and a decoder, in the order in which it runs them.

    Its stages are lists of modules called ``encoder`` and ``decoder``.

    Raises:
        ValueError: It has no such lists.
    """
    lists = {
        name.rpartition(".")[2]: name
        for name, part in model.named_modules()
        if isinstance(part, nn.ModuleList) and name.rpartition(".")[2] in (ENCODER, DECODER)
    }
    if set(lists) != {ENCODER, DECODER}:
        msg = f"{type(model).__name__} has no lists of encoder and decoder stages; name its layers instead"
        raise ValueError(msg)
    encoder = [layer for stage in _stages(model, lists[ENCODER]) for layer in _parts(model, stage)]
    fusion = [FUSION] if isinstance(getattr(model, FUSION, None), nn.Module) else []
    decoder = _stages(model, lists[DECODER])
    added = f".{PATHS[0]}"
    named = [Block(one, ENCODER, f"encoder {i}", one.endswith(added)) for i, one in enumerate(encoder, 1)]
    named += [Block(layer, FUSION, FUSION) for layer in fusion]
    return named + [Block(layer, DECODER, f"decoder {len(decoder) - i}") for i, layer in enumerate(decoder)]


def run_layers(
    model: nn.Module, pixels: NDArray[np.float32], layers: Sequence[str]
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Run a network and record what some of its layers give.

    Args:
        model: The network, in evaluation mode.
        pixels: (C, H, W).
        layers: Names of modules; of one with several outputs the first counts, of one that runs several
            times the first run.

    Returns:
        (C', H', W') or (C', D', H', W') by layer, and the logits (K, H, W).

    Raises:
        ValueError: There is no such layer, or it did not run.
    """
    known = dict(model.named_modules())
    if unknown := [layer for layer in layers if layer not in known or not layer]:
        msg = f"{type(model).__name__} has no layers {unknown}; it has {[name for name in known if name]}"
        raise ValueError(msg)
    found: dict[str, NDArray[np.float32]] = {}

    names = {known[layer]: layer for layer in layers}

    def record(layer: nn.Module, _: tuple, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        given = output if isinstance(output, torch.Tensor) else output[0]
        found.setdefault(names[layer], given[0].detach().float().numpy().copy())

    with torch.inference_mode(), hooked(names, record):
        logits = model(torch.from_numpy(np.ascontiguousarray(pixels))[None])
    if silent := [layer for layer in layers if layer not in found]:
        msg = f"the layers {silent} did not run; name others"
        raise ValueError(msg)
    return found, logits[0].float().numpy()


def _read_image(sources: SampleSources, record: RunRecord, sample: str, crop: int) -> NDArray:
    stain = record.card.get("stain")
    path = (
        file_of(sources.normalized, stain, sample=sample, what="normalized image")
        if stain
        else needed(sources, "image", sample)
    )
    return _middle(images.as_channels_first(images.read(path)), crop)


def _read_cube(cube: Cube, inputs: FigureInputs, crop: int) -> NDArray:
    bands = chosen_bands(read_bands(inputs.bands), cube)
    return np.stack([_middle(cube.read_band(band), crop) for band in bands]).astype(np.float32)


def _middle(array: NDArray, side: int) -> NDArray:
    """The square of a side in the middle of the last two axes."""
    height, width = array.shape[-2:]
    rows, columns = (min(length, side or length) for length in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    return array[..., top : top + rows, left : left + columns]


def _stages(model: nn.Module, name: str) -> list[str]:
    return [f"{name}.{key}" for key, _ in model.get_submodule(name).named_children()]


def _parts(model: nn.Module, stage: str) -> list[str]:
    """The two paths of a stage where it has both, else the stage."""
    children: Mapping[str, nn.Module] = dict(model.get_submodule(stage).named_children())
    real = [name for name in PATHS if name in children and not isinstance(children[name], nn.Identity)]
    return [f"{stage}.{name}" for name in real] if len(real) == len(PATHS) else [stage]
