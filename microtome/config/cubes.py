# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: calibration and the choice of bands."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from microtome.config.section import Section


class Bands(Section):
    """Which bands networks see."""

    method: Literal["window", "top", "pinned"] = Field(
        "window",
        description="window: the neighbouring bands with the largest sum of mutual information; top: the "
        "best ones, less what they share; pinned: from `first` on",
    )
    width: PositiveInt = Field(16, description="number of bands")
    first: NonNegativeInt = Field(16, description="pinned: the first band, from 0")
    bins: Annotated[int, Field(ge=2)] = Field(256, description="of each axis of the joint histograms")
    penalty: NonNegativeFloat = Field(1.0, description="top: factor of the information bands share")


class Cubes(Section):
    """From raw cubes to the bands that networks see."""

    calibrated: bool = Field(False, description="the cubes are transmittance already, times `scale`")
    scale: PositiveFloat = Field(1.0, description="calibrated: stored value of a transmittance of 1")
    full_scale: PositiveFloat = Field(4095.0, description="largest value of the camera")
    scale_exposure: bool = Field(
        False, description="references of another exposure are scaled by it; otherwise they are refused"
    )
    bands: Bands = Field(Bands(), description="which bands networks see")
