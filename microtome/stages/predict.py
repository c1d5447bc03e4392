# SPDX-License-Identifier: MIT
"""Predict probability maps with a trained run."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from microtome import networks
from microtome.config.prediction import Predict
from microtome.config.sampling import Input, Window
from microtome.devices import choose_device, number_format, repeatable
from microtome.files import digest_of_options, finished_folder, resumable_folder, sha256_of_file
from microtome.inference.fold_batch_norm import optimize_for_inference
from microtome.inference.overlap_tile import predict
from microtome.inference.resize import restored, zoomed
from microtome.inference.scaling import Scaling
from microtome.inference.test_time_views import DIHEDRAL
from microtome.inference.write_behind import WriteBehind
from microtome.io import images, views
from microtome.networks.weights import load_weights
from microtome.networks.windows import WindowTransform, predict_by_windows
from microtome.stages.stored_maps import Sink, map_file

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
CACHED_ROWS = 1024
"""Rows of an image whose tiles stay decoded."""


def load_model(weights: Path, network: Options) -> torch.nn.Module:
    """Build a network (its name and options) and load its weights, in evaluation mode.

    Raises:
        WeightsFileError: The file is damaged, or the weights are of another network.
    """
    model = networks.build(**network)
    load_weights(model, weights, network=str(dict(network)))
    return model.eval()


def predict_batch(
    options: Options,
    weights: Path,
    source: Path,
    folder: Path,
    *,
    device: str,
    threads: int,
    code: str = "",
) -> None:
    """Predict every image in a folder; images that were done before a kill are not done again.

    A map is written as its rows become final, so memory depends on the width of an image, not on its height,
    unless the network sees it resized or by single windows.

    Args:
        options: The rule's options (see `workflow.states`).
        weights: `model.safetensors`.
        source: Folder of images.
        folder: Gets one probability map (K, H, W) an image, float32 or bytes (`predict.store`): of the
            classes if the option `activation` is `softmax`, otherwise of the sigmoid outputs, or of the
            positive class.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
        code: Digest of the code; what another version has begun is not gone on with.
    """
    found = {sample: sha256_of_file(path) for sample, path in views.samples(source).items()}
    key = digest_of_options([options, sha256_of_file(weights), code, found])
    with repeatable(threads), resumable_folder(folder, key) as draft:
        _predict_into(draft, ready_model(options, weights, device=device), options, source)


def ready_model(options: Options, weights: Path, *, device: str) -> torch.nn.Module:
    """The trained network of a run, on its device, ready to predict."""
    chosen, asked = choose_device(device), Predict.model_validate(options["predict"]).precision
    logger.info("precision: %s", number_format(chosen, asked))
    model = load_model(weights, options["network"]).to(chosen)
    return model if hasattr(model, "window") else optimize_for_inference(model)


def predict_folder(model: torch.nn.Module, options: Options, source: Path, folder: Path) -> None:
    """Predict every image in a folder with a network that is ready, see `predict_batch`."""
    with finished_folder(folder) as draft:
        _predict_into(draft, model, options, source)


def _predict_into(folder: Path, model: torch.nn.Module, options: Options, source: Path) -> None:
    """Predict the images whose maps are not there yet; a map is written while the next one is predicted."""
    with WriteBehind() as behind:
        for sample, path in views.samples(source).items():
            place = views.place(folder, sample)
            if place.is_file():
                continue
            with behind.file(partial(_map, sample, path, place, options)) as put, views.of_sample(sample):
                _predict_image(model, path, options, put)


@contextmanager
def _map(sample: str, image: Path, place: Path, options: Options) -> Iterator[Sink]:
    """The file of the map of an image."""
    header = images.header(image)
    size = header.height, header.width
    with views.of_sample(sample), map_file(place, size, options, mpp=header.mpp) as put:
        yield put


def _predict_image(model: torch.nn.Module, path: Path, options: Options, put: Sink) -> None:
    """Predict one image by the way that suits the network."""
    settings, window = Predict.model_validate(options["predict"]), Window.model_validate(options["window"])
    activation, first = options["activation"], 0 if options["activation"] == "softmax" else -1
    source = _opened(path)
    if not hasattr(model, "window"):
        zoom = options["input"]["zoom"]
        if zoom == 1:
            _overlap_tile(model, source, options, settings, activation=activation, sink=put)
        else:
            maps = _overlap_tile(model, _zoomed(source, zoom), options, settings, activation=activation)
            put(0, restored(maps, source.shape[1:]))
    elif window.foveate or window.nonuniform:
        pixels = scaling(options)(source.read(0, 0, *source.shape[1:]))
        transform = WindowTransform(foveate=window.foveate, nonuniform=window.nonuniform)
        put(0, predict_by_windows(model, pixels, transform=transform, stride=window.stride)[first:])
    else:
        dense, margin = model.dense(), model.window // 2
        _overlap_tile(
            dense, source, options, settings, activation="softmax", margin=margin,
            sink=lambda y, band: put(y, band[first:]),
        )  # fmt: skip


def _opened(path: Path) -> images.Raster:
    """The image, whose rows are asked for once: decoded tiles are kept for some rows, not for all."""
    header = images.header(path)
    row = header.width * header.channels * np.dtype(header.dtype).itemsize
    return images.open_source(path, cache_bytes=CACHED_ROWS * row)


def _zoomed(source: images.Raster, zoom: float) -> images.Raster:
    """The image at the size that the network sees it in."""
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
    sink: Sink | None = None,
) -> np.ndarray | None:
    """Overlap-tile prediction of one image; whole, or into a sink."""
    named = ("window", "overlap", "weights", "gaussian_sigma", "border", "precision")
    return predict(
        model,
        source,
        **{name: getattr(settings, name) for name in named},
        batch=settings.batch_size,
        activation=activation,
        tta=DIHEDRAL if settings.tta else (),
        normalize=scaling(options),
        margin=margin,
        device=next(model.parameters()).device,
        sink=sink,
    )


def scaling(options: Options) -> Scaling:
    """How pixels become the values that the network takes."""
    settings = Input.model_validate(options["input"])
    return Scaling(settings.scale, settings.mean, settings.std)
