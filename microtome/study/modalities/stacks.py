# SPDX-License-Identifier: MIT
"""Slices of a stack: their order, and the neighbours of a slice that a run sees beside it (2.5-D input).

The order is what column `z` says, or else the page of the file. A neighbour is the slice whose number is so
many above or below; numbers that are missing leave a gap, over which no slice is taken for another. Only
images are seen: the label that is learnt is that of the slice in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.config.sampling import BEYOND
from microtome.faults import Fault
from microtome.study.headers import PICTURES, header_of
from microtome.study.modalities import Taken

if TYPE_CHECKING:
    from microtome.config.run import Run
    from microtome.config.study import Study
    from microtome.study.plan import StudyPlan
    from microtome.study.sample import Sample

COLUMNS = {"stack": str, "z": int}
"""The stack that a slice is of (without it, its `volume`, else its file of several pages, else the one stack
of the sheet), and the number of the slice in it."""
UNREAD = frozenset(COLUMNS)
NUMBER = re.compile(r"-?\d{1,9}")
NUMBERED = re.compile(r"(?P<stack>.*?)(?P<z>\d{1,9})")
"""Names of files that are slices of a stack."""
BYTES = {"uint16": 2, "float32": 4}
NUMBERED_ONE_BY_ONE = "slices of one stack that are numbered one by one"
Place = tuple[str, int]
"""A stack, and the number of a slice in it."""


def fill_cells(cells: Mapping[str, str]) -> Mapping[str, str]:
    """A slice that names no stack is of that of its volume."""
    is_named = bool(cells.get("z") and cells.get("volume")) and not cells.get("stack")
    return {**cells, "stack": cells["volume"]} if is_named else cells


def place_of(sample: Sample) -> Place | None:
    """The stack and the number of a slice; None where the sheet does not say.

    Example:
        >>> from microtome.study.sample import Sample
        >>> place_of(Sample("a", "a.png", more={"z": "7"})), place_of(Sample("b", "b.tif", page=2))
        (('', 7), ('b.tif', 2))
    """
    z, page = sample.more.get("z"), sample.page
    stack = sample.more.get("stack") or ("" if page is None else sample.image)
    if z is not None:
        return (stack, int(z)) if NUMBER.fullmatch(z) else None
    return None if page is None else (stack, page)


def neighbourhood(
    places: Mapping[str, Place], count: int, parts: Mapping[str, str] | None = None
) -> dict[str, tuple[str, ...]]:
    """The slices that stand for each slice and its neighbours.

    In the place of a neighbour that is not there stands the one as far on the other side, as by mirroring at
    the end of the stack; where that is not there, either, the slice itself.

    Args:
        places: Stack and number of each slice.
        count: Neighbours on each side.
        parts: The part of each slice, if neighbours are to be of the same.

    Returns:
        Slice to 2 `count` + 1 slices by falling distance before it, itself, and by growing distance after it.

    Example:
        >>> places = {"a": ("", 0), "b": ("", 1), "c": ("", 2)}
        >>> neighbourhood(places, 1)
        {'a': ('b', 'a', 'b'), 'b': ('a', 'b', 'c'), 'c': ('b', 'c', 'b')}
        >>> neighbourhood(places, 1, {"a": "train", "b": "train", "c": "test"})
        {'a': ('b', 'a', 'b'), 'b': ('a', 'b', 'a'), 'c': ('c', 'c', 'c')}
    """
    at = {place: sample for sample, place in places.items()}

    def seen(sample: str, offset: int) -> str:
        stack, z = places[sample]
        found = (at.get((stack, z + step)) for step in (offset, -offset))
        of_part = (one for one in found if one and (parts is None or parts[one] == parts[sample]))
        return next(of_part, sample)

    offsets = range(-count, count + 1)
    return {sample: tuple(seen(sample, offset) for offset in offsets) for sample in places}


def stacked(plan: StudyPlan, split: str, place: str, batch: str) -> dict[str, tuple[str, ...]]:
    """The slices that each sample of a batch is stacked of, in a folder of `folder`."""
    parts = None if place.endswith(BEYOND) else plan.splits[split]
    places = {name: place_of(sample) for name, sample in plan.samples.items()}
    known = {name: found for name, found in places.items() if found is not None}
    own = neighbourhood(known, int(place.removesuffix(BEYOND)), parts)
    return {name: own[name] for name in plan.batches[batch]}


def seen(_: StudyPlan, split: str, run: Run) -> str | None:
    """The folder of the slices with their neighbours."""
    return f"stacked/{split}/{run.input.stacked}/{{batch}}" if run.input.stacked else None


def pixel_bytes(study: Study, run: Run) -> int | None:
    """Those of a slice and its neighbours, of 8 bits unless the study says more."""
    data, slices = study.data, 2 * run.input.neighbours + 1
    return slices * data.channels * BYTES.get(data.dtype or "", 1) if run.input.neighbours else None


def check_samples(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Numbers of slices that are none or stand twice, and slices without one whose neighbours are seen."""
    seeing = [name for name, run in study.runs.items() if run.input.neighbours and not run.is_ensemble]
    ordered = COLUMNS.keys() if seeing else {"z"}
    first: dict[Place, Sample] = {}
    for sample in samples:
        z, place = sample.more.get("z"), place_of(sample)
        if z is not None and place is None:
            expected = "a whole number: that of the slice in its stack"
            yield Fault(f"{sheet}:{sample.row} z", f"'{z[:20]}'", expected)
        elif place is None or not sample.more.keys() & ordered:
            continue
        elif (other := first.setdefault(place, sample)) is not sample:
            yield _twice(sample, other, place, sheet)
    if seeing:
        yield from _check_order(seeing[0], study.runs[seeing[0]], samples, sheet)


