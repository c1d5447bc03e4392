# SPDX-License-Identifier: MIT
"""Options of modalities: one file each, of the same name as in `study/modalities` (or among the plugins).

A module may define, each being left out where it has nothing to say:

* `StudyOptions(Section)`: its sections of a study file, which become fields of `Study`.
* `RunOptions(Section)`: its options of a run, which become fields of `Run`.
* `VIEWS: Mapping[str, str]`: what `Run.view` may be beside `image`, each with a description.
* `check(study, places)`: faults of a study file in which each option alone is valid.
* `channels(study, run) -> (count, option) | None`: the channels of its views, and the option that says so.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from microtome.config.section import Section
from microtome.faults import Fault
from microtome.registry import load_all, search_path

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.config.yaml import Places

__all__ = ["channels", "check", "options", "views"]
__path__ = search_path(__name__, __path__)


def options(name: str) -> tuple[type[Section], ...]:
    """The models of this name that modalities have, `StudyOptions` or `RunOptions`."""
    return tuple(getattr(module, name) for module in reversed(load_all(__name__)) if hasattr(module, name))


def views() -> dict[str, str]:
    """What a run may see beside the image, with a description."""
    found = [getattr(module, "VIEWS", {}) for module in load_all(__name__)]
    return {name: text for views in found for name, text in views.items()}


def check(study: "Study", places: "Places") -> Iterator[Fault]:
    """What contradicts itself in a study, as modalities see it."""
    for module in load_all(__name__):
        if hasattr(module, "check"):
            yield from module.check(study, places)


def channels(study: "Study", run: "Run") -> tuple[int, str] | None:
    """The channels of the images of a run's view, and the option that says so; None for plain images."""
    asked = (module.channels(study, run) for module in load_all(__name__) if hasattr(module, "channels"))
    return next((found for found in asked if found), None)
