# SPDX-License-Identifier: MIT
"""Stain normalization: a run may see the images of a batch with the stain of one target."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.faults import Fault, nearest

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.stain import Normalization
    from microtome.config.study import Study
    from microtome.study.plan import StudyPlan

RGB = 3


def check_splits(
    study: Study, splits: Mapping[str, Mapping[str, str]], place: Callable[[tuple[str, ...]], str]
) -> Iterator[Fault]:
    """Stain targets that are no training samples: what is fitted must not see the test part."""
    for name, settings in study.stains.items():
        known = next(iter(splits.values()))
        unknown = [target for target in settings.targets if target not in known]
        for target in unknown:
            found = f"'{target}', which is no sample of the study"
            yield Fault(
                place(("stains", name, "target")), found, f"a training sample: {_trained(target, known)}"
            )
        if settings.targets and not unknown:
            yield from _untrained(settings.targets, splits, place(("stains", name, "target")))
        if settings.target_image:
            yield from _check_image(settings.target_image, place(("stains", name, "target_image")))
        if settings.target_profile:
            yield from _check_profile(settings, place(("stains", name, "target_profile")))


def _untrained(
    targets: Sequence[str], splits: Mapping[str, Mapping[str, str]], where: str
) -> Iterator[Fault]:
    """Splits that train on none of the targets."""
    for split, parts in splits.items():
        if any(parts[target] == "train" for target in targets):
            continue
        found = ", ".join(
            f"'{target}', which split {split} has in part '{parts[target]}'" for target in targets
        )
        expected = f"a training sample: {_trained(targets[0], parts)}"
        if len(splits) > 1:
            expected += "; or several (target: [a, b]), of which each split takes the first that it trains on"
        yield Fault(where, found, expected)


def _trained(target: str, parts: Mapping[str, str]) -> str:
    return nearest(target, [sample for sample, part in parts.items() if part == "train"])


def _check_image(path: str, where: str) -> Iterator[Fault]:
    """A target outside the sheet is an image like those of the study."""
    from microtome.study.headers import look  # which asks the modalities

    header = yield from look(path, where, None)
    if header and (header.channels, str(header.dtype)) != (RGB, "uint8"):
        found = f"{header.channels} channels of type {header.dtype} in '{path}'"
        yield Fault(where, found, "an RGB image of 8 bits")


def _check_profile(settings: Normalization, where: str) -> Iterator[Fault]:
    """A fitted profile is of the same method, with the options that the study gives."""
    from microtome.study.headers import reason  # which asks the modalities

    path, expected = settings.target_profile, "what an earlier fit wrote: stains/NAME/target.json"
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        profile = content.get("profile", content)
        method, fitted = profile["method"], profile.get("parameters", profile)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        yield Fault(where, f"'{path}', which cannot be read ({reason(error, path)})", expected)
        return
    if method != settings.method:
        yield Fault(where, f"'{path}', a profile of method '{method}'", f"one of method '{settings.method}'")
        return
    for option in sorted(settings.model_fields_set & set(fitted)):
        if getattr(settings, option) != fitted[option]:
            found = f"{option} {fitted[option]} in '{path}', but {getattr(settings, option)} in the study"
            yield Fault(where, found, f"no `{option}` beside a profile, which has its own")


def target_of(plan: StudyPlan, name: str, split: str) -> str | None:
    """The sample whose stain the images of a split get; None: it is outside the sheet."""
    targets, parts = plan.study.stains[name].targets, plan.splits[split]
    return next((target for target in targets if parts[target] == "train"), None)


def folder(plan: StudyPlan, name: str, split: str) -> str:
    """The folder, below `stains`, of a normalization for a split.

    It is the normalization's name; for splits with another target than the first split, with that sample.
    """
    target = target_of(plan, name, split)
    return name if target == target_of(plan, name, next(iter(plan.splits))) else f"{name}@{target}"


def of_folder(plan: StudyPlan, place: str) -> tuple[str, str | None]:
    """The normalization of a folder, and the sample that is its target."""
    name, _, target = place.partition("@")
    return name, target or target_of(plan, name, next(iter(plan.splits)))


def fitted_on(plan: StudyPlan, place: str) -> str | None:
    """The file that the target of a folder is taken from, where it is outside the sheet."""
    settings = plan.study.stains[of_folder(plan, place)[0]]
    return settings.target_image or settings.target_profile


def seen(plan: StudyPlan, split: str, run: Run) -> str | None:
    """The folder of the images with the stain that a run asks for."""
    if not run.stain or run.view != "image":
        return None
    return f"stains/{folder(plan, run.stain, split)}/images/{{batch}}"


def pixel_bytes(_: Study, run: Run) -> int | None:
    """RGB of 8 bits."""
    return 3 if run.stain and run.view == "image" else None


def training(_: Study, run: Run) -> dict[str, Any]:
    """The name of the normalization, which enters the run's card."""
    return {"stain": run.stain}


def methods(plan: StudyPlan, names: list[str]) -> set[str]:
    """The methods of some normalizations, by their names or folders."""
    return {plan.study.stains[name.partition("@")[0]].method for name in names}


def applied(plan: StudyPlan, run: str) -> list[str]:
    """The normalizations that a run or its members use, each once."""
    found = [plan.study.runs[member].stain for member in plan.members_of(run)]
    return [name for name in dict.fromkeys(found) if name]
