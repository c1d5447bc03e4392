# SPDX-License-Identifier: MIT
"""Options of hyperspectral cubes (calibration, choice of bands), and the views that runs have of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from microtome.config.section import Section, option
from microtome.faults import Fault

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places

VIEWS = {"bands": "the chosen bands of a cube, calibrated", "raw": "the same bands of the raw cube"}


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
    scale: PositiveFloat | None = option(
        None,
        "calibrated: stored value of a transmittance of 1; null: what the header says, else 1",
    )
    full_scale: PositiveFloat = option(4095.0, "largest value of the camera")
    scale_exposure: bool = option(
        False,
        "a blank of another exposure is scaled, above its dark frame, by the ratio (it needs a dark frame of "
        "each exposure: columns `dark` and `blank_dark`, or `bias`); otherwise it is refused",
    )
    bands: Bands = option(Bands(), "which bands networks see")


class StudyOptions(Section):
    """The cubes of a study."""

    cubes: Cubes | None = option(None, "hyperspectral cubes: calibration, choice of bands")


def check(study: Study, places: Places) -> Iterator[Fault]:
    """Views of cubes in a study that has none; what is done to images alone, where there are cubes."""
    if study.cubes is not None and study.data.downsample != 1:
        expected = "1, as cubes are seen with all their pixels"
        yield Fault(places(("data", "downsample")), str(study.data.downsample), expected)
    for name, run in study.runs.items():
        if run.view in VIEWS and study.cubes is None:
            where = places.inside(("runs", name, "view"), 1)
            yield Fault(where, f"'{run.view}'", "'image', as the study has no `cubes`")


def channels(study: Study, run: Run) -> tuple[int, str] | None:
    """As many channels as bands are chosen."""
    if run.view not in VIEWS or study.cubes is None:
        return None
    return study.cubes.bands.width, "cubes.bands.width"
