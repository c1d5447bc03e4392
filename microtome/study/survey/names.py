# SPDX-License-Identifier: MIT
"""What the outlines in annotation files are: regions of classes by name, or objects."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from microtome.config.features import IGNORED_ENDING, OBJECTS
from microtome.io.annotations import read_names
from microtome.study.newcomers import plain_name
from microtome.study.survey.open_questions import Question

MANY = 15
"""Outlines of a file, on average, from which on those of one name are objects."""
BACKGROUND = "background"
REST = re.compile(r"normal|healthy|benign|other|rest|background|non[ _-]?tumou?r", re.IGNORECASE)
"""Names of what a class is told apart from."""
OBJECT_QUESTION = Question("whether each outline is an object, as it seems, and not a region", "targets.kind")
REGION_QUESTION = Question(
    "whether outlines are regions of classes, as it seems, or each is an object, as they are many",
    "targets.kind: instances",
)


@dataclass(frozen=True)
class Names:
    """What outlines are, by their names.

    Attributes:
        classes: In order, what no outline covers first.
        meanings: Name in the files to the class, where these differ.
        are_objects: Whether each outline is an object by itself.
        outside: The class of what none covers; None: not labelled.
        skip: Names that are left out.
        is_unnamed_skipped: Whether outlines without a name are left out.
        said: In words.
        questions: What a person has to settle.
    """

    classes: tuple[str, ...]
    meanings: Mapping[str, str]
    are_objects: bool
    outside: str | None
    skip: tuple[str, ...]
    is_unnamed_skipped: bool
    said: str
    questions: tuple[Question, ...]


def read_outlines(files: Sequence[Path], *, are_regions: bool = False) -> Names:
    """Read the names in annotation files, and tell what the outlines are.

    Args:
        files: GeoJSON, Aperio or ASAP XML.
        are_regions: They are regions of classes, however many there are.

    Raises:
        AnnotationError: A file cannot be read.
        ValueError: There is no outline in any of them.
    """
    counts: Counter[str] = Counter()
    types: set[str] = set()
    for path in files:
        for (name, kind), count in read_names(path).items():
            counts[name] += count
            types.add(kind)
    if not counts:
        msg = f"{files[0]}: found no outline, nor in any other label; expected annotated regions or objects"
        raise ValueError(msg)
    named = [name for name, _ in counts.most_common() if name and not name.endswith(IGNORED_ENDING)]
    mean = counts.total() / len(files)
    are_typed = bool(OBJECTS & types)
    are_objects = not are_regions and (are_typed or mean >= MANY * max(1, len(named)))
    classes = _classes(named)
    if are_objects:
        return _objects(counts, classes, asked=() if are_typed else (OBJECT_QUESTION,))
    return _regions(counts, classes, asked=(REGION_QUESTION,) if mean >= MANY and not are_regions else ())


def _classes(names: Sequence[str]) -> dict[str, str]:
    """Each name to a class that can be part of a file name; `tumor` and `Tumor` are one, other names are not.

    Example:
        >>> _classes(["Nest: +", "nest: +", "Nest (+)", "間質", "腫瘍"])
        {'Nest: +': 'Nest', 'nest: +': 'Nest', 'Nest (+)': 'Nest-2', '間質': 'region', '腫瘍': 'region-2'}
    """
    found: dict[str, str] = {}
    for name in names:
        folded = name.strip().casefold()
        if folded not in found:
            plain = plain_name(name.strip(), "region")
            numbered = (plain, *(f"{plain}-{number}" for number in range(2, len(names) + 2)))
            taken = {one.casefold() for one in found.values()}
            found[folded] = next(one for one in numbered if one.casefold() not in taken)
    return {name: found[name.strip().casefold()] for name in names}


def _objects(counts: Counter[str], classes: Mapping[str, str], asked: tuple[Question, ...]) -> Names:
    """Objects of one class, or of several where most have a name."""
    listed = [*dict.fromkeys(classes.values())] if classes else ["object"]
    several = len(listed) > 1
    return Names(
        classes=(BACKGROUND, *listed),
        meanings={name: one for name, one in classes.items() if name != one} if several else {},
        are_objects=True,
        outside=BACKGROUND,
        skip=(),
        is_unnamed_skipped=several and "" in counts,
        said=f"outlines of {counts.total():,} objects ({', '.join(listed)})",
        questions=asked,
    )


def _regions(counts: Counter[str], classes: Mapping[str, str], asked: tuple[Question, ...]) -> Names:
    """Regions of classes; what none covers is another class, unless one of them is the rest already."""
    meanings = {**classes} or {"": "region"}
    rest = next((name for name in meanings.values() if REST.fullmatch(name)), None)
    others = [name for name in dict.fromkeys(meanings.values()) if name != rest]
    is_rest_drawn = rest is not None and bool(others)
    first = rest if is_rest_drawn else BACKGROUND
    listed = ", ".join(f"{name or 'without a name'} ({count:,})" for name, count in counts.most_common())
    said = f"outlines: {listed}"
    return Names(
        classes=(first, *(others if is_rest_drawn else dict.fromkeys(meanings.values()))),
        meanings={name: one for name, one in meanings.items() if name != one},
        are_objects=False,
        outside=None if is_rest_drawn else BACKGROUND,
        skip=(),
        is_unnamed_skipped="" in counts and bool(classes),
        said=said,
        questions=(_outside_question(None if is_rest_drawn else BACKGROUND), *asked),
    )


def _outside_question(outside: str | None) -> Question:
    if outside is None:
        return Question("whether what no outline covers is not labelled, as it seems", "targets.outside")
    text = f"whether everything of its kind is outlined: what no outline covers is learnt as '{outside}'"
    return Question(text, "targets.outside (null: what is not outlined is not learnt)")
