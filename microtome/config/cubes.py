# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: calibration and the choice of bands."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from microtome.config.section import Section, option


class Bands(Section):
    """Which bands networks see."""

    method: Literal["window", "top", "pinned"] = option(
        "window",
        "window: the neighbouring bands with the largest sum of mutual information; top: the "
        "best ones, less what they share; pinned: from `first` on",
    )
    width: PositiveInt = option(16, "number of bands")
    first: NonNegativeInt = option(16, "pinned: the first band, from 0")
    bins: Annotated[int, Field(ge=2)] = option(256, "of each axis of the joint histograms")
    penalty: NonNegativeFloat = option(1.0, "top: factor of the information bands share")


class Cubes(Section):
    """From raw cubes to the bands that networks see."""

    calibrated: bool = option(False, "the cubes are transmittance already, times `scale`")
    scale: PositiveFloat = option(1.0, "calibrated: stored value of a transmittance of 1")
    full_scale: PositiveFloat = option(4095.0, "largest value of the camera")
    scale_exposure: bool = option(
        False, "references of another exposure are scaled by it; otherwise they are refused"
    )
    bands: Bands = option(Bands(), "which bands networks see")
