# SPDX-License-Identifier: MIT
"""Which number format a network may predict in."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from microtome.devices import supports_fast_bf16

logger = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16", "fp16"]
Network = Callable[[torch.Tensor], torch.Tensor]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
MINIMUM_AGREEMENT = 0.999
VOLUMETRIC = (nn.Conv3d, nn.ConvTranspose3d)


@dataclass(frozen=True)
class PrecisionChoice:
    """A precision and why; to be recorded with the results.

    Attributes:
        precision: `fp32` or `bf16`.
        agreement: Fraction of pixels whose class is the same in bf16 as in fp32; None: not tried.
        reason: One sentence.
    """

    precision: Precision
    agreement: float | None
    reason: str


def class_agreement(first: torch.Tensor, second: torch.Tensor) -> float:
    """Fraction of pixels with the same most probable class.

    Args:
        first: Logits (N, K, ...). With one channel, the class is whether the logit is positive.
        second: Logits of the same shape.

    Returns:
        0 to 1.

    Raises:
        ValueError: The shapes differ, or there is nothing to compare.

    Example:
        >>> class_agreement(torch.tensor([[[1.0, -1.0]]]), torch.tensor([[[2.0, 3.0]]]))
        0.5
    """
    if first.shape != second.shape or first.numel() == 0:
        msg = f"logits of shapes {tuple(first.shape)} and {tuple(second.shape)}: expected the same, not empty"
        raise ValueError(msg)
    first, second = (x > 0 if x.shape[1] == 1 else x.argmax(dim=1) for x in (first, second))
    return (first == second).double().mean().item()


def choose_precision(
    model: Network,
    sample_batch: torch.Tensor,
    *,
    minimum_agreement: float = MINIMUM_AGREEMENT,
    fast: bool | None = None,
) -> PrecisionChoice:
    """Take bf16 where it is fast, safe, and gives the same classes as fp32; else fp32.

    Args:
        model: Network in evaluation mode, (N, C, h, w) to logits (N, K, h, w).
        sample_batch: Real windows, normalised, on the network's device.
        minimum_agreement: Fraction of pixels that must keep their class.
        fast: Whether bf16 is fast; None: ask the hardware.

    Returns:
        The choice, with the agreement measured.
    """
    device = sample_batch.device
    if device.type == "cpu" and is_volumetric(model):
        return PrecisionChoice("fp32", None, "bf16 on a CPU is used for 2-D networks only")
    if not (supports_fast_bf16(device) if fast is None else fast):
        return PrecisionChoice("fp32", None, f"bf16 is not fast on this {device.type}")
    with torch.inference_mode():
        expected = model(sample_batch)
        with autocast(device, "bf16"):
            found = model(sample_batch)
    agreement = class_agreement(expected, found)
    chosen: Precision = "bf16" if agreement >= minimum_agreement else "fp32"
    asked = f"at least {minimum_agreement:.2%} asked for"
    reason = f"bf16 and fp32 agree on {agreement:.4%} of the pixels ({asked})"
    logger.info("precision %s: %s", chosen, reason)
    return PrecisionChoice(chosen, agreement, reason)


def check_precision(model: Network, precision: str, device: torch.device) -> None:
    """Refuse a precision that is unknown or unsafe.

    Raises:
        ValueError: Unknown precision; fp16, or bf16 with a 3-D network, on a CPU.
    """
    problem = None
    if precision not in DTYPES:
        problem = f"expected one of {', '.join(DTYPES)} or auto"
    elif device.type == "cpu" and precision == "fp16":
        problem = "CPUs do not compute in fp16; use bf16 or fp32"
    elif device.type == "cpu" and precision == "bf16" and is_volumetric(model):
        problem = "3-D networks in bf16 have crashed on CPUs; use fp32"
    if problem:
        msg = f"precision={precision!r} on {device.type}: {problem}"
        raise ValueError(msg)
    if precision == "bf16" and not supports_fast_bf16(device):
        logger.warning("bf16 is not fast on this %s; fp32 will be faster", device.type)


def is_volumetric(model: Network) -> bool:
    """Whether a network has 3-D convolutions."""
    return isinstance(model, nn.Module) and any(isinstance(part, VOLUMETRIC) for part in model.modules())


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager:
    """Context in which a network computes in a precision."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])
