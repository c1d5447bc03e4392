# SPDX-License-Identifier: MIT
"""Objects as targets: a run's outputs learn masks and markers; labels may be outlines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.config.features import name_faults, reason_by_name, types_chosen, with_names
from microtome.faults import Fault, nearest
from microtome.study import headers

if TYPE_CHECKING:
    from microtome.config.modalities.objects import Targets
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.study.sample import Sample


COLUMNS = {"types": Path}
"""The map of classes of the objects in a label image."""
LEARNT = ("train", "")
"""Parts of the sheet whose labels may be trained on; empty: the split decides."""
BINARY = 2
"""Classes of a study of one sort of objects: these, and what lies between them."""


def check_new_labels(study: Study, labels: Sequence[str]) -> Iterator[Fault]:
    """Labels with numbers of objects alone, of a study whose objects are of several classes."""
    from microtome.study.newcomers import listing  # which asks the modalities

    if study.targets.kind == "instances" and len(study.data.classes) > BINARY:
        numbers = [Path(label).name for label in labels if Path(label).suffix.lower() not in headers.OUTLINES]
        expected = f"outlines that name their classes ({', '.join(sorted(headers.OUTLINES))})"
        found = f"numbers of objects, without their classes, in {listing(numbers)}"
        if numbers:
            yield Fault("--config labels", found, expected)


def check_files(sample: Sample, where: str, image: headers.Size | None) -> Iterator[Fault]:
    """A map of classes belongs to a label image, and has its size."""
    path, where = sample.more.get("types"), f"{where} types"
    if not path:
        return
    label = Path(sample.label or "").suffix.lower()
    if not sample.label or label in headers.OUTLINES:
        found = f"'{path}' beside {'outlines' if sample.label else 'no label'}"
        yield Fault(where, found, "a label image with the numbers of the objects, or nothing here")
        return
    found = yield from headers.look(path, where, sample.page)
    if found and found.channels != 1:
        yield Fault(where, f"{found.channels} channels in '{path}'", "one channel of class values")
    if found and image and (found.height, found.width) != (image.height, image.width):
        told = f"a map of {found.height} x {found.width} pixels ('{path}')"
        yield Fault(where, told, f"{image.height} x {image.width} pixels, the size of its image")


def training(_: Study, run: Run) -> dict[str, Any]:
    """What each output of the network learns."""
    return {"outputs": run.outputs}


def check_labels(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Names of classes in files of outlines that no class has, each once; what lies outside of outlines."""
    targets, classes = study.targets, list(study.data.classes)
    yield from headers.named_twice(samples, "types", sheet)
    if targets.kind == "instances" and study.data.source != "phantom" and len(classes) > 2:
        yield from _untyped(samples, sheet)
    drawn = [s for s in samples if s.label and Path(s.label).suffix.lower() in headers.OUTLINES]
    if not drawn or (targets.kind == "instances" and len(classes) <= 2):
        return
    is_assumed = targets.kind == "semantic" and "outside" not in targets.model_fields_set
    if is_assumed and targets.outside not in classes:
        found = f"outlines, and targets.outside is '{targets.outside}', which is no class"
        expected = f"targets.outside: {nearest(targets.outside, classes)}, or null: not labelled"
        yield Fault(f"{sheet} label", found, expected)
    known = classes[1:] if targets.kind == "instances" else classes
    seen: dict[tuple[str, str], list[str]] = {}
    learnt: set[str] = set()
    for sample in drawn:
        where = f"{sheet}:{sample.row} label"
        named = _chosen((yield from headers.names_of(str(sample.label), where)), targets)
        learnt |= {name for name, _ in named} if sample.part in LEARNT else set()
        for fault in name_faults(named, targets.features, known, _region_names(targets)):
            seen.setdefault(fault, []).append(f"{where} '{sample.label}'")
    for (found, expected), places in seen.items():
        more = f" (and in {len(places) - 1} further files)" if len(places) > 1 else ""
        remedy = "; or see targets.features (names, skip)"
        yield Fault(places[0], f"{found}{more}", f"{expected}{remedy}")
    if all(Path(str(sample.label)).is_file() for sample in drawn):
        yield from _undrawn(targets, learnt, sheet)


def _region_names(targets: Targets) -> set[str]:
    return {name for names in targets.regions.values() for name in names}


def _undrawn(targets: Targets, learnt: Collection[str], sheet: Path) -> Iterator[Fault]:
    """Regions of which training has no outline, and classes that are named beside them."""
    wanted = {name: set(names) for name, names in targets.regions.items()}
    for name, meant in targets.features.names.items() if wanted else ():
        wanted.setdefault(meant, {meant}).add(name)
    listing = ", ".join(sorted(filter(None, learnt))) or "none"
    for name, names in wanted.items():
        if not names & set(learnt):
            told = f"in the labels of training no outline called {' or '.join(sorted(names))}"
            expected = f"some, as targets has '{name}'; correct or leave out the name"
            yield Fault(f"{sheet} label", f"{told} (names found: {listing})", expected)


def _untyped(samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Label images that say no classes."""
    for sample in samples:
        is_outline = Path(sample.label or "").suffix.lower() in headers.OUTLINES
        if sample.label and not is_outline and not sample.more.get("types"):
            expected = "the path of a map of classes, as data.classes has several classes of objects"
            yield Fault(f"{sheet}:{sample.row} types", "nothing", f"{expected} and '{sample.label}' none")


def _chosen(named: Mapping[tuple[str, str], int], targets: Targets) -> dict[tuple[str, str], int]:
    """The names of the outlines that are labels, as `microtome.objects.features` chooses them."""
    features = with_names(targets.features, _region_names(targets))
    types = types_chosen({kind for _, kind in named}, features, targets.kind)
    return {
        (name, kind): count
        for (name, kind), count in named.items()
        if kind in types and not reason_by_name(name, features, needs_name=True)
    }
