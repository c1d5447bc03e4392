# SPDX-License-Identifier: MIT
"""What labels hold: values or colours of classes, numbers of objects, or outlines with names."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor
from skimage.measure import label as components

from microtome.io import images
from microtome.io.label_images import LOSSY
from microtome.study.headers import OUTLINES
from microtome.study.survey.names import Names, read_outlines
from microtome.study.survey.open_questions import Question

Form = Literal["none", "values", "colours", "objects", "regions", "outlined objects"]
MOST_FILES = 200
"""Labels that are looked into."""
MOST_CLASSES = 32
"""Values or colours that can be classes; more are objects, or no labels."""
FEWEST_OBJECTS = 8
"""Different values of an image from which on they may number objects."""
FEWEST_CLASSES = 3
"""Values from which on it is asked whether they number objects."""
PIECES = 1.5
"""Connected pieces of a value, on average, below which each value is one object."""
NO_LABEL = 255
"""What programs write where nothing is labelled."""
COLOURED = (3, 4)
BLACK, WHITE = "#000000", "#ffffff"
BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What the labels of a study hold.

    Attributes:
        form: Of the files.
        classes: Class to its value, in order.
        colors: Class to its colour, of labels in colours.
        ignore: Values that seem to mean "not labelled".
        names: Of outlines: name in the files to its class, where these differ.
        outside: Of outlines: the class of what none covers; None: not labelled.
        skip: Of outlines: names that are left out.
        is_unnamed_skipped: Of outlines: whether some have no name and are left out.
        said: In words, for a list of what was found.
        questions: What a person has to settle.
    """

    form: Form
    classes: Mapping[str, int] = field(default_factory=dict)
    colors: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[int, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    outside: str | None = BACKGROUND
    skip: tuple[str, ...] = ()
    is_unnamed_skipped: bool = False
    said: str = "none"
    questions: tuple[Question, ...] = ()

    @property
    def is_objects(self) -> bool:
        """Whether objects are told from one another."""
        return self.form in ("objects", "outlined objects")


def look_into(labels: Sequence[tuple[Path, int | None]], *, are_regions: bool = False) -> Labels:
    """Look into labels, at most `MOST_FILES` of them, evenly.

    Args:
        labels: Files, with the page of those that have several.
        are_regions: Outlines are regions of classes, as those of slides are, however many there are.

    Raises:
        ValueError: They cannot be labels; says why, and what to do.
    """
    if not labels:
        return Labels(form="none")
    chosen = [
        labels[place] for place in np.linspace(0, len(labels) - 1, min(len(labels), MOST_FILES), dtype=int)
    ]
    outlined = [path for path, _ in chosen if path.suffix.lower() in OUTLINES]
    if outlined:
        return _of_names(read_outlines(outlined, are_regions=are_regions))
    headers = [(path, images.header(path)) for path, _ in chosen]
    lossy = next((path for path, header in headers if header.format in LOSSY), None)
    if lossy is not None:
        msg = f"{lossy}: found a label as JPEG, whose compression changes values; expected PNG or TIFF, "
        msg += "exported again from where it was drawn"
        raise ValueError(msg)
    coloured = [path for path, header in headers if header.channels in COLOURED]
    if coloured:
        _refuse_grey([path for path, _ in headers if path not in coloured], coloured)
        return _of_colours(chosen)
    return _of_values(chosen)


def _refuse_grey(grey: Sequence[Path], coloured: Sequence[Path]) -> None:
    """Labels of which some are in colours and others are not."""
    if grey:
        msg = f"{grey[0]}: found {len(grey)} of the labels in grey and {len(coloured)} in colours "
        msg += f"({coloured[0].name}, …); expected all of one kind; save them alike"
        raise ValueError(msg)


def _of_colours(files: Sequence[tuple[Path, int | None]]) -> Labels:
    """The colours of masks, the most frequent first, the background before all."""
    counts: Counter[int] = Counter()
    for path, page in files:
        rgb = images.read(path, page=page, palette="colours").astype(np.uint32)
        packed = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
        counts.update(
            dict(zip(*(part.tolist() for part in np.unique(packed, return_counts=True)), strict=True))
        )
        if len(counts) > MOST_CLASSES:
            msg = f"{path}: found {len(counts)} colours; expected one for each of at most {MOST_CLASSES} "
            msg += "classes: a mask that was smoothed, resized or saved as JPEG; export it again. Objects in "
            msg += "colours are to be numbered instead, in grey of 16 bits"
            raise ValueError(msg)
    colors = [f"#{value:06x}" for value, _ in counts.most_common()]
    first = next((color for color in (BLACK, WHITE) if color in colors), None)
    ordered = [first, *(color for color in colors if color != first)] if first else colors
    named = _color_names(ordered, first)
    question = Question(
        "what the colours mean: the classes are called after them", "data.classes, data.colors"
    )
    return Labels(
        form="colours",
        classes={name: number for number, name in enumerate(named)},
        colors=named,
        said=f"drawn in {len(named)} colours",
        questions=(question,),
    )


def _color_names(colors: Sequence[str], background: str | None) -> dict[str, str]:
    """Colours called by the nearest colour of CSS."""
    known = {name: ImageColor.getrgb(name) for name in ImageColor.colormap}
    found: dict[str, str] = {}
    for color in colors:
        rgb = np.array(ImageColor.getrgb(color))
        name = min(known, key=lambda one: float(((np.array(known[one]) - rgb) ** 2).sum()))
        name = BACKGROUND if color == background else name if name not in found else f"{name}_{color[1:]}"
        found[name] = color
    return found


@dataclass(frozen=True)
class _Values:
    """The values of a label.

    Attributes:
        path: The file.
        found: The values.
        pieces: Connected pieces of all values but 0.
    """

    path: Path
    found: tuple[int, ...]
    pieces: int

    @property
    def numbers(self) -> list[int]:
        """The values but 0."""
        return [value for value in self.found if value]

    @property
    def are_single(self) -> bool:
        """Whether each value but 0 is one connected piece, or nearly so."""
        return self.pieces < PIECES * len(self.numbers)


def _of_values(files: Sequence[tuple[Path, int | None]]) -> Labels:
    """Values of classes, or numbers of objects."""
    seen = [_values(path, images.read(path, page=page, palette="index")) for path, page in files]
    values = sorted({value for one in seen for value in one.found})
    if _number_many(seen) or _count_objects(seen):
        asked = Question("whether each value is an object, as it seems, and no class", "targets.kind")
        return Labels(
            form="objects",
            classes={BACKGROUND: 0, "object": 1},
            said="a number for each object (0: background)",
            questions=(asked,) if len(values) <= MOST_CLASSES else (),
        )
    if len(values) > MOST_CLASSES:
        msg = f"{files[0][0]}: found {len(values)} values in the labels; expected one for each of at most "
        msg += f"{MOST_CLASSES} classes, or a number of its own for each object, in one piece"
        raise ValueError(msg)
    if len(values) == 1:
        msg = f"{files[0][0]}: found the value {values[0]} alone in all labels; expected two classes or more"
        raise ValueError(msg)
    _refuse_two_whites(seen, values)
    return _of_classes(
        values, are_single=len(values) > FEWEST_CLASSES and all(one.are_single for one in seen)
    )


def _values(path: Path, values: NDArray) -> _Values:
    found = _whole(path, values)
    pieces = int(components(values.astype(np.int64), connectivity=2, background=0).max())
    return _Values(path, tuple(found), pieces)


def _number_many(seen: Sequence[_Values]) -> bool:
    """Whether most labels have many values, each in one piece."""
    many = [one for one in seen if len(one.numbers) >= FEWEST_OBJECTS and one.are_single]
    return len(many) * 2 > len(seen)


def _count_objects(seen: Sequence[_Values]) -> bool:
    """Whether values count what is in each image: from 1 on without a gap, not to the same number in all."""
    highest = {len(one.numbers) for one in seen}
    counted = all(
        one.numbers == list(range(1, len(one.numbers) + 1)) and one.are_single for one in seen if one.numbers
    )
    return counted and len(highest - {0}) > 1 and max(highest) >= FEWEST_CLASSES


def _refuse_two_whites(seen: Sequence[_Values], values: Sequence[int]) -> None:
    """Masks of which some say 1 and others 255."""
    ones, whites = ([one.path for one in seen if value in one.found] for value in (1, NO_LABEL))
    if list(values) == [0, 1, NO_LABEL] and not set(ones) & set(whites):
        msg = f"{whites[0]}: found 0 and 255 in {len(whites)} labels, 0 and 1 in {len(ones)} "
        msg += f"({ones[0].name}, …); expected one value for a class in all of them; save them alike"
        raise ValueError(msg)


def _whole(path: Path, values: NDArray) -> list[int]:
    """The values of a label."""
    found = np.unique(values)
    if (found != np.rint(found)).any() or found.min() < 0:
        msg = f"{path}: found values such as {found[0]:g} in a label; expected whole numbers from 0"
        raise ValueError(msg)
    return [int(value) for value in found]


def _of_classes(values: Sequence[int], *, are_single: bool) -> Labels:
    ignored = _apart(values)
    kept = [value for value in values if value not in ignored]
    names = [BACKGROUND if value == 0 else f"class_{value}" for value in kept]
    if len(kept) == 2 and kept[0] == 0:
        names = [BACKGROUND, "foreground"]
    listed = ", ".join(map(str, kept))
    asked = [Question(f"what the values {listed} mean: the classes have no names yet", "data.classes")]
    if ignored:
        text = f"whether {ignored[0]} means 'not labelled', as it seems: it stands apart from {listed}"
        asked.append(Question(text, "data.ignore, else data.classes"))
    if are_single:
        text = "whether the values are classes, as it seems, or number objects: each is in one piece"
        asked.append(Question(text, "targets.kind: instances"))
    said = f"values {listed}" + (f", and {ignored[0]} where nothing is labelled" if ignored else "")
    classes = dict(zip(names, kept, strict=True))
    return Labels(form="values", classes=classes, ignore=ignored, said=said, questions=tuple(asked))


def _apart(values: Sequence[int]) -> tuple[int, ...]:
    """The largest value, where the others follow one another and it does not.

    Example:
        >>> _apart([0, 1, 2, 255]), _apart([0, 1, 2, 3, 5]), _apart([0, 128, 255]), _apart([0, 255])
        ((255,), (5,), (), ())
    """
    *others, last = values
    follow = len(others) > 1 and others == list(range(others[0], others[0] + len(others)))
    return (last,) if follow and last > others[-1] + 1 and (last == NO_LABEL or len(others) > 2) else ()


def _of_names(found: Names) -> Labels:
    form: Form = "outlined objects" if found.are_objects else "regions"
    return Labels(
        form=form,
        classes={name: number for number, name in enumerate(found.classes)},
        names=found.meanings,
        outside=found.outside,
        skip=found.skip,
        is_unnamed_skipped=found.is_unnamed_skipped,
        said=found.said,
        questions=found.questions,
    )
