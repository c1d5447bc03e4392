# SPDX-License-Identifier: MIT
"""Options of outlines in annotation files: which features are labels, and what their names mean."""

from collections.abc import Collection, Mapping
from typing import Literal

from microtome.config.section import Section, option
from microtome.faults import nearest

ObjectType = Literal["annotation", "detection", "cell", "tile", "tma_core"]
OBJECTS = frozenset({"cell", "detection"})
"""Types of QuPath that are objects where a file has some."""
AREAS = frozenset({"annotation"})
"""Types of QuPath that are regions of a class where a file has some."""

IGNORED_ENDING = "*"
"""How the names of classes end that QuPath itself passes over."""


class Features(Section):
    """Which features of an annotation file are labels."""

    object_types: tuple[ObjectType, ...] = option(
        (),
        "QuPath: objects of these types; empty: where a file has some, cells and detections (semantic: "
        "annotations), otherwise what there is",
    )
    take: tuple[str, ...] = option(
        (), "names of classes (ImageScope: layers; ASAP: groups), beside those of targets.regions; empty: all"
    )
    skip: tuple[str, ...] = option((), "names that are left out, as names that end in `*` always are")
    names: dict[str, str] = option({}, "name in the files: the class of data.classes that it means")
    unclassified: Literal["refuse", "skip"] = option(
        "refuse", "outlines without a name where names tell classes apart"
    )
    regions: Literal["skip", "keep"] = option(
        "skip",
        "instances: outlines that enclose others or cover half of the image, mostly regions",
    )


def types_chosen(found: Collection[str], features: Features, kind: str) -> frozenset[str]:
    """The object types that are labels, of those in a file; an empty one is of files that know no types.

    Example:
        >>> sorted(types_chosen({"annotation", "cell"}, Features(), "instances"))
        ['cell', 'detection']
        >>> sorted(types_chosen({"annotation"}, Features(), "instances"))
        ['', 'annotation']
    """
    if features.object_types:
        return frozenset(features.object_types)
    if OBJECTS & set(found):
        return AREAS if kind == "semantic" and AREAS & set(found) else OBJECTS
    return AREAS | {""}


def with_names(features: Features, names: Collection[str]) -> Features:
    """The features with further names taken, where only some are.

    Example:
        >>> with_names(Features(take=["Tumor"]), {"Stroma"}).take
        ('Tumor', 'Stroma')
        >>> with_names(Features(), {"Stroma"}).take
        ()
    """
    more = sorted(set(names) - set(features.take)) if features.take else ()
    return features.model_copy(update={"take": (*features.take, *more)})


def reason_by_name(name: str, features: Features, *, needs_name: bool) -> str:
    """Why an outline of this name is left out; empty where it is not.

    Example:
        >>> reason_by_name("Region*", Features(), needs_name=False)
        "class 'Region*'"
    """
    if name.endswith(IGNORED_ENDING) or name in features.skip:
        return f"class '{name}'"
    if features.take and name not in features.take:
        return f"class '{name}'" if name else "no class"
    return "no class" if needs_name and features.unclassified == "skip" and not name else ""


def name_faults(
    named: Mapping[tuple[str, str], int],
    features: Features,
    classes: Collection[str],
    regions: Collection[str] = (),
) -> list[tuple[str, str]]:
    """What was found and what was expected of names that no class has.

    Args:
        named: Name and object type to the number of outlines.
        features: What names mean.
        classes: The names of the classes.
        regions: Names that mean regions.

    Example:
        >>> name_faults({("Tumour", ""): 2, ("Stroma", ""): 1}, Features(), ["Tumor", "Stroma"])[0]
        ("'Tumour' on 2 outlines (names found: Stroma, Tumour)", "'Tumor'? (known: Stroma, Tumor)")
    """
    counts: dict[str, int] = {}
    for (name, _), count in named.items():
        counts[name] = counts.get(name, 0) + count
    listing = ", ".join(sorted(name for name in counts if name)) or "none"
    found = []
    for name, count in sorted(counts.items()):
        if features.names.get(name, name) in classes or name in regions:
            continue
        outlines = f"{count} outline{'s' * (count > 1)}"
        if name:
            found.append((f"'{name}' on {outlines} (names found: {listing})", nearest(name, list(classes))))
        else:
            remedy = f"a class for each ({', '.join(classes)}), or targets.features.unclassified: skip"
            found.append((f"{outlines} without a class (names found: {listing})", remedy))
    return found
