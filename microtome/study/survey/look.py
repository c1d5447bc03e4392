# SPDX-License-Identifier: MIT
"""Look at a folder: which images there are, of what kind, with which labels, and what belongs together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from microtome.study.headers import data_files
from microtome.study.survey import labels as label_contents
from microtome.study.survey import pictures as picture_headers
from microtome.study.survey.folder import Listing, Note, sort_out
from microtome.study.survey.groups import Groups, find_groups
from microtome.study.survey.labels import Labels
from microtome.study.survey.pairs import pair
from microtome.study.survey.pictures import Kind, Picture
from microtome.study.survey.series import neighbours_are_alike


@dataclass(frozen=True)
class Looked:
    """What a folder holds.

    Attributes:
        listing: Its files.
        kind: What the images are.
        pictures: The images that are to be in the sheet: those with a label, where any has one.
        unlabelled: How many have none and are left out.
        labels: What labels hold.
        groups: What belongs together.
        left_out: Files that are not used, and why.
        boxes: Of slides: sample to its file of boxes of sections.
        mixed: Of slides: samples with sections of several classes.
    """

    listing: Listing
    kind: Kind
    pictures: tuple[Picture, ...]
    unlabelled: int
    labels: Labels
    groups: Groups
    left_out: tuple[Note, ...] = ()
    boxes: Mapping[str, Path] = field(default_factory=dict)
    mixed: frozenset[str] = frozenset()

    @property
    def is_labelled(self) -> bool:
        """Whether there is anything to learn from."""
        return self.labels.form != "none"


def look(images: Path, labels: Path | None = None) -> Looked:
    """Look at images and labels.

    Args:
        images: Folder of the images, and of the labels where they have no folder of their own.
        labels: Folder of the labels, if they have one.

    Raises:
        ValueError: There is no image, or labels are of none or cannot be labels; says what was found.
    """
    listing = sort_out(images, labels)
    pairs = pair(listing)
    every, left = picture_headers.look_at(listing, pairs)
    labelled = [one for one in every if one.label is not None]
    if labels is not None and not labelled:
        msg = f"--labels: found no label of an image in '{labels}' ({_first_names(listing)}); "
        msg += "expected one for each image, such as a.png and a_mask.png, or masks/a.png"
        raise ValueError(msg)
    kept = labelled or every
    seen = label_contents.look_into(
        [(one.label, one.page) for one in labelled], are_regions=_are_slides(kept)
    )
    kind = picture_headers.kind_of(kept, has_unlabelled=bool(seen.ignore), is_series=neighbours_are_alike)
    notes = [*listing.left_out, *pairs.left_out, *left]
    notes += _without_label([one for one in every if one.label is None] if labelled else [])
    used = {path for one in every for path in (one.path, *(one.more or {}).values())}
    belonging = {file for path in used for file in data_files(path)}
    notes = [note for note in notes if note[0] not in belonging]
    groups = find_groups(kept, kind, listing.image_root)
    return Looked(listing, kind, tuple(kept), len(every) - len(kept), seen, groups, tuple(notes))


def _first_names(listing: Listing) -> str:
    """The first image and the first label, of several."""
    there = (
        f"{len(listing.labels)} files, {listing.labels[0].name}, …"
        if listing.labels
        else "nothing that could be one"
    )
    return f"{there}; images are {listing.images[0].name}, …"


def _without_label(pictures: Sequence[Picture]) -> list[Note]:
    """Files, or pages of files, that have no label where others have one."""
    counts = Counter(one.path for one in pictures)
    is_page = {one.path: one.page is not None for one in pictures}
    pages = {path: f"{count} page{'s' * (count > 1)} " * is_page[path] for path, count in counts.items()}
    return [(path, f"{pages[path]}without a label") for path in counts]


def with_boxes(looked: Looked, boxes: Mapping[str, Path], mixed: Sequence[str]) -> Looked:
    """The same with boxes of the sections of its slides."""
    return replace(looked, boxes=boxes, mixed=frozenset(mixed))


def _are_slides(pictures: Sequence[Picture]) -> bool:
    return sum(one.is_slide for one in pictures) * 2 > len(pictures)
