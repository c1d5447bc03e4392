# SPDX-License-Identifier: MIT
"""The sample sheet: one row per image, read and checked before anything runs."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from microtome.config.base import ConfigurationError, Fault, nearest, raise_faults
from microtome.config.study import Data, EMPhantomData
from microtome.images import ImageError, header

REQUIRED = ("sample", "image")
GROUPS = ("patient", "block", "volume")
OPTIONAL = ("group", "part", "label", "page", "mpp")
COLUMNS = (*REQUIRED, *GROUPS, *OPTIONAL)
PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Sample:
    """One image of a study.

    Attributes:
        sample: Its unique name, used in file names.
        image: The image file.
        label: The label file; None where there is none.
        unit: What must stay in one part of a split (a patient, a block of slices).
        group: What a split balances (an organ, a clinic); may be empty.
        part: `train`, `val`, `test`, or empty where the split decides.
        page: Page of a multi-page TIFF, from 0.
        mpp: Micrometres per pixel, where the file does not say.
        row: Line of the sheet, the header being line 1.
    """

    sample: str
    image: str
    label: str | None = None
    unit: str = ""
    group: str = ""
    part: str = ""
    page: int = 0
    mpp: float | None = None
    row: int = field(default=0, compare=False)


def read_sheet(path: Path, data: Data) -> list[Sample]:
    """Read a sample sheet and check each row, without opening an image.

    Args:
        path: A TSV file with a header.
        data: What the study says of its data.

    Returns:
        One sample a row, with paths as the sheet gives them.

    Raises:
        ConfigurationError: With every fault of every row.
    """
    if not path.is_file():
        raise ConfigurationError([Fault(str(path), "no such file", "a sample sheet (TSV) there")])
    with path.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream, delimiter="\t")
        raise_faults(_check_columns(path, reader.fieldnames or [], data.group_by))
        rows = [
            (number, row)
            for number, row in enumerate(reader, 2)
            if any((v or "").strip() for v in _cells(row))
        ]
    if not rows:
        raise ConfigurationError([Fault(str(path), "no rows below the header", "one row for each image")])
    faults: list[Fault] = []
    samples = [_sample(path, number, row, data, faults) for number, row in rows]
    faults += _check_names(path, samples)
    raise_faults(faults)
    return samples


def _cells(row: dict[str, str | None]) -> Iterator[str | None]:
    for value in row.values():
        yield value if not isinstance(value, list) else " ".join(value)


def _check_columns(path: Path, names: Iterable[str], group_by: str) -> list[Fault]:
    names = list(names)
    if not names:
        return [Fault(str(path), "an empty file", f"a header with the columns {', '.join(COLUMNS)}")]
    wanted = {*REQUIRED, *([group_by] if group_by != "sample" else [])}
    here = f"{path}:1"
    faults = [
        Fault(f"{here} {name}", "no such column", "it; separate columns with tabs")
        for name in sorted(wanted - set(names))
    ]
    faults += [
        Fault(here, f"unknown column '{name}'", nearest(name, COLUMNS))
        for name in names
        if name not in COLUMNS
    ]
    return faults


def _sample(path: Path, number: int, row: dict[str, str | None], data: Data, faults: list[Fault]) -> Sample:
    """Turn one row into a sample, adding what is wrong with it to `faults`."""
    cell = {
        key: (value or "").strip()
        for key, value in row.items()
        if isinstance(key, str) and not isinstance(value, list)
    }
    where = f"{path}:{number}"
    name = cell.get("sample", "")
    if (
        not name
        or not name.replace("-", "").replace("_", "").replace(".", "").isalnum()
        or name.startswith(".")
    ):
        faults.append(Fault(f"{where} sample", repr(name), "a name of letters, digits, '-', '_' and '.'"))
    if not cell.get("image"):
        faults.append(Fault(f"{where} image", "nothing", "the path of the image"))
    if cell.get("part", "") not in ("", *PARTS):
        faults.append(Fault(f"{where} part", repr(cell["part"]), "train, val, test, or nothing"))
    unit = name if data.group_by == "sample" else cell.get(data.group_by, "")
    if not unit:
        faults.append(
            Fault(f"{where} {data.group_by}", "nothing", f"the {data.group_by} this image comes from")
        )
    page = _number(cell.get("page") or "0", int, f"{where} page", "a page number, from 0", faults)
    mpp = (
        _number(cell["mpp"], float, f"{where} mpp", "micrometres per pixel, above 0", faults)
        if cell.get("mpp")
        else data.mpp
    )
    return Sample(
        name,
        cell.get("image", ""),
        cell.get("label") or None,
        unit,
        cell.get("group", ""),
        cell.get("part", ""),
        page or 0,
        mpp,
        number,
    )


def _number(text: str, kind: type, where: str, expected: str, faults: list[Fault]) -> float | int | None:
    """Read a number that is not negative; a float must be above 0."""
    try:
        value = kind(text)
    except ValueError:
        value = -1
    if value < 0 or (kind is float and not 0 < value < float("inf")):
        faults.append(Fault(where, repr(text), expected))
        return None
    return value


def _check_names(path: Path, samples: list[Sample]) -> list[Fault]:
    faults = []
    seen: dict[str, int] = {}
    places: dict[tuple[str, int], int] = {}
    for sample in samples:
        if sample.sample in seen:
            first = seen[sample.sample]
            faults.append(
                Fault(
                    f"{path}:{sample.row} sample",
                    f"'{sample.sample}', also in row {first}",
                    "a name of its own",
                )
            )
        seen.setdefault(sample.sample, sample.row)
        place = (sample.image, sample.page)
        if sample.image and place in places:
            found = f"'{sample.image}' (page {sample.page}), also in row {places[place]}"
            faults.append(Fault(f"{path}:{sample.row} image", found, "each image once"))
        places.setdefault(place, sample.row)
    return faults


def phantom_sheet(phantom: EMPhantomData) -> list[Sample]:
    """The sheet of a phantom: slices in order, parts in order, blocks of neighbours.

    Example:
        >>> [s.part for s in phantom_sheet(EMPhantomData(slices={"train": 2, "test": 1}))]
        ['train', 'train', 'test']
    """
    parts = [part for part in PARTS for _ in range(phantom.slices.get(part, 0))]
    starts = {part: parts.index(part) for part in set(parts)}
    return [
        Sample(
            f"slice-{number:03d}",
            f"images/{number:03d}.tif",
            f"labels/{number:03d}.tif",
            f"{part}-block-{(number - starts[part]) // phantom.block}",
            "phantom",
            part,
        )
        for number, part in enumerate(parts)
    ]


def resolve(samples: Iterable[Sample], root: Path) -> list[Sample]:
    """Make the paths of a sheet start from `root`; absolute paths stay."""
    return [
        replace(s, image=(root / s.image).as_posix(), label=(root / s.label).as_posix() if s.label else None)
        for s in samples
    ]


def check_files(samples: Iterable[Sample], sheet: Path, data: Data) -> list[Fault]:
    """Compare what the headers of the files say with the study and with one another.

    Args:
        samples: Samples with resolved paths.
        sheet: The sheet, for messages.
        data: What the study says of its data.

    Returns:
        A fault for each file that is absent, unreadable, of another size or with other channels.
    """
    return [fault for sample in samples for fault in _check_sample(sample, f"{sheet}:{sample.row}", data)]


def _check_sample(sample: Sample, where: str, data: Data) -> Iterator[Fault]:
    found = {}
    for column, path in (("image", sample.image), ("label", sample.label)):
        if path is None:
            continue
        try:
            found[column] = header(Path(path))
        except (ImageError, FileNotFoundError) as error:
            missing = isinstance(error, FileNotFoundError) or not Path(path).exists()
            text = f"'{path}', which does not exist" if missing else str(error)
            yield Fault(f"{where} {column}", text, "a readable image; correct the path or restore the file")
            continue
        if sample.page >= found[column].pages:
            yield Fault(
                f"{where} page", f"{sample.page}", f"below {found[column].pages}, the pages of '{path}'"
            )
    if "image" in found and found["image"].channels != data.channels:
        count = found["image"].channels
        yield Fault(
            f"{where} image",
            f"{count} channels in '{sample.image}'",
            f"data.channels = {data.channels}; convert the image or change the study",
        )
    if len(found) == 2 and (found["image"].height, found["image"].width) != (
        found["label"].height,
        found["label"].width,
    ):
        sizes = [f"{h.height} x {h.width}" for h in (found["image"], found["label"])]
        yield Fault(f"{where} label", f"a label of {sizes[1]} pixels", f"{sizes[0]}, the size of its image")


def check_parts(parts: dict[str, str], samples: Iterable[Sample], sheet: Path, column: str) -> list[Fault]:
    """Refuse a unit (patient, block, volume) that sits in two parts.

    Args:
        parts: Part of each sample.
        samples: The samples.
        sheet: For messages.
        column: The name of the unit, for messages.
    """
    first: dict[str, Sample] = {}
    faults = []
    for sample in samples:
        other = first.setdefault(sample.unit, sample)
        if parts[sample.sample] != parts[other.sample]:
            found = f"{column} '{sample.unit}' in {parts[sample.sample]}, but in {parts[other.sample]} in row {other.row}"
            faults.append(
                Fault(
                    f"{sheet}:{sample.row} part",
                    found,
                    f"each {column} in one part only, or scores are optimistic",
                )
            )
    return faults


def as_rows(samples: Iterable[Sample]) -> list[dict[str, object]]:
    """The samples as plain rows, for a table or a digest."""
    return [{key: value for key, value in asdict(sample).items() if key != "row"} for sample in samples]


def count_parts(parts: dict[str, str]) -> dict[str, int]:
    """How many samples each part has."""
    return dict(Counter(parts.values()))
