# SPDX-License-Identifier: MIT
"""The metrics that a study evaluates, by what families of metrics say of themselves; none is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from microtome.config import kinds
from microtome.faults import nearest
from microtome.registry import entry_file, entry_names

if TYPE_CHECKING:  # pages ask for the direction of metrics, and depend on no option of a study
    from microtome.config.study import Study

FAMILIES = "microtome.metrics.families"
EVERY_CLASS = "all"
"""What metrics call the classes together."""
OWN_LOSS = "{loss}"
"""In the name of a metric: the loss of each run, or each evaluated loss."""
SYNONYMS = {
    "recall": "sensitivity",
    "tpr": "sensitivity",
    "fpr": "false_positive_rate",
    "jaccard": "iou",
    "f1": "dice",
    "miou": "mean_iou",
    "pixel_accuracy": "accuracy",
    "balanced_accuracy": "mean_sensitivity",
}
"""What others call a metric, and its name here."""
F_BETA = re.compile(r"(?:mean_)?f(\d+(?:\.\d+)?)")


def metrics_of(study: Study) -> dict[str, tuple[str, ...]]:
    """The metrics that a study evaluates, each with the classes that it is of.

    Names are those of ``metrics.tsv``, and those with a field (`v_rand@{threshold}`) of the families. Where a
    family has a name that no family has, which is a fault of its own, any metric may have been meant.
    """
    evaluate, every, found = study.evaluate, entry_names(FAMILIES), {}
    families = evaluate.metrics if set(evaluate.metrics) <= set(every) else every
    values = {
        OWN_LOSS: evaluate.losses,
        "{threshold}": [f"{value:g}" for value in evaluate.thresholds],
        "{beta}": [f"{value:g}" for value in evaluate.betas],
        "{class}": list(study.data.classes),
    }
    for family in families:
        for metric, subject in measured(family):
            of = _subjects(study, subject)
            fields = [(key, value) for key, known in values.items() if key in metric for value in known]
            for name in (metric, *(metric.replace(key, value) for key, value in fields)):
                found |= {name: (*found.get(name, ()), *of)} if of else {}
    return found


def _subjects(study: Study, subject: str) -> tuple[str, ...]:
    """The classes that measures are of, by the constant of the family that names the measures."""
    classes = tuple(study.data.classes)
    several = classes[1:] if len(classes) > 2 else ()
    of = {"OF_IMAGE": (EVERY_CLASS,), "OF_CLASS": classes, "OF_OBJECT_CLASS": several}
    return of.get(subject, (EVERY_CLASS,) if several else ())


@cache
def constants(family: str) -> dict[str, Any]:
    """What a family of metrics says of itself; nothing if there is none of the name."""
    if family not in entry_names(FAMILIES):
        return {}
    return kinds.literals(ast.parse(entry_file(FAMILIES, family).read_text(encoding="utf-8")))


def measured(family: str) -> list[tuple[str, str]]:
    """The metrics of a family, each with the constant that names it."""
    told = constants(family)
    subjects = ("OF_IMAGE", "OF_CLASS", "OF_OBJECT_CLASS", "OF_OBJECT_CLASSES")
    return [(metric, subject) for subject in subjects for metric in told.get(subject, ())]


def is_of(metric: str, family: str) -> bool:
    """Whether a metric is one of a family's, whose names may have fields."""
    return _fits(metric, (name for name, _ in measured(family)))


def lower_is_better(metric: str) -> bool:
    """Whether less of a metric is better, as its family says.

    Example:
        >>> lower_is_better("pixel_error"), lower_is_better("loss_dice"), lower_is_better("v_rand")
        (True, True, False)
    """
    return any(_fits(metric, constants(name).get("LOWER_IS_BETTER", ())) for name in entry_names(FAMILIES))


def of_probabilities(metric: str) -> bool:
    """Whether a metric is of probabilities, which segmentations of other tools do not have.

    Example:
        >>> of_probabilities("loss_dice"), of_probabilities("bin_pixels@{bin}"), of_probabilities("dice")
        (True, True, False)
    """
    told = {name: constants(name).get("OF_PROBABILITIES", False) for name in entry_names(FAMILIES)}
    return any(is_of(metric, name) for name, measures in told.items() if measures)


def leading(metrics: Iterable[str]) -> str:
    """The one of some metrics of images that their family names first, of the family of the first of them.

    Example:
        >>> leading(["v_rand@0", "pixel_error", "v_rand"]), leading(["of_a_plugin"]), leading([])
        ('v_rand', 'of_a_plugin', '')
    """
    there = list(dict.fromkeys(metrics))
    families = [family for family in entry_names(FAMILIES) if there and is_of(there[0], family)]
    named = (name for family in families for name in constants(family).get("OF_IMAGE", ()))
    return next((name for name in named if name in there), there[0] if there else "")


def can_be_pooled(metric: str) -> bool:
    """Whether a metric of an image also follows from the counts of many images together."""
    return any(_fits(metric, constants(name).get("POOLED", ())) for name in entry_names(FAMILIES))


def _fits(metric: str, names: Iterable[str]) -> bool:
    """Whether a metric is one of some names, which may have fields."""
    patterns = (re.sub(r"\\\{\w+\\\}", ".+", re.escape(name)) for name in names)
    return any(re.fullmatch(pattern, metric) for pattern in patterns)


def nearest_metric(metric: str, known: Iterable[str]) -> str:
    """What is said to be expected in the place of a metric that is none of those known.

    Example:
        >>> nearest_metric("jaccard", ["iou", "dice"])
        "'iou', which it is called here"
    """
    if metric not in SYNONYMS and "f{beta}" in known and (beta := F_BETA.fullmatch(metric)):
        return f"evaluate.betas with {beta[1]}, which gives it"
    if SYNONYMS.get(metric) in known:
        return f"'{SYNONYMS[metric]}', which it is called here"
    shown = [name for name in known if "{" not in name and "@" not in name]
    return f"{nearest(metric, shown)}, as evaluate.metrics has them"
