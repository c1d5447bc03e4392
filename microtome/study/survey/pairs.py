# SPDX-License-Identifier: MIT
"""Which label belongs to which image, by names and folders."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from microtome.study.survey import words
from microtome.study.survey.folder import Listing, Note

ENDINGS = (".png", ".tif", ".tiff", ".bmp", ".nrrd", ".nhdr", ".mat", ".xml", ".geojson", ".json")
"""Of several labels of one image, the first is taken."""
Key = tuple[tuple[str, ...], str]
T = TypeVar("T")


@dataclass(frozen=True)
class Pairs:
    """Images with their labels.

    Attributes:
        label_of: Image to its label.
        left_out: Labels of no image, and why.
    """

    label_of: Mapping[Path, Path]
    left_out: tuple[Note, ...] = ()


def pair(listing: Listing) -> Pairs:
    """Find the label of each image.

    A label has the name of its image, words such as `mask` aside, in the corresponding folder
    (`train/images`, `train/labels`); else words such as `img` aside, too; else the only such name of all;
    else the only name that goes on from that of the image (`a` and `a_cells`), or that the name of the image
    goes on from (`a_0000` and `a`); but `a_2` is another image than `a`.

    Example:
        >>> root = Path("/d")
        >>> images = (root / "images/img_1.png", root / "images/img_2.png")
        >>> found = pair(Listing(images, (root / "masks/1_mask.png",), root, root))
        >>> {image.name: label.name for image, label in found.label_of.items()}
        {'img_1.png': '1_mask.png'}
    """
    images = {path: _key(path, listing.image_root) for path in listing.images}
    labels = {path: _key(path, listing.label_root) for path in sorted(listing.labels, key=_rank)}
    found = _of_same_name(listing)
    for match in (_in_one_place, _of_one_name, _of_longer_name, _of_shorter_name):
        taken = set(found.values())
        rest = {image: key for image, key in images.items() if image not in found}
        found |= match(rest, {label: key for label, key in labels.items() if label not in taken})
    taken, names = set(found.values()), {images[image][1] for image in found}
    left = [(path, _why(labels[path], names)) for path in listing.labels if path not in taken]
    return Pairs({image: found[image] for image in listing.images if image in found}, tuple(left))


def _key(path: Path, root: Path) -> Key:
    return words.place(words.inside(path, root)), words.bare(path.stem.removesuffix(".ome"))


def _rank(path: Path) -> tuple[int, Path]:
    ending = path.suffix.lower()
    return ENDINGS.index(ending) if ending in ENDINGS else len(ENDINGS), path


def _why(key: Key, names: Collection[str]) -> str:
    return "a further label of its image" if key[1] in names else "a label of no image, by its name"


def _grouped(keys: Mapping[Path, T]) -> dict[T, list[Path]]:
    """The files of each key, in order."""
    groups: dict[T, list[Path]] = {}
    for path, key in keys.items():
        groups.setdefault(key, []).append(path)
    return groups


def _of_same_name(listing: Listing) -> dict[Path, Path]:
    """Images and labels of one name, words of images with it (`scan_1`), in corresponding folders."""
    images = _grouped({path: _whole_key(path, listing.image_root) for path in listing.images})
    ranked = sorted(listing.labels, key=_rank)
    labels = _grouped({path: _whole_key(path, listing.label_root, words.LABEL_WORDS) for path in ranked})
    return {files[0]: labels[key][0] for key, files in images.items() if key in labels}


def _whole_key(path: Path, root: Path, without: Collection[str] = ()) -> Key:
    found = words.tokens(path.stem.removesuffix(".ome"))
    rest = [token for token in found if token not in without]
    rest = [token for token in rest if token not in words.FILLERS] if len(rest) < len(found) else rest
    return words.place(words.inside(path, root)), "_".join(rest)


def _in_one_place(images: Mapping[Path, Key], labels: Mapping[Path, Key]) -> dict[Path, Path]:
    """Images and labels of one name in corresponding folders, where it is that of one image."""
    there = _grouped(labels)
    return {
        files[0]: there[key][0]
        for key, files in _grouped(images).items()
        if key in there and len({path.stem.casefold() for path in files}) == 1
    }


def _of_one_name(images: Mapping[Path, Key], labels: Mapping[Path, Key]) -> dict[Path, Path]:
    """Names that one image has, and labels of one folder."""
    there = _grouped({path: name for path, (_, name) in labels.items()})
    alone = {name: files[0] for name, files in _grouped(_names(images)).items() if len(files) == 1}
    return {
        image: there[name][0]
        for name, image in alone.items()
        if len({label.parent for label in there.get(name, ())}) == 1
    }


def _of_longer_name(images: Mapping[Path, Key], labels: Mapping[Path, Key]) -> dict[Path, Path]:
    """The only label whose name goes on from that of an image, whose name no other image goes on from."""
    return dict(_going_on(_names(images), _names(labels)))


def _of_shorter_name(images: Mapping[Path, Key], labels: Mapping[Path, Key]) -> dict[Path, Path]:
    """The only label from whose name that of a single image goes on."""
    return {image: label for label, image in _going_on(_names(labels), _names(images))}


def _going_on(shorter: Mapping[Path, str], longer: Mapping[Path, str]) -> Iterator[tuple[Path, Path]]:
    """Files of a name from which one file of the others goes on, and this file."""
    names, there = _grouped(shorter), _grouped(longer)
    goes_on, going_on = _beginnings(names), _beginnings(there)
    for name, files in names.items():
        found = going_on.get(name, ())
        if (
            len(files) == len(found) == 1
            and name not in goes_on
            and not _is_counted(found[0][len(name) + 1 :])
        ):
            yield files[0], there[found[0]][0]


def _is_counted(rest: str) -> bool:
    """Whether what a name goes on with is a number other than 0, so that it is that of another image."""
    return rest.isdigit() and int(rest) > 0


def _names(keys: Mapping[Path, Key]) -> dict[Path, str]:
    return {path: name for path, (_, name) in keys.items()}


def _beginnings(names: Collection[str]) -> dict[str, list[str]]:
    """Each beginning of a name, at the end of a word, to the names that go on from it.

    Example:
        >>> _beginnings(["a_1_cells"])
        {'a': ['a_1_cells'], 'a_1': ['a_1_cells']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("_")
        for count in range(1, len(parts)):
            found.setdefault("_".join(parts[:count]), []).append(name)
    return found
