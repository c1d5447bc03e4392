# SPDX-License-Identifier: MIT
"""The settings of a run that are not the defaults, which tell it from others at a glance."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from microtome.config.run import Run

NAMES = {"network": "name", "loss": "name", "sampler": "kind", "classifier": "name"}
"""Sections of a run that choose an entry, and the key that names it; pages show these names beside."""
SECTIONS = ("network", "loss", "training", "sampler", "augment", "input", "window", "learn", "supervision")
OF_CLASSIFIERS = ("classifier",)
"""Sections that a pixel classifier uses."""


def changed(run: Run) -> list[tuple[str, Any]]:
    """The settings of a run that differ from the defaults of their sections: dotted key, value as in JSON.

    Example:
        >>> chosen = {"network": {"name": "unet", "width": 8}, "loss": {"name": "bce"}}
        >>> changed(Run.model_validate({**chosen, "training": {"epochs": 7}}))
        [('network.width', 8), ('training.epochs', 7)]
    """
    sections = SECTIONS if run.classifier is None else OF_CLASSIFIERS
    given = run.model_dump(mode="json", include=set(sections))
    return [
        (f"{section}.{key}", value)
        for section in sections
        if given.get(section)
        for key, value in _different(section, given[section])
    ]


def _different(section: str, given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    name = NAMES.get(section)
    known = dict(_leaves(_default(section, str(given[name]) if name else "")))
    return ((key, value) for key, value in _leaves(given) if key != name and value != known.get(key))


@cache
def _default(section: str, name: str) -> Mapping[str, Any]:
    """What a section is that names its entry alone; empty where the entry asks for more than its name."""
    named = {NAMES[section]: name} if name else {}
    try:
        run = Run.model_validate({section: named})
    except ValidationError:
        return {}
    return run.model_dump(mode="json", include={section})[section]


def _leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The entries of nested mappings, by dotted keys."""
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
