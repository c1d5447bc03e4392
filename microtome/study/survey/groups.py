# SPDX-License-Identifier: MIT
"""What belongs together and may not be in two parts of a split: patients, neighbours, slices."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

from microtome.study.survey import words
from microtome.study.survey.open_questions import Question
from microtome.study.survey.pictures import Kind, Picture

Column = Literal["patient", "block", "sample"]
PATIENTS = (
    ("TCGA-XX-XXXX", re.compile(r"(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})", re.IGNORECASE)),
    (
        "a word such as patient, case or P, with a number",
        re.compile(
            r"(?:(?:^|[_\-. /])"
            r"((?:patient|patid|pat|case|subject|subj|sub|donor|animal|mouse|pt|(?-i:P))[_\- ]?\d+)"
            r"|(?:^|/)(p[_\- ]?\d+))(?=$|[_\-. /])",
            re.IGNORECASE,
        ),
    ),
)
"""How patients are written in names, and in words; a small `p` within a name may be a place, or a page."""
POSITION = re.compile(
    r"(?:^|[_\-. ])(?:(\d+)x(\d+)|x[=\-]?(\d+)[_\- ]*y[=\-]?(\d+))(?=$|[_\-. ])", re.IGNORECASE
)
"""Column and row of a tile in its name: `_1536x2560`, `x512_y1024`, `x-0-y-512` (of `[x=0,y=512]`)."""
BLOCK = 3
"""Slices of a block."""
FEWEST = 3
"""Groups, one for each part; stretches of a slide are made as many again as this, where tiles suffice."""
LARGEST = 50
"""Images of a group, on average; more are a class of images rather than a patient."""
PLACES = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Groups:
    """What belongs together.

    Attributes:
        column: Of the sheet (`data.group_by`).
        of: Sample to its group.
        said: In words, for a list of what was found.
        comment: What the study file says of it.
        is_in_order: Whether neighbouring groups are alike, so that parts are stretches of them.
        questions: What a person has to settle.
    """

    column: Column
    of: Mapping[str, str]
    said: str
    comment: str
    is_in_order: bool = False
    questions: tuple[Question, ...] = ()

    @property
    def names(self) -> list[str]:
        """The groups, in the order of the samples."""
        return list(dict.fromkeys(self.of.values()))


def find_groups(pictures: Sequence[Picture], kind: Kind, root: Path) -> Groups:
    """Tell from names and folders what belongs together.

    Args:
        pictures: The images, in their order.
        kind: What they are; slices of a stack belong together in blocks.
        root: The folder that they lie in.
    """
    if kind == "stack":
        return _blocks(pictures)
    chosen = _patients(pictures, root), _positions(pictures), _prefixes(pictures), _folders(pictures, root)
    for found in chosen:
        if found is not None:
            return found
    question = Question(
        "which images are of one patient (names do not say it; each is taken to be of another)",
        "column `patient` of the sheet, with data.group_by: patient",
    )
    return Groups(
        "sample",
        {one.sample: one.sample for one in pictures},
        "not told by the names: each image by itself",
        "names do not tell patients: each image counts by itself",
        questions=(question,),
    )


def _blocks(pictures: Sequence[Picture]) -> Groups:
    """Stretches of slices, of each file by itself, or of each folder of slices."""
    of_file = [one.path if one.page is not None else one.path.parent for one in pictures]
    files = list(dict.fromkeys(of_file))
    of: dict[str, str] = {}
    for number, file in enumerate(files):
        slices = [one for one, its in zip(pictures, of_file, strict=True) if its == file]
        mark = f"{PLACES[number % len(PLACES)]}" if len(files) > 1 else "b"
        of |= {one.sample: f"{mark}{place // BLOCK}" for place, one in enumerate(slices)}
    count = len(set(of.values()))
    said = f"{count} blocks of {BLOCK} slices that follow one another"
    return Groups("block", of, said, f"{said}: neighbours are alike", is_in_order=True)


def _patients(pictures: Sequence[Picture], root: Path) -> Groups | None:
    """Patients by a known way of writing them, in folders and names of most images; others are by themselves.

    `P01` and `p1` are one patient, called as it is written first.
    """
    for written, pattern in PATIENTS:
        found = {
            one.sample: match[match.lastindex or 0]
            for one in pictures
            if (match := pattern.search("/".join((*words.inside(one.path, root), one.sample))))
        }
        first: dict[str, str] = {}
        for text in found.values():
            first.setdefault(_alike(text), text)
        if len(found) * 2 > len(pictures) and len(first) > 1:
            of = {
                one.sample: first[_alike(found[one.sample])] if one.sample in found else one.sample
                for one in pictures
            }
            example, patient = next(iter(found.items()))
            return _as_patients(
                of, f"{written} in the names ({patient} of {example})", len(pictures) - len(found)
            )
    return None


def _alike(text: str) -> str:
    """A patient's name as it is compared: `Patient 03` and `patient_3` are one.

    Example:
        >>> _alike("Patient 03") == _alike("patient_3") != _alike("patient_30")
        True
    """
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"[_\-. ]", "", text.casefold()))


def _as_patients(of: Mapping[str, str], source: str, alone: int = 0) -> Groups:
    """Groups that seem to be patients, so many images aside that are by themselves."""
    said = f"{len(set(of.values()))}, from {source}"
    said += f"; {alone} image{'s' * (alone > 1)} without it, each by itself" if alone else ""
    question = Question(f"whether these are the patients: {said}", "column `patient` of the sheet")
    return Groups("patient", of, said, f"{said}; correct column `patient` if not", questions=(question,))


def _prefixes(pictures: Sequence[Picture]) -> Groups | None:
    """What stands before the last number of each name, where several images share it."""
    found = {one.sample: re.sub(r"[_\-. ]+[a-zA-Z]*\d+$", "", one.sample) for one in pictures}
    counts = Counter(found.values())
    is_shared = max(counts.values()) > 1 and all(found[one.sample] != one.sample for one in pictures)
    are_parts = all(set(words.tokens(name)) <= words.PARTS.keys() for name in counts)
    if not is_shared or are_parts or len(counts) < max(FEWEST, len(pictures) / LARGEST):
        return None
    example = pictures[0].sample
    return _as_patients(found, f"the beginnings of the names ({found[example]} of {example})")


def _folders(pictures: Sequence[Picture], root: Path) -> Groups | None:
    """The outermost folders of which there are enough; those in them may be several slides of a patient."""
    inside = {one.sample: _named_folders(one, root) for one in pictures}
    for depth in range(1, 1 + min(map(len, inside.values()))):
        places = {sample: "-".join(folders[:depth]) for sample, folders in inside.items()}
        if FEWEST <= len(set(places.values())) < len(pictures):
            return _as_patients(places, f"the folders ({places[pictures[0].sample]}, …)")
    return None


def _named_folders(one: Picture, root: Path) -> list[str]:
    """The folders of an image that say more than that images, or those of a part, are in them."""
    places = words.place(words.inside(one.path, root))
    return [name for name in places if not set(words.tokens(name)) <= words.PARTS.keys()]


def _positions(pictures: Sequence[Picture]) -> Groups | None:
    """Tiles with their place on a slide in their names: slides, or stretches of one or two slides."""
    matches = {one.sample: POSITION.search(one.sample) for one in pictures}
    if not all(matches.values()):
        return None
    slides = {name: name[: match.start()] or "slide" for name, match in matches.items() if match}
    places = {name: _place(match) for name, match in matches.items() if match}
    if len(set(places.values())) == 1:
        return None
    count = len(set(slides.values()))
    if count >= FEWEST:
        said = f"{count} slides, from the names before the position of a tile"
        question = Question(f"whether each is of another patient: {said}", "column `patient` of the sheet")
        return Groups("patient", slides, said, said, questions=(question,))
    of: dict[str, str] = {}
    for slide in dict.fromkeys(slides.values()):
        of |= _stretches({name: places[name] for name in places if slides[name] == slide}, slide)
    ordered = {one.sample: of[one.sample] for one in pictures}
    patients = "one slide" if count == 1 else f"{count} slides"
    said = f"{patients}, cut into {len(set(of.values()))} stretches by the positions in the names"
    question = Question(
        "how well it does for other patients, as all tiles are of so few slides", "more slides"
    )
    comment = f"{said}: neighbouring tiles are alike"
    return Groups("block", ordered, said, comment, is_in_order=True, questions=(question,))


def _place(match: re.Match[str]) -> tuple[int, int]:
    column, row = (int(text) for text in match.groups() if text is not None)
    return column, row


def _stretches(places: Mapping[str, tuple[int, int]], slide: str) -> dict[str, str]:
    """Tiles of a slide in stretches along its longer side, cut where most glass lies between them.

    Example:
        >>> _stretches({"a": (0, 0), "b": (9, 0), "c": (1, 0), "d": (20, 0)}, "s")
        {'a': 's-0', 'c': 's-1', 'b': 's-2', 'd': 's-3'}
    """
    axis = max((0, 1), key=lambda one: len({place[one] for place in places.values()}))
    along = sorted({place[axis] for place in places.values()})
    cuts = sorted(pairwise(along), key=lambda pair: (pair[0] - pair[1], pair))[: 2 * FEWEST - 1]
    starts = sorted(after for _, after in cuts)
    ordered = sorted(places, key=lambda name: (places[name][axis], name))
    return {name: f"{slide}-{sum(places[name][axis] >= start for start in starts)}" for name in ordered}
