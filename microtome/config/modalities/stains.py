# SPDX-License-Identifier: MIT
"""Options of stain normalization."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from microtome.config.section import Section, option
from microtome.config.stain import TARGETS, StainNormalization
from microtome.faults import Fault, nearest

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places

RGB = 3
NAME = re.compile(r"[A-Za-z0-9_-]+")
NAME_TEXT = "letters, digits, '-' and '_', as it becomes a folder"


class StudyOptions(Section):
    """The normalizations of a study."""

    stains: dict[str, StainNormalization] = option({}, "normalizations by name; runs choose one with `stain`")


class RunOptions(Section):
    """The normalization of a run."""

    stain: str | None = option(None, "the study's stain normalization whose images are used; null: none")


def check(study: Study, places: Places) -> Iterator[Fault]:
    """Stains of images without colours, and runs that ask for a stain that is not there."""
    if study.stains and study.data.channels != RGB:
        expected = f"no stains, as data.channels is {study.data.channels}; stains are of RGB images"
        yield Fault(places(("stains",)), "stain normalization", expected)
    for name, settings in study.stains.items():
        yield from _check_stain(name, settings, places)
    for name, run in study.runs.items():
        yield from _check_run(study, name, run, places)


def _check_stain(name: str, settings: StainNormalization, places: Places) -> Iterator[Fault]:
    """A name that folders can have, and one target."""
    if not NAME.fullmatch(name):
        yield Fault(places(("stains", name)), f"the name '{name}'", NAME_TEXT)
    given = [option for option in TARGETS if getattr(settings, option) not in (None, ())]
    if len(given) != 1:
        expected = "one of target (training samples), target_image (a file), target_profile (a JSON file)"
        found = " and ".join(given) or "no target"
        yield Fault(places(("stains", name, *given[-1:])), found, expected)


def _check_run(study: Study, name: str, run: Run, places: Places) -> Iterator[Fault]:
    if run.view != "image" and run.stain is not None:
        where = places.inside(("runs", name, "stain"), 1)
        yield Fault(where, f"'{run.stain}'", f"null, as view is '{run.view}'")
    if run.is_ensemble or (run.network is None and run.classifier is None):
        return
    if run.stain is not None and run.stain not in study.stains:
        expected = nearest(run.stain, study.stains) if study.stains else "null, as the study has no `stains`"
        yield Fault(places.inside(("runs", name, "stain"), 1), f"'{run.stain}'", expected)
    if run.augment.stain and study.data.channels != RGB:
        where = places.inside(("runs", name, "augment", "stain"), 2)
        yield Fault(where, f"{run.augment.stain:g}", f"0, as data.channels is {study.data.channels}")
