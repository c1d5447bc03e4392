# SPDX-License-Identifier: MIT
"""Dense evaluation of Ciresan's N4 against one window per pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

SIDE, QUICK_SIDE, SAMPLE, BATCH = 512, 64, 1024, 128


def inputs(quick: bool) -> tuple[nn.Module, NDArray, Tensor, list[tuple[int, int]]]:
    import numpy as np
    import torch

    from microtome import networks

    torch.manual_seed(0)
    side = QUICK_SIDE if quick else SIDE
    network = networks.build("ciresan").eval()
    image = np.random.default_rng(0).random((1, side, side), np.float32)
    half = network.window // 2
    padded = torch.from_numpy(np.pad(image, ((0, 0), (half, half), (half, half)), mode="reflect"))
    pixels = np.random.default_rng(1).choice(side**2, SAMPLE, replace=False)
    return network, image, padded, [divmod(int(pixel), side) for pixel in pixels]


def window_outputs(network: nn.Module, padded: Tensor, places: list[tuple[int, int]]) -> Tensor:
    """(number of places, classes) probabilities."""
    import torch

    side, outputs = network.window, []
    with torch.inference_mode():
        for first in range(0, len(places), BATCH):
            group = places[first : first + BATCH]
            windows = torch.stack([padded[:, y : y + side, x : x + side] for y, x in group])
            outputs.append(network(windows).softmax(1))
    return torch.cat(outputs)


def by_windows(quick: bool) -> Prepared:
    network, _, padded, places = inputs(quick)
    side = padded.shape[-1] - network.window + 1
    return Prepared(lambda: window_outputs(network, padded, places), warm=True, scale=side**2 / len(places))


def dense(quick: bool) -> Prepared:
    import torch

    from microtome.inference import predict

    network, image, padded, places = inputs(quick)
    model, margin = network.dense(), network.window // 2

    def error(result: Any) -> float:
        expected = window_outputs(network, padded, places)
        found = torch.stack([torch.from_numpy(result[:, y, x]) for y, x in places])
        return float((found - expected).abs().max())

    return Prepared(lambda: predict(model, image, margin=margin, activation="softmax"), error)


CASE = Case(
    name="dense_ciresan",
    title="Ciresan's N4 on a 512² image",
    variants={"windows": by_windows, "dense": dense},
    comparisons=[
        Comparison("dense evaluation", "dense", "windows", 200.0),
        Comparison("dense evaluation: exact within 1e-5", "dense", 1e-5, 1.0, "error"),
        Comparison("dense evaluation, CPU time", "dense", "windows", 200.0, "cpu_seconds"),
    ],
    note="windows: extrapolated from 1024 random pixels, in batches of 128; error: at those pixels",
)
