# SPDX-License-Identifier: MIT
"""What this machine moves and computes at best, to hold other measurements against."""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Case, Prepared

COPIED, QUICK_COPIED = 2**29, 2**24
"""Bytes of an array that is copied: far beyond any cache."""
ORDER, QUICK_ORDER = 2048, 256
MOVED = 2 * COPIED
"""Bytes that a copy reads and writes."""
FLOP = 2 * ORDER**3
"""Operations of the product of two square matrices."""


def copy(quick: bool) -> Prepared:
    import torch

    source = torch.ones((QUICK_COPIED if quick else COPIED) // 4)
    target = torch.zeros_like(source)

    def run() -> Any:
        return target.copy_(source)

    return Prepared(run, warm=True)


def product(quick: bool) -> Prepared:
    import torch

    order = QUICK_ORDER if quick else ORDER
    left, right = torch.rand(order, order), torch.rand(order, order)
    return Prepared(lambda: left @ right, warm=True)


CASE = Case(
    name="machine",
    title="a copy of 512 MiB in memory (1 GiB moved), and a product of two matrices of 2048² in float32",
    variants={"copy": copy, "product": product},
    comparisons=[],
    note="what a missed target is held against",
)
