# SPDX-License-Identifier: MIT
"""Words in the names of files and folders that say what they hold, and names without them."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePath

LABEL_WORDS = frozenset(
    {"label", "labels", "mask", "masks", "annotation", "annotations", "gt", "groundtruth", "truth", "seg"}
    | {"segmentation", "segmentations", "target", "targets", "outlines", "geojson", "xml", "manual"}
    | {"anno", "annot", "lbl", "msk", "labelstr", "labelsts"}
)
"""In the name of a label, or of a folder of labels."""
IMAGE_WORDS = frozenset(
    {"image", "images", "img", "imgs", "raw", "orig", "original", "picture", "pictures", "tissue"}
    | {"slide", "slides", "scan", "scans", "tile", "tiles", "imagestr", "imagests"}
)
"""In the name of an image, or of a folder of images."""
FILLERS = frozenset({"ground", "instance", "instances"})
"""Before a word of labels: `ground_truth`, `instance_labels`."""
PARTS: Mapping[str, str] = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
"""In the name of a folder, or at the beginning of a file's: the part of a split that images are in."""
SEPARATORS = re.compile(r"[_\-. ]+")


def tokens(name: str) -> list[str]:
    """The parts of a name, in small letters; accents are written in one way, whatever a file system does.

    Example:
        >>> tokens("Tissue Images-01_mask")
        ['tissue', 'images', '01', 'mask']
    """
    return [token for token in SEPARATORS.split(unicodedata.normalize("NFC", name).lower()) if token]


def is_label_name(stem: str) -> bool:
    """Whether a file's name begins or ends with a word of labels.

    Example:
        >>> [is_label_name(stem) for stem in ("a_mask", "label-07", "masked_a", "07")]
        [True, True, False, False]
    """
    found = tokens(stem)
    return len(found) > 1 and bool({found[0], found[-1]} & LABEL_WORDS)


def is_label_folder(name: str) -> bool:
    """Whether a folder's name has a word of labels and none of images.

    Example:
        >>> [is_label_folder(name) for name in ("train_labels", "Ground Truth", "images", "label images")]
        [True, True, False, False]
    """
    found = set(tokens(name))
    return bool(found & LABEL_WORDS) and not found & IMAGE_WORDS


def bare(name: str) -> str:
    """A name without words of images and labels; the name itself where nothing else is left.

    Example:
        >>> bare("img_07"), bare("07_mask"), bare("Ground_Truth"), bare("TCGA-18-5592")
        ('07', '07', 'ground_truth', 'tcga_18_5592')
    """
    found = tokens(name)
    rest = [token for token in found if token not in LABEL_WORDS | IMAGE_WORDS | FILLERS]
    return "_".join(rest or found)


def place(folders: Iterable[str]) -> tuple[str, ...]:
    """Folders without those that only say that images, or labels, are in them.

    Example:
        >>> place(["train", "images"]) == place(["train", "labels"]) == ("train",)
        True
    """
    known = LABEL_WORDS | IMAGE_WORDS | FILLERS
    return tuple(bare(name) for name in folders if set(tokens(name)) - known)


def inside(path: PurePath, root: PurePath) -> tuple[str, ...]:
    """The folders between a folder and a file.

    Example:
        >>> inside(PurePath("/a/train/images/1.png"), PurePath("/a"))
        ('train', 'images')
    """
    return path.relative_to(root).parts[:-1]
