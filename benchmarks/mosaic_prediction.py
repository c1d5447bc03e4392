# SPDX-License-Identifier: MIT
"""Prediction of a mosaic as the study of confocal mosaics does it, against MONAI's sliding windows."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared
from benchmarks.unet_prediction import no_bf16

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

SIDE, QUICK_SIDE = 3000, 160
WINDOW, STRIDE, BORDER, CLASSES = 256, 32, 128, 6
SIGMA = 128**0.5
BATCH = 2
"""As fast as more on a CPU, in less memory."""
BATCHES = (1, 2, 4, 8, 16)
"""Of which MONAI gets the one that is fastest here."""
TRIED = 16
"""Windows by which that is found out."""
CHECKED = ((0, 0), (0.5, 0.31), (0.999, 0.62))
"""Pixels that are computed anew, as shares of the sides: a corner, the middle, the lower border."""
NETWORK = {"name": "mednet", "scales": 3, "width": 35, "classes": CLASSES}


def picture(quick: bool) -> NDArray[np.float32]:
    """Speckle on patterns of several sizes, 0 to 1."""
    import numpy as np
    from scipy import ndimage

    rng, side = np.random.default_rng(0), QUICK_SIDE if quick else SIDE
    layers = [
        ndimage.zoom(rng.random((-(-side // size),) * 2, np.float32), size, order=1) for size in (4, 60)
    ]
    image = sum(layer[:side, :side] for layer in layers) / 2
    return (image * (1 + 0.1 * rng.standard_normal(image.shape, np.float32))).clip(0, 1)


def network(image: NDArray[np.float32]) -> nn.Module:
    """MED-Net with weights as drawn and statistics of the picture, so that its outputs are of usual size."""
    import torch

    from microtome import networks

    torch.manual_seed(0)
    model = networks.build(**NETWORK)
    part = torch.from_numpy(image[:WINDOW, :WINDOW])[None, None]
    with torch.no_grad():
        for view in (part, part.flip(-1), part.flip(-2)):
            model(torch.cat([view, view.transpose(-1, -2)]))
    return model.eval()


def padded(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """With its mirrored surroundings."""
    import numpy as np

    return np.pad(image, BORDER, mode="reflect")


def exact(image: NDArray[np.float32], starts: list[int], y: int, x: int) -> NDArray[np.float64]:
    """The weighted mean of all windows over a pixel, in float64, from the definition."""
    import numpy as np
    import torch

    model, surrounded = network(image), padded(image)
    total, weights = np.zeros(CLASSES), 0.0
    for top in (one for one in starts if one <= y < one + WINDOW):
        for left in (one for one in starts if one <= x < one + WINDOW):
            rows, columns = slice(top + BORDER, None), slice(left + BORDER, None)
            window = np.ascontiguousarray(surrounded[rows, columns][:WINDOW, :WINDOW])
            with torch.inference_mode():
                maps = model(torch.from_numpy(window)[None, None])[0].double().softmax(0)
            away = (y - top + 0.5 - WINDOW / 2, x - left + 0.5 - WINDOW / 2)
            weight = np.exp(-(away[0] ** 2 + away[1] ** 2) / (2 * SIGMA**2))
            total, weights = total + weight * maps[:, y - top, x - left].numpy(), weights + weight
    return total / weights


def error(image: NDArray[np.float32], starts: list[int], result: NDArray[np.float32]) -> float:
    """Largest difference from what is exact, at the checked pixels."""
    places = [tuple(int(share * side) for share, side in zip(at, image.shape, strict=True)) for at in CHECKED]
    return max(float(abs(result[:, y, x] - exact(image, starts, y, x)).max()) for y, x in places)


def fastest(quick: bool, threads: int) -> int:
    """The number of windows at once with which the network takes the least time for each."""
    import torch

    torch.set_num_threads(threads)
    image = picture(quick)
    model, seconds = network(image), {}
    for batch in BATCHES:
        windows = torch.from_numpy(image[:WINDOW, :WINDOW]).expand(batch, 1, -1, -1).contiguous()
        with torch.inference_mode():
            model(windows)
            begun = time.perf_counter()
            for _ in range(TRIED // batch):
                model(windows)
        seconds[batch] = time.perf_counter() - begun
    return min(seconds, key=lambda batch: seconds[batch])


def monai(quick: bool) -> Prepared:
    import multiprocessing

    import torch
    from monai.inferers import sliding_window_inference

    with multiprocessing.get_context("spawn").Pool(1) as pool:  # so that its memory does not count
        batch = pool.apply(fastest, (quick, torch.get_num_threads()))
    image = picture(quick)
    model, pixels = network(image), torch.from_numpy(padded(image))[None, None]

    def run() -> Any:
        with torch.inference_mode():
            return sliding_window_inference(
                pixels, WINDOW, batch, lambda windows: model(windows).softmax(1),
                overlap=1 - STRIDE / WINDOW, mode="gaussian", sigma_scale=SIGMA / WINDOW,
            )[0, :, BORDER:-BORDER, BORDER:-BORDER]  # fmt: skip

    last = pixels.shape[-1] - WINDOW
    starts = [min(first, last) - BORDER for first in range(0, last + STRIDE, STRIDE)]
    return Prepared(run, lambda result: error(image, starts, result.numpy()))


def microtome(quick: bool, precision: str = "fp32") -> Prepared:
    from microtome.config.sampling import Input, Window
    from microtome.inference import optimize_for_inference, window_starts
    from microtome.io import images, views
    from microtome.stages.predict import predict_folder

    folder = Path(tempfile.mkdtemp(prefix="mosaic-prediction-"))
    image = picture(quick)
    images.write(folder / "images" / "mosaic.tif", image)
    model = optimize_for_inference(network(image))
    options = {
        "predict": {
            "window": WINDOW,
            "overlap": 1 - STRIDE / WINDOW,
            "gaussian_sigma": SIGMA,
            "border": BORDER,
            "batch_size": BATCH,
            "precision": precision,
            "store": {"dtype": "uint8"},
        },
        "input": Input(scale=1, mean=0, std=1).model_dump(),
        "window": Window().model_dump(),
        "activation": "softmax",
        "classes": [f"class {number}" for number in range(CLASSES)],
        "outputs": [],
    }
    starts = list(window_starts(image.shape[0], WINDOW, stride=STRIDE, border=BORDER))
    return Prepared(
        lambda: predict_folder(model, options, folder / "images", folder / "maps"),
        lambda _: error(image, starts, views.read_map(folder / "maps" / "mosaic.tif")),
    )


def bf16(quick: bool) -> Prepared:
    return microtome(quick, "bf16")


CASE = Case(
    name="mosaic_prediction",
    title="MED-Net of three scales, 3000² mosaic, 256-px windows, stride 32, border 128, σ 11.3 px, CPU",
    variants={"monai": monai, "microtome": microtome, "microtome_bf16": bf16},
    needs={"monai": "monai", "microtome_bf16": no_bf16},
    comparisons=[
        Comparison("from disk to disk against in memory", "microtome", "monai", 1.3),
        Comparison("the same, CPU time", "microtome", "monai", 1.3, "cpu_seconds"),
        Comparison("memory added", "microtome", "monai", 3.0, "peak_mb"),
        Comparison("the same in bf16", "microtome_bf16", "monai", None),
    ],
    note=(
        "error: at three pixels, against the weighted mean of all windows in float64; maps are stored as "
        "bytes, as the study does, which alone is an error of 0.002; MONAI raises weights below 0.001 to "
        "that, at whichever number of windows at once is fastest here; one run each takes half an hour on "
        "two cores (--repeats 1)"
    ),
)
