# SPDX-License-Identifier: MIT
"""The settings of a run that are not the defaults, which tell it from others at a glance."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from microtome.config.run import Run
from microtome.report.runs import flatten

NAMES = {"network": "name", "loss": "name", "sampler": "kind"}
"""Sections of a run that choose an entry, and the key that names it; the page shows these names beside."""
NOTHING = "–"
"""What an empty value is printed as."""


def changed(card: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The settings of a run card that differ from the defaults of their models: dotted key, value.

    Where a network or a loss is not known here (of a plugin that is gone), all of its settings.

    Example:
        >>> card = {"network": {"name": "unet", "options": {"width": 8}}, "loss": {"name": "bce"}}
        >>> changed({**card, "training": {"training": {"epochs": 7, "patience": None}}})
        (('network.width', '8'), ('training.epochs', '7'))
    """
    network, training = card.get("network") or {}, card.get("training") or {}
    loss = card.get("loss") or {}
    given = {
        "network": network.get("options") or {},
        "loss": {key: value for key, value in loss.items() if key != "activation"},
        **(training if isinstance(training, Mapping) else {}),
    }
    known = dict(flatten(_defaults({**given, "network": {"name": network.get("name")}})))
    known |= {f"{section}.{key}": _name(given, section, key) for section, key in NAMES.items()}
    return tuple((key, text) for key, text in flatten(given) if text != known.get(key, NOTHING))


def _name(given: Mapping[str, Any], section: str, key: str) -> str:
    chosen = given.get(section)
    return str(chosen.get(key)) if isinstance(chosen, Mapping) else ""


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """What each section of a run is if it names its entry alone; nothing of entries that there are not."""
    found: dict[str, Any] = {}
    for section, key in {**dict.fromkeys(Run.model_fields), **NAMES}.items():
        chosen = given.get(section)
        if not isinstance(chosen, Mapping):
            continue
        named = {section: {key: chosen.get(key)}} if key else {}
        try:
            found[section] = Run.model_validate(named).model_dump(mode="json")[section]
        except ValidationError:
            continue
    return found
