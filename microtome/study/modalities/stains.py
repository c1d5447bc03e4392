# SPDX-License-Identifier: MIT
"""Stain normalization: a run may see the images of a batch with the stain of one training sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from microtome.faults import Fault, nearest

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.study.plan import StudyPlan


def check_splits(
    study: Study, splits: Mapping[str, Mapping[str, str]], place: Callable[[tuple[str, ...]], str]
) -> Iterator[Fault]:
    """Stain targets that are no training samples: what is fitted must not see the test part."""
    for name, settings in study.stains.items():
        for split, parts in splits.items():
            target = settings.target
            if parts.get(target) == "train":
                continue
            known = f", which split {split} has in part '{parts.get(target)}'"
            found = f"'{target}'{known if target in parts else ', which is no sample of the study'}"
            trained = nearest(target, [sample for sample, part in parts.items() if part == "train"])
            yield Fault(place(("stains", name, "target")), found, f"a training sample: {trained}")


def seen(plan: StudyPlan, _: str, run: Run) -> str | None:
    """The folder of the images with the stain that a run asks for."""
    return f"stains/{run.stain}/images/{{batch}}" if run.stain and run.view == "image" else None


def pixel_bytes(_: Study, run: Run) -> int | None:
    """RGB of 8 bits."""
    return 3 if run.stain and run.view == "image" else None


def training(_: Study, run: Run) -> dict[str, Any]:
    """The name of the normalization, which enters the run's card."""
    return {"stain": run.stain}


def methods(plan: StudyPlan, names: list[str]) -> set[str]:
    """The methods of some normalizations."""
    return {plan.study.stains[name].method for name in names}


def applied(plan: StudyPlan, run: str) -> list[str]:
    """The normalizations that a run or its members use, each once."""
    found = [plan.study.runs[member].stain for member in plan.members_of(run)]
    return [name for name in dict.fromkeys(found) if name]
