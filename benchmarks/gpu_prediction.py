# SPDX-License-Identifier: MIT
"""Prediction on a GPU against the bare forward passes on the same windows."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE, QUICK_SIDE, WIDTH, WINDOW, BATCH = 8192, 2048, 64, 512, 8
DRY = "MICROTOME_GPU_DRY"
"""Environment variable: where it is set, the same runs on the CPU, at sizes of seconds."""
DEVICE = "cuda"
if DRY in os.environ:
    QUICK_SIDE, WIDTH, WINDOW, DEVICE = 512, 8, 128, "cpu"


def inputs(quick: bool) -> tuple[Tensor, nn.Module]:
    import torch

    from microtome import networks
    from microtome.inference import optimize_for_inference

    torch.manual_seed(0)
    side = QUICK_SIDE if quick else SIDE
    network = optimize_for_inference(networks.build("unet", width=WIDTH)).to(DEVICE)
    return torch.rand(1, side, side), network


def bare(quick: bool) -> Prepared:
    import torch

    image, network = inputs(quick)
    steps = -(-(image.shape[-1] - WINDOW) // (WINDOW // 2)) + 1
    windows = torch.rand(BATCH, 1, WINDOW, WINDOW, device=DEVICE)

    def run() -> Any:
        with torch.inference_mode():
            for _ in range(round(steps**2 / BATCH)):
                network(windows)
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    return Prepared(run, warm=True)


def microtome(quick: bool) -> Prepared:
    from microtome.inference import predict

    image, network = inputs(quick)
    pixels = image.numpy()
    return Prepared(
        lambda: predict(network, pixels, window=WINDOW, overlap=0.5, batch=BATCH, device=DEVICE), warm=True
    )


def no_gpu() -> str | None:
    return None if shutil.which("nvidia-smi") or DRY in os.environ else "no NVIDIA GPU here"


CASE = Case(
    name="gpu_prediction",
    title="U-Net of width 64, 8192² image, 512-px windows, overlap 0.5, on a GPU",
    variants={"bare": bare, "microtome": microtome},
    needs={"bare": no_gpu, "microtome": no_gpu},
    comparisons=[Comparison("throughput of the bare forward passes that is kept", "microtome", "bare", 0.85)],
    note="fp32; bare: as many windows, already on the GPU",
)
