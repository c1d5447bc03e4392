# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: calibration, choice of bands, rendering as RGB."""

from importlib import import_module
from typing import Any

FACES = {
    "calibrate": "calibration",
    "Calibrated": "calibration",
    "mutual_information": "band_selection",
    "best_window": "band_selection",
}
"""Name to the module that has it."""

__all__ = ["Calibrated", "best_window", "calibrate", "mutual_information"]


def __getattr__(name: str) -> Any:
    """What notebooks use, imported when asked for: whoever renders a cube does not depend on calibration.

    Raises:
        AttributeError: There is no such name.
    """
    if name not in FACES:
        msg = f"module '{__name__}' has no attribute '{name}'"
        raise AttributeError(msg)
    return getattr(import_module(f"microtome.cubes.{FACES[name]}"), name)
