# SPDX-License-Identifier: MIT
"""Options of hyperspectral cubes, and the views that runs have of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from microtome.config.cubes import Cubes
from microtome.config.section import Section, option
from microtome.faults import Fault

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places

VIEWS = {"bands": "the chosen bands of a cube, calibrated", "raw": "the same bands of the raw cube"}


class StudyOptions(Section):
    """The cubes of a study."""

    cubes: Cubes | None = option(None, "hyperspectral cubes: calibration, choice of bands")


def check(study: Study, places: Places) -> Iterator[Fault]:
    """Views of cubes in a study that has none."""
    for name, run in study.runs.items():
        if run.view in VIEWS and study.cubes is None:
            where = places.inside(("runs", name, "view"), 1)
            yield Fault(where, f"'{run.view}'", "'image', as the study has no `cubes`")


def channels(study: Study, run: Run) -> tuple[int, str] | None:
    """As many channels as bands are chosen."""
    if run.view not in VIEWS or study.cubes is None:
        return None
    return study.cubes.bands.width, "cubes.bands.width"
