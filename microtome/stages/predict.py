# SPDX-License-Identifier: MIT
"""Predict probability maps with a trained run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from microtome import networks
from microtome.config.prediction import Predict
from microtome.config.sampling import Input, Window
from microtome.devices import choose_device, repeatable
from microtome.files import finished_folder
from microtome.inference.fold_batch_norm import optimize_for_inference
from microtome.inference.overlap_tile import predict
from microtome.inference.resize import restored, zoomed
from microtome.inference.test_time_views import DIHEDRAL
from microtome.io import images, views
from microtome.networks.weights import load_weights
from microtome.networks.windows import WindowTransform, predict_by_windows

Options = Mapping[str, Any]
MASK = "mask"
"""The output that is the probability of the positive class, whose name it then has."""


def load_model(weights: Path, network: Options) -> torch.nn.Module:
    """Build a network (its name and options) and load its weights, in evaluation mode.

    Raises:
        WeightsFileError: The file is damaged, or the weights are of another network.
    """
    model = networks.build(**network)
    load_weights(model, weights, network=str(dict(network)))
    return model.eval()


def predict_batch(
    options: Options, weights: Path, source: Path, folder: Path, *, device: str, threads: int
) -> None:
    """Predict every image in a folder.

    Args:
        options: The rule's options (see `workflow.states`).
        weights: `model.safetensors`.
        source: Folder of images.
        folder: Gets one probability map (K, H, W) float32 an image: of the classes if the option `activation`
            is `softmax`, otherwise of the sigmoid outputs, or of the positive class.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
    """
    with repeatable(threads):
        predict_folder(ready_model(options, weights, device=device), options, source, folder)


def ready_model(options: Options, weights: Path, *, device: str) -> torch.nn.Module:
    """The trained network of a run, on its device, ready to predict."""
    model = load_model(weights, options["network"]).to(choose_device(device))
    return model if hasattr(model, "window") else optimize_for_inference(model)


def predict_folder(model: torch.nn.Module, options: Options, source: Path, folder: Path) -> None:
    """Predict every image in a folder with a network that is ready, see `predict_batch`."""
    with finished_folder(folder) as partial:
        for path in views.samples(source).values():
            with views.of_sample(path.stem):
                maps, mpp = _probability(model, path, options), images.header(path).mpp
            place = views.place(partial, path.stem)
            images.write(place, maps, mpp=mpp, channels=channel_names(len(maps), options))


def channel_names(count: int, options: Options) -> list[str] | None:
    """What the channels of a map are called: classes, or the outputs of the network; None if not told."""
    classes, outputs = list(options.get("classes", ())), list(options.get("outputs", ()))
    if outputs != [MASK] and len(outputs) == count:
        return [name.replace("_", " ") for name in outputs]
    if count == 1 and len(classes) > 1:
        return [classes[1]]
    return classes if len(classes) == count else None


def _probability(model: torch.nn.Module, path: Path, options: Options) -> np.ndarray:
    """The probability map of one image, by the way that suits the network."""
    settings, window = Predict.model_validate(options["predict"]), Window.model_validate(options["window"])
    activation, first = options["activation"], 0 if options["activation"] == "softmax" else -1
    if not hasattr(model, "window"):
        source = images.open_source(path)
        maps = _overlap_tile(model, _zoomed(source, options), options, settings, activation=activation)
        return maps if maps.shape[1:] == source.shape[1:] else restored(maps, source.shape[1:])
    if window.foveate or window.nonuniform:
        image = images.open_source(path)
        pixels = normalized(image.read(0, 0, *image.shape[1:]), options)
        transform = WindowTransform(foveate=window.foveate, nonuniform=window.nonuniform)
        return predict_by_windows(model, pixels, transform=transform, stride=window.stride)[first:]
    source, margin = images.open_source(path), model.window // 2
    return _overlap_tile(model.dense(), source, options, settings, activation="softmax", margin=margin)[
        first:
    ]


def _zoomed(source: images.Raster, options: Options) -> images.Raster:
    """The image at the size that the network sees it in."""
    zoom = options["input"]["zoom"]
    if zoom == 1:
        return source
    pixels = torch.from_numpy(source.read(0, 0, *source.shape[1:]).astype(np.float32))
    return images.ArraySource(zoomed(pixels[None], zoom)[0].numpy())


def _overlap_tile(
    model: torch.nn.Module,
    source: images.Raster,
    options: Options,
    settings: Predict,
    *,
    activation: str,
    margin: int = 0,
) -> np.ndarray:
    """Overlap-tile prediction of one image."""
    named = ("window", "overlap", "weights", "gaussian_sigma", "precision")
    return predict(
        model,
        source,
        **{name: getattr(settings, name) for name in named},
        batch=settings.batch_size,
        activation=activation,
        tta=DIHEDRAL if settings.tta else (),
        normalize=lambda pixels: normalized(pixels, options),
        margin=margin,
        device=next(model.parameters()).device,
    )


def normalized(pixels: np.ndarray, options: Options) -> np.ndarray:
    """Scale pixels as the network takes them."""
    settings = Input.model_validate(options["input"])
    values = pixels.astype(np.float32)
    values /= settings.scale
    values -= settings.mean
    values /= settings.std
    return values
