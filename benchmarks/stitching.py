# SPDX-License-Identifier: MIT
"""Overhead of overlap-tile stitching over the network, against MONAI."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

SIDE, QUICK_SIDE = 3000, 700
WINDOW, STRIDE, CLASSES = 256, 32, 6
OURS = 1
"""Windows at once of ours: as fast as more here, in less memory."""
BATCHES, TRIED = (1, 2, 4, 8), 700
"""Of which MONAI gets the fastest here, and the side of the part of the image by which that is found out."""


def inputs(quick: bool) -> tuple[Tensor, nn.Module, Callable[[Any], float]]:
    import torch

    torch.manual_seed(0)
    side = QUICK_SIDE if quick else SIDE
    image, network = torch.rand(1, 1, side, side), torch.nn.Conv2d(1, CLASSES, 1).eval()
    with torch.inference_mode():
        values = network(torch.tensor([0.0, 1.0]).view(1, 1, 1, 2))[0, :, 0]
    offset, slope = values[:, 0], values[:, 1] - values[:, 0]

    def error(result: Any) -> float:
        """Against the network on each pixel, class by class."""
        result = torch.as_tensor(result).view(CLASSES, side, side)
        return max(
            float((result[k] - image[0, 0] * slope[k] - offset[k]).abs().max()) for k in range(CLASSES)
        )

    return image, network, error


def bare(quick: bool) -> Prepared:
    """The network alone on as many windows, as many at once as is fastest."""
    import torch

    image, network, _ = inputs(quick)

    def run(batch: int, windows: int) -> None:
        some = torch.rand(batch, 1, WINDOW, WINDOW)
        with torch.inference_mode():
            for _ in range(-(-windows // batch)):
                network(some)

    best = fastest(lambda batch: run(batch, windows_of(TRIED)), rounds=1 if quick else 3)
    return Prepared(lambda: run(best, windows_of(image.shape[-1])))


def windows_of(side: int) -> int:
    """Windows of a square image."""
    return (-(-(side - WINDOW) // STRIDE) + 1) ** 2


def fastest(run: Callable[[int], Any], *, rounds: int) -> int:
    """The number of windows at once with which something takes least time, tried in turn."""

    def seconds(batch: int) -> float:
        start = time.perf_counter()
        run(batch)
        return time.perf_counter() - start

    tried = [{batch: seconds(batch) for batch in BATCHES} for _ in range(rounds)]
    return min(BATCHES, key=lambda batch: min(times[batch] for times in tried))


def monai_map(image: Tensor, network: nn.Module, batch: int) -> Tensor:
    import torch
    from monai.inferers import sliding_window_inference

    with torch.inference_mode():
        return sliding_window_inference(
            image, WINDOW, batch, network, overlap=1 - STRIDE / WINDOW, mode="gaussian", sigma_scale=0.125
        )


def monai(quick: bool) -> Prepared:
    image, network, error = inputs(quick)
    part = image[..., :TRIED, :TRIED]

    best = fastest(lambda batch: monai_map(part, network, batch), rounds=1 if quick else 3)
    return Prepared(lambda: monai_map(image, network, best), error)


def options() -> dict[str, Any]:
    return {
        "window": WINDOW,
        "overlap": WINDOW - STRIDE,
        "weights": "gaussian",
        "activation": "none",
        "batch": OURS,
    }


def microtome(quick: bool) -> Prepared:
    from microtome.inference import predict

    image, network, error = inputs(quick)
    predict(network, image[0, :, :TRIED, :TRIED].numpy(), **options())
    return Prepared(lambda: predict(network, image[0].numpy(), **options()), error)


def microtome_sink(quick: bool, *, times: int = 1) -> Prepared:
    from microtome.inference import predict

    image, network, _ = inputs(quick)
    pixels = image[0].repeat(1, times, 1).numpy()
    predict(network, pixels[:, :TRIED, :TRIED], **options())
    return Prepared(lambda: predict(network, pixels, sink=lambda y, band: None, **options()))


def microtome_tall(quick: bool) -> Prepared:
    return microtome_sink(quick, times=2)


LEAST_MOVED = 3 * 4 * CLASSES * WINDOW**2 * windows_of(SIDE)
"""Bytes: the maps of each window are read, and added to what is read and written."""


CASE = Case(
    name="stitching",
    title="overlap-tile stitching, 3000², 6 classes, 256-px windows, stride 32, Gaussian, 1×1 convolution",
    variants={
        "bare": bare,
        "monai": monai,
        "microtome": microtome,
        "microtome_sink": microtome_sink,
        "microtome_tall": microtome_tall,
    },
    needs={"monai": "monai"},
    comparisons=[
        Comparison("overhead over the network, wall", "microtome", "monai", 2.0, beyond="bare"),
        Comparison("overhead over the network, CPU time", "microtome", "monai", 2.0, "cpu_seconds", "bare"),
        Comparison("whole run, wall", "microtome", "monai", 1.3),
        Comparison("whole run, CPU time", "microtome", "monai", 1.3, "cpu_seconds"),
        Comparison("peak memory, whole map returned", "microtome", "monai", None, "peak_mb"),
        Comparison("peak memory, bands into a sink", "microtome_sink", "monai", 480 / 97, "peak_mb"),
        Comparison("the same: a third of the peer's", "microtome_sink", "monai", 3.0, "peak_mb"),
        Comparison("twice the height: peak memory", "microtome_tall", "microtome_sink", 1 / 1.1, "peak_mb"),
    ],
    note="MONAI at its fastest number of windows at once; each has done a part of the image before, so that "
    "memory is that of the image; bare: the network alone, at its own",
    moved={"microtome": LEAST_MOVED},
)
