# SPDX-License-Identifier: MIT
"""Whole prediction with a U-Net on the CPU, against MONAI in fp32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from torch import Tensor, nn

SIDE, WIDTH, WINDOW, BATCH = 512, 32, 256, 4
QUICK_WIDTH = 8
OURS = 1
"""Windows at once of the optimised network: the maps of one stay in a cache."""
WINDOWS, FLOP = 9, 337e9 / 16
"""Of the image, and operations of each: half the width and side of `p4.unet` of the catalogue."""


def inputs(quick: bool) -> tuple[Tensor, nn.Module]:
    """An image and a U-Net with statistics that are not the initial ones."""
    import torch

    from microtome import networks

    torch.manual_seed(0)
    network = networks.build("unet", width=QUICK_WIDTH if quick else WIDTH)
    image = torch.rand(1, 1, SIDE, SIDE)
    with torch.no_grad():
        network(image[..., :WINDOW, :WINDOW])
    return image, network.eval()


def monai_map(image: Tensor, network: nn.Module, batch: int = BATCH) -> Tensor:
    import torch
    from monai.inferers import sliding_window_inference

    with torch.inference_mode():
        return sliding_window_inference(
            image, WINDOW, batch, lambda windows: network(windows).sigmoid(), overlap=0.5, mode="gaussian"
        )


def monai(quick: bool) -> Prepared:
    image, network = inputs(quick)
    return Prepared(lambda: monai_map(image, network), warm=True)


def monai_single(quick: bool) -> Prepared:
    image, network = inputs(quick)
    return Prepared(lambda: monai_map(image, network, batch=1), warm=True)


def ours(quick: bool, *, optimized: bool = True, precision: str = "fp32", batch: int = OURS) -> Prepared:
    import torch

    from microtome.inference import optimize_for_inference, predict

    image, network = inputs(quick)
    used = optimize_for_inference(network) if optimized else network

    def run() -> Any:
        return predict(used, image[0].numpy(), window=WINDOW, overlap=0.5, batch=batch, precision=precision)

    def error(result: Any) -> float:
        """Against plain fp32 prediction; for bf16 the fraction of pixels that change class."""
        expected = predict(network, image[0].numpy(), window=WINDOW, overlap=0.5, batch=BATCH)
        found, expected = torch.from_numpy(result), torch.from_numpy(expected)
        if precision == "bf16":
            return float(((found > 0.5) != (expected > 0.5)).double().mean())
        return float((found - expected).abs().max())

    return Prepared(run, error, warm=True)


def plain(quick: bool) -> Prepared:
    return ours(quick, optimized=False, batch=BATCH)


def bf16(quick: bool) -> Prepared:
    return ours(quick, precision="bf16", batch=BATCH)


def no_bf16() -> str | None:
    """Asks in a child, so that this process stays light."""
    import subprocess
    import sys

    code = "import sys; from microtome.inference import supports_fast_bf16 as s; sys.exit(0 if s() else 3)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    return None if done.returncode == 0 else "this CPU has no fast bf16 (AMX or AVX-512 BF16)"


CASE = Case(
    name="unet_prediction",
    title="U-Net of width 32, 512² image, 256-px windows, overlap 0.5, Gaussian, on the CPU",
    variants={
        "monai": monai,
        "monai_single": monai_single,
        "microtome_plain": plain,
        "microtome": ours,
        "microtome_bf16": bf16,
    },
    needs={"monai": "monai", "monai_single": "monai", "microtome_bf16": no_bf16},
    comparisons=[
        Comparison("the same network", "microtome_plain", "monai", None),
        Comparison("batch normalisation folded, channels last, ReLU within", "microtome", "monai", 1.7),
        Comparison("the same, CPU time", "microtome", "monai", 1.7, "cpu_seconds"),
        Comparison("the same, MONAI with one window at once", "microtome", "monai_single", None),
        Comparison("the same in bf16", "microtome_bf16", "monai", 5.0),
        Comparison("bf16: pixels that change class, within 0.1 %", "microtome_bf16", 1e-3, 1.0, "error"),
    ],
    note="the optimisation itself is not timed; 4 windows at once, ours in fp32 one; "
    "error of bf16: fraction of pixels that change class",
    # not of bf16: the machine's own rate is that of float32
    flop=dict.fromkeys(("microtome_plain", "microtome"), WINDOWS * FLOP),
)
