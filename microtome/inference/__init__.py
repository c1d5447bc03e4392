# SPDX-License-Identifier: MIT
"""Overlap-tile prediction in bands, preparation of networks for it, and the choice of its precision."""

from microtome.inference.axis import Axis, window_starts, window_weights
from microtome.inference.fold_batch_norm import optimize_for_inference
from microtome.inference.overlap_tile import predict
from microtome.inference.precision import PrecisionChoice, choose_precision, supports_fast_bf16
from microtome.inference.test_time_views import DIHEDRAL, FLIPS

__all__ = [
    "DIHEDRAL",
    "FLIPS",
    "Axis",
    "PrecisionChoice",
    "choose_precision",
    "optimize_for_inference",
    "predict",
    "supports_fast_bf16",
    "window_starts",
    "window_weights",
]
