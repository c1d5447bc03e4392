# SPDX-License-Identifier: MIT
"""Which options of a run the states of rules take, and how a run's maps come about."""

from typing import Any

from microtome.config.run import Run


def predict_options(settings: Run) -> dict[str, Any]:
    """What prediction depends on."""
    return {
        f: getattr(settings, f).model_dump(mode="json") for f in ("predict", "input", "window", "network")
    }


def calibrate_options(settings: Run) -> dict[str, Any] | None:
    """What calibrating depends on; None for a run that is not calibrated."""
    return (
        settings.calibration.model_dump(include={"median_radius"})
        if run_kind(settings) == "calibrated"
        else None
    )


def run_kind(run: Run) -> str:
    """How a run's maps come about: `ensemble`, `calibrated`, `plain`, or `borrowed` weights."""
    if run.weights_of is not None:
        return "borrowed"
    return "ensemble" if run.is_ensemble else "calibrated" if run.calibration.kind != "none" else "plain"