def _twice(sample: Sample, other: Sample, place: Place, sheet: Path) -> Fault:
    """Two slices in one place, of which a neighbour would see either."""
    column, stack = "z" if "z" in sample.more else "page", f" of stack '{place[0]}'" if place[0] else ""
    expected = "each slice once; or the stack of each, in column `stack`, and its number there, in `z`"
    return Fault(
        f"{sheet}:{sample.row} {column}", f"slice {place[1]}{stack}, also in row {other.row}", expected
    )


def _check_order(name: str, run: Run, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """A run sees neighbours: slices need an order, and one of them a neighbour."""
    expected = f"the number of the slice, as run '{name}' sees {run.input.neighbours} neighbours on each side"
    without = [sample for sample in samples if place_of(sample) is None and "z" not in sample.more]
    if without:
        more = f", nor in {len(without) - 1} further rows" if len(without) > 1 else ""
        yield Fault(f"{sheet}:{without[0].row} z", f"nothing{more}", f"{expected}; or pages of a stack")
        return
    there = {place for sample in samples if (place := place_of(sample)) is not None}
    if there and not _has_neighbours(there, run.input.neighbours):
        yield Fault(f"{sheet} z", _no_neighbours(run.input.neighbours), NUMBERED_ONE_BY_ONE)


def _has_neighbours(places: Collection[Place], count: int) -> bool:
    """Whether any slice has another that it is seen beside."""
    return any((stack, z + offset) in places for stack, z in places for offset in range(1, count + 1))


def _no_neighbours(count: int) -> str:
    return f"no slice whose number is 1 to {count} above another's in its stack"


def take_files(
    files: Sequence[Path], study: Study | None, runs: Sequence[Run], *, is_rendered: bool
) -> Taken:
    """No file is taken from the others; where neighbours are seen, each has to have its place in a stack."""
    if study is None or is_rendered or not _most(runs):
        return Taken()
    pictures = [file for file in files if file.suffix.lower() in PICTURES]
    without = [file.name for file in pictures if not NUMBERED.fullmatch(file.stem) and not _is_stack(file)]
    if not without:
        return Taken(faults=[*_check_new(pictures, _most(runs))])
    more = f" and {len(without) - 1} more" if len(without) > 1 else ""
    expected = "pages of one file, or files whose names end in the number of the slice, as the run sees "
    fault = Fault("--config images", f"'{without[0]}'{more}", f"{expected}neighbours (input.neighbours)")
    return Taken(faults=[fault])


def _check_new(pictures: Sequence[Path], count: int) -> Iterator[Fault]:
    """Slices none of which has a neighbour, such as one file of a folder, are not what the run has learnt."""
    places = {_new_place(file.as_posix(), None) for file in pictures}
    if pictures and not _has_neighbours(places, count) and not any(map(_is_stack, pictures)):
        expected = f"{NUMBERED_ONE_BY_ONE}, in one folder, as the run sees neighbours (input.neighbours)"
        yield Fault("--config images", _no_neighbours(count), expected)


def new_cells(samples: Sequence[Sample], runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """The images and pages that the runs see of each new slice, its own in the middle."""
    count = _most(runs)
    if not count:
        return {}
    named = {one.sample: one for one in samples}
    places = {name: _new_place(one.image, one.page) for name, one in named.items()}
    every = neighbourhood(places, count)
    files = {name: {"image": one.image, "page": one.page} for name, one in named.items()}
    return {name: {"neighbours": [files[each] for each in seen_]} for name, seen_ in every.items()}


def _new_place(image: str, page: int | None) -> Place:
    """The place of a slice that no sheet has: its page, or the number that its name ends in."""
    path = Path(image)
    if page is not None:
        return image, page
    found = NUMBERED.fullmatch(path.stem)
    return ((path.parent / found["stack"]).as_posix(), int(found["z"])) if found else (image, 0)


def _most(runs: Sequence[Run]) -> int:
    """Neighbours on each side that some run sees, at most."""
    return max((run.input.neighbours for run in runs), default=0)


def _is_stack(path: Path) -> bool:
    """Whether a file holds several pages; one that cannot be read is named elsewhere."""
    from microtome.io.errors import ImageError

    try:
        return header_of(path.as_posix()).is_stack
    except (ImageError, OSError):
        return True
