# SPDX-License-Identifier: MIT
"""Stacks of slices: a run may see the neighbours of a slice as further channels (`input.neighbours`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from microtome.faults import Fault

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places


def channels(study: Study, run: Run) -> tuple[int, str] | None:
    """The channels of a slice and of its neighbours."""
    if not run.input.neighbours:
        return None
    return (2 * run.input.neighbours + 1) * study.data.channels, "(2 x input.neighbours + 1) x data.channels"


def check(study: Study, places: Places) -> Iterator[Fault]:
    """Neighbours beside what is no image of a stack, and what is said of neighbours that nobody sees."""
    for name, run in study.runs.items():
        if not run.is_ensemble:
            yield from _check_run(study, name, run, places)


def _check_run(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    where = places.inside(("runs", name, "input", "neighbours"), 2)
    if not run.input.neighbours:
        if run.input.beyond_part:
            place = places.inside(("runs", name, "input", "beyond_part"), 2)
            yield Fault(place, "true", "false, as input.neighbours is 0")
        return
    beside = {
        f"view is '{run.view}'": run.view != "image",
        f"stain is '{run.stain}'": run.stain is not None,
        "the study has `slides`": study.slides is not None,
        "the study has `cubes`": study.cubes is not None,
        "the run is a pixel classifier": run.classifier is not None,
        f"augment.stain is {run.augment.stain:g}": run.augment.stain > 0,
    }
    for reason in (text for text, is_so in beside.items() if is_so):
        expected = f"0, as {reason}; neighbours are seen by networks, in images as imported"
        yield Fault(where, str(run.input.neighbours), expected)
