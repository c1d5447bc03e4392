# SPDX-License-Identifier: MIT
"""Overlap-tile prediction in bands, preparation of networks for it, and the choice of its precision.

What this room shows is imported when it is asked for: jobs that only calibrate or average maps need no torch.
Modules of the package name the file instead, so that its bytes enter the digests of their jobs.
"""

import importlib
from typing import Any

FACES = {
    "DIHEDRAL": "test_time_views",
    "FLIPS": "test_time_views",
    "Axis": "axis",
    "PrecisionChoice": "precision",
    "choose_precision": "precision",
    "optimize_for_inference": "fold_batch_norm",
    "predict": "overlap_tile",
    "supports_fast_bf16": "precision",
    "window_starts": "axis",
    "window_weights": "axis",
}
__all__ = list(FACES)


def __getattr__(name: str) -> Any:
    if name not in FACES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(importlib.import_module(f"{__name__}.{FACES[name]}"), name)
