# SPDX-License-Identifier: MIT
"""What the headers of images say: sizes, channels, depth, pages, pixel size, and what kind of data it is."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from microtome.io import slides
from microtome.io.errors import ImageError
from microtome.study.headers import OUTLINES, header_of, reason, recalled
from microtome.study.modalities.cubes import is_envi, references_of
from microtome.study.new_slides import SCANNED
from microtome.study.newcomers import plain_name
from microtome.study.survey import words
from microtome.study.survey.folder import Listing, Note
from microtome.study.survey.pairs import Pairs

Kind = Literal["slides", "cubes", "stack", "mosaics", "tiles"]
LARGE = 8192
"""Pixels of a side from which on a colour picture of one level counts as a slide."""
RGB = 3
TIFFS = (".tif", ".tiff")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image, or a page of one, that is to be a row of the sheet.

    Attributes:
        path: The file.
        sample: Its name.
        height: Rows at the finest level.
        width: Columns.
        channels: Values of a pixel; of cubes bands.
        dtype: NumPy name of their type.
        format: As readers call it.
        mpp: µm per pixel as the file says, or None.
        page: Of a file of several pages.
        label: Its label, if it has one.
        is_slide: Whether it is a scan of several levels, or as large as one.
        more: Further cells of the sheet: paths of references of a cube.
        scale: Of a cube: stored value of a transmittance of 1, as the header says.
    """

    path: Path
    sample: str
    height: int
    width: int
    channels: int
    dtype: str
    format: str
    mpp: float | None = None
    page: int | None = None
    label: Path | None = None
    is_slide: bool = False
    more: Mapping[str, Path] | None = None
    scale: float | None = None

    @property
    def is_cube(self) -> bool:
        """Whether it is a cube of bands."""
        return is_envi(self.path.name)


def look_at(listing: Listing, pairs: Pairs) -> tuple[list[Picture], list[Note]]:
    """Read the headers of the images.

    Where there are cubes, pictures are no images of their own; of images, those count whose channels and type
    most have.

    Returns:
        The images, and what is left out, and why.

    Raises:
        ValueError: No image can be read.
    """
    cubes = [path for path in listing.images if is_envi(path.name)]
    left: list[Note] = []
    found = list(_cubes(cubes, listing, pairs, left)) if cubes else []
    pictures = tuple(path for path in listing.images if path not in cubes)
    if not found and pictures:
        left = [(path, why) for path, why in left if path in cubes]
        found, others = _alike(list(_images(replace(listing, images=pictures), pairs, left)))
        left += others
    if not found:
        told = "; ".join(f"{path.name}: {why}" for path, why in left[:3])
        msg = f"--images: found no image that can be read in '{listing.image_root}' ({told})"
        raise ValueError(msg)
    return found, left


def _images(listing: Listing, pairs: Pairs, left: list[Note]) -> Iterator[Picture]:
    names = _sample_names(listing.images, listing.image_root)
    belonging: set[Path] = set()
    for path in listing.images:
        if path in belonging:
            continue
        try:
            pictures = list(_pictures(path, names[path], pairs.label_of.get(path)))
        except (ImageError, OSError) as error:
            left.append((path, f"cannot be read ({reason(error, path.as_posix())})"))
            continue
        belonging |= {Path(file) for file in slides.data_files(path)} if pictures[0].is_slide else set()
        yield from _of_pages(pictures, left)


def _of_pages(pictures: Sequence[Picture], left: list[Note]) -> Iterator[Picture]:
    """The pages of a stack with those of its label; pages that it lacks have none."""
    label = pictures[0].label
    if pictures[0].page is None or label is None or label.suffix.lower() in OUTLINES:
        yield from pictures
        return
    header = header_of(label.as_posix())
    pages = header.pictures if header.is_stack else ()
    if not pages:
        left.append((label, f"a single page, where its image has {len(pictures)}"))
    yield from (one if one.page in pages else replace(one, label=None) for one in pictures)


def _pictures(path: Path, name: str, label: Path | None) -> Iterator[Picture]:
    """The pictures of a file: a slide, one picture, or the pages of a stack."""
    if path.suffix.lower() in SCANNED:
        yield _slide(path, name, label)
        return
    header = header_of(path.as_posix())
    is_colour_tiff = path.suffix.lower() in TIFFS and header.channels == RGB and header.dtype == "uint8"
    if is_colour_tiff and not header.is_stack:
        found = _slide(path, name, label)
        if found.is_slide:
            yield found
            return
    pages = header.pictures if header.is_stack else (None,)
    digits = len(str(len(pages) - 1))
    for page in pages:
        one = header if page is None else header.of_page(page)
        yield Picture(
            path=path,
            sample=name if page is None else f"{name}_{page:0{digits}d}",
            height=one.height,
            width=one.width,
            channels=one.channels,
            dtype=one.dtype,
            format=one.format,
            mpp=one.mpp,
            page=page,
            label=label,
        )


def _slide(path: Path, name: str, label: Path | None) -> Picture:
    found = recalled("slide", path.as_posix(), slides.header, slides.SlideHeader)
    size = found.bounds
    return Picture(
        path=path,
        sample=name,
        height=size.height,
        width=size.width,
        channels=found.channels,
        dtype=found.dtype,
        format=found.format,
        mpp=None if found.mpp is None else (found.mpp[0] * found.mpp[1]) ** 0.5,
        label=label,
        is_slide=len(found.levels) > 1 or max(found.shape) >= LARGE or path.suffix.lower() in SCANNED,
    )


def _cubes(cubes: Sequence[Path], listing: Listing, pairs: Pairs, left: list[Note]) -> Iterator[Picture]:
    """The cubes with their references, and the pictures of their names."""
    from microtome.io.envi_header import read_header

    names = _sample_names(cubes, listing.image_root)
    beside = {path.with_suffix(""): path for path in listing.images if not is_envi(path.name)}
    for path, references in references_of(cubes).items():
        picture = beside.pop(path.with_suffix(""), None)
        try:
            header = read_header(path)
        except (ImageError, ValueError, OSError) as error:
            left.append((path, f"cannot be read ({reason(error, path.as_posix())})"))
            continue
        yield Picture(
            path=path,
            sample=names[path],
            height=header.height,
            width=header.width,
            channels=header.bands - len(header.bad_bands),
            dtype=header.dtype.name,
            format="ENVI",
            label=pairs.label_of.get(path) or (pairs.label_of.get(picture) if picture else None),
            more={**references, **({"image": picture} if picture else {})},
            scale=header.scale,
        )
    left += [(path, "a picture beside cubes, of the name of none") for path in beside.values()]


def _alike(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Note]]:
    """Those of the channels and the type that most have; others cannot be of one study with them."""
    if not pictures:
        return [], []
    kinds = Counter((one.channels, one.dtype) for one in pictures)
    (channels, dtype), _ = kinds.most_common(1)[0]
    others = [one for one in pictures if (one.channels, one.dtype) != (channels, dtype)]
    expected = f"where most have {channels} of {dtype}"
    left = [(one.path, f"{one.channels} channels of {one.dtype}, {expected}") for one in others]
    kept = [one for one in pictures if (one.channels, one.dtype) == (channels, dtype)]
    return kept, list(dict.fromkeys(left))


def _sample_names(files: Sequence[Path], root: Path) -> dict[Path, str]:
    """A name of its own for each file: its own, where several have it with the folders before it."""
    plain = {path: plain_name(path.stem.removesuffix(".ome"), "image") for path in files}
    counts = Counter(name.casefold() for name in plain.values())
    found: dict[Path, str] = {}
    used = {name.casefold() for name in plain.values() if counts[name.casefold()] == 1}
    for path, name in plain.items():
        if counts[name.casefold()] > 1:
            name = plain_name("-".join((*words.place(words.inside(path, root)), name)), name)
            numbered = (name, *(f"{name}-{again}" for again in range(2, len(plain) + 2)))
            name = next(one for one in numbered if one.casefold() not in used)
            used.add(name.casefold())
        found[path] = name
    return found


def kind_of(
    pictures: Sequence[Picture], *, has_unlabelled: bool, is_series: Callable[[Sequence[Picture]], bool]
) -> Kind:
    """What kind of data images are.

    Args:
        pictures: The images.
        has_unlabelled: Whether labels leave pixels without one.
        is_series: Whether grey images follow one another, as slices do; asked only where names and sizes
            would fit.
    """
    if pictures[0].is_cube:
        return "cubes"
    outlined = all(one.label is None or one.label.suffix.lower() in OUTLINES for one in pictures)
    if outlined and sum(one.is_slide for one in pictures) * 2 > len(pictures):
        return "slides"
    if any(one.page is not None for one in pictures) or _may_be_series(pictures, is_series):
        return "stack"
    return "mosaics" if has_unlabelled else "tiles"


def _may_be_series(pictures: Sequence[Picture], is_series: Callable[[Sequence[Picture]], bool]) -> bool:
    """Grey images of one size that are numbered without gaps."""
    sizes = {(one.height, one.width, one.channels) for one in pictures}
    numbers = [int(digits) for one in pictures if (digits := "".join(filter(str.isdigit, one.sample)))]
    is_numbered = len(numbers) == len(pictures) > 3 and sorted(numbers) == list(
        range(min(numbers), min(numbers) + len(numbers))
    )
    return len(sizes) == 1 and pictures[0].channels == 1 and is_numbered and is_series(pictures)
