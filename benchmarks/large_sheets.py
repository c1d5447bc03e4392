# SPDX-License-Identifier: MIT
"""Sample sheets of any size, and of the sizes that the papers tell, to plan and to try large studies.

A generated sheet obeys what a real one must: every unit (patient, block) is in one part, names are unique,
and columns are those that the study's kind of data needs. Equal options give the same sheet.
"""

import csv
import io
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from microtome.study.sample import PARTS

Row = dict[str, str]
DIGITS = 5


@dataclass(frozen=True)
class Cohort:
    """Images of one part and one group.

    Attributes:
        part: `train`, `val` or `test`.
        group: Organ, clinic, stack; empty where there is none, or where images differ within a unit.
        images: Number of images.
        units: Number of patients or blocks that they come from, at most `images`.
    """

    part: str
    group: str
    images: int
    units: int


@dataclass(frozen=True)
class Form:
    """What the sheets of a study look like, and how many images its paper has.

    Attributes:
        published: The numbers of the paper.
        unit: Column of what stays in one part.
        channels: Channels of an image.
        mpp: Micrometres per pixel; None: no such column.
        cubes: Whether there are hyperspectral cubes with their references.
        mixed: Groups that differ within a unit (magnifications), with their shares.
    """

    published: tuple[Cohort, ...]
    unit: str = "patient"
    channels: int = 3
    mpp: float | None = None
    cubes: bool = False
    mixed: Mapping[str, float] = field(default_factory=dict)


def _nuclei() -> tuple[Cohort, ...]:
    """MoNuSeg 2018, Table I: 30 images and 14, one a patient; a tenth of the 30 validates."""
    train = {"breast": 5, "liver": 5, "kidney": 5, "prostate": 6, "bladder": 2, "colon": 2, "stomach": 2}
    val = {"breast": 1, "liver": 1, "kidney": 1}
    test = {"breast": 2, "kidney": 3, "prostate": 2, "bladder": 2, "colon": 1, "lung": 2, "brain": 2}
    parts = {"train": train, "val": val, "test": test}
    return tuple(Cohort(part, organ, n, n) for part, organs in parts.items() for organ, n in organs.items())


FORMS: Mapping[str, Form] = {
    # 125 patients in 85, 20 and 20; 4760, 1116 and 1120 patches of 16 an image are 3.5 images a patient.
    "melanoma": Form(
        (Cohort("train", "", 298, 85), Cohort("val", "", 70, 20), Cohort("test", "", 70, 20)),
        cubes=True,
        mixed={"20x": 0.62, "10x": 0.38},
    ),
    # 650 slides; both validation sets are one part here. The number of patients is not told: one a slide.
    "bcc": Form(
        (Cohort("train", "", 85, 85), Cohort("val", "", 244, 244), Cohort("test", "", 321, 321)), mpp=0.46
    ),
    # 117 mosaics, clinics of Europe against those of the US; patients are not told: one a mosaic.
    "rcm": Form(
        (
            Cohort("train", "europe-0", 38, 38),
            Cohort("train", "europe-1", 37, 37),
            Cohort("val", "europe-0", 5, 5),
            Cohort("val", "europe-1", 6, 6),
            *(Cohort("test", f"us-{number}", n, n) for number, n in enumerate((8, 8, 8, 7))),
        ),
        channels=1,
        mpp=0.5,
    ),
    "nuclei": Form(_nuclei(), mpp=0.25),
    # 30 slices of one stack in 24, 3 and 3. Neighbours stay together here; the paper permutes single slices.
    "membranes": Form(
        (Cohort("train", "vnc", 24, 8), Cohort("val", "vnc", 3, 1), Cohort("test", "vnc", 3, 1)),
        unit="block",
        channels=1,
    ),
}


def published_shares(form: Form) -> dict[str, float]:
    """Number of the paper's images in each part.

    Example:
        >>> published_shares(FORMS["membranes"])
        {'train': 24, 'val': 3, 'test': 3}
    """
    return {part: sum(c.images for c in form.published if c.part == part) for part in PARTS}


def plan_cohorts(
    form: Form, *, images: int, units: int | None = None, shares: Mapping[str, float] | None = None
) -> list[Cohort]:
    """Divide a number of images among parts and groups.

    Args:
        form: Its groups are kept in the paper's proportions.
        images: Number of images in all.
        units: Number of patients or blocks; None: as many images a unit as in the paper.
        shares: Share of each part, of units and of images; they need not add up to 1. None: the paper's.

    Raises:
        ValueError: A part would have no unit, or there are fewer images than units.

    Example:
        >>> [(c.part, c.images, c.units) for c in plan_cohorts(FORMS["membranes"], images=100, units=10)]
        [('train', 80, 8), ('val', 10, 1), ('test', 10, 1)]
    """
    shares = shares if shares is not None else published_shares(form)
    _check_shares(shares)
    if units is None:
        whole = sum(c.images for c in form.published)
        units = min(images, max(len(PARTS), round(images * sum(c.units for c in form.published) / whole)))
    if not len(PARTS) <= units <= images:
        msg = (
            f"found {images} images of {units} {form.unit}s, expected a {form.unit} or more for each of the "
            f"{len(PARTS)} parts, and no more {form.unit}s than images"
        )
        raise ValueError(msg)
    cohorts: list[Cohort] = []
    parts = list(PARTS)
    weights = [shares[part] for part in parts]
    of_part = at_least_one(apportion(units, weights))
    extra = apportion(images - units, weights)
    for part, count, more in zip(parts, of_part, extra, strict=True):
        groups = _group_shares(form, part)
        divided = apportion(count, list(groups.values()))
        further = apportion(more, divided)
        cohorts += [
            Cohort(part, group, n + m, n) for group, n, m in zip(groups, divided, further, strict=True) if n
        ]
    return cohorts


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to weights, adding up to `total`; largest remainders are rounded up.

    Example:
        >>> apportion(10, [2, 1, 1])
        [5, 3, 2]
    """
    quotas = [total * weight / sum(weights) for weight in weights]
    found = [int(quota) for quota in quotas]
    order = sorted(range(len(weights)), key=lambda place: (found[place] - quotas[place], place))
    for place in order[: total - sum(found)]:
        found[place] += 1
    return found


def at_least_one(counts: Sequence[int]) -> list[int]:
    """Give one to whom has none, taken from the largest.

    Example:
        >>> at_least_one([5, 0, 2])
        [4, 1, 2]
    """
    found = [max(1, count) for count in counts]
    found[found.index(max(found))] -= sum(found) - sum(counts)
    return found


def sheet_rows(form: Form, cohorts: Sequence[Cohort], *, study: str, seed: int = 0) -> list[Row]:
    """The rows of a sheet.

    Args:
        form: Kind of data.
        cohorts: How many images of which part and group; every unit is in one cohort.
        study: Names begin with it.
        seed: Decides how many images a unit has beyond one.

    Returns:
        Column to cell, one row an image.

    Example:
        >>> rows = sheet_rows(FORMS["nuclei"], FORMS["nuclei"].published, study="nuclei")
        >>> len(rows), rows[0]["patient"], rows[0]["group"], rows[0]["image"]
        (44, 'patient-00000', 'breast', 'images/nuclei-00000.tif')
    """
    rng = random.Random(seed)
    rows: list[Row] = []
    units = 0
    for cohort in cohorts:
        groups = _groups_of_images(form, cohort, rng)
        for size in _unit_sizes(cohort, rng):
            unit = f"{form.unit}-{units:0{DIGITS}}"
            units += 1
            for _ in range(size):
                rows.append(_row(form, f"{study}-{len(rows):0{DIGITS}}", unit, next(groups), cohort.part))
    return rows


def sheet_text(rows: Sequence[Row]) -> str:
    r"""A sheet as tab-separated text.

    Example:
        >>> sheet_text([{"sample": "a", "image": "a.tif"}])
        'sample\timage\na\ta.tif\n'
    """
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _row(form: Form, sample: str, unit: str, group: str, part: str) -> Row:
    """One row; references belong to a unit and a group, as they are recorded once a session."""
    files = {"image": f"images/{sample}.tif", "label": f"labels/{sample}.tif"}
    session = f"{unit}-{group}" if group else unit
    cubes = {name: f"{name}/{session}.hdr" for name in ("dark", "blank")}
    return {
        **{"sample": sample, form.unit: unit, "group": group, "part": part},
        **files,
        **({"mpp": str(form.mpp)} if form.mpp else {}),
        **({"cube": f"cubes/{sample}.hdr", **cubes} if form.cubes else {}),
    }


def _unit_sizes(cohort: Cohort, rng: random.Random) -> list[int]:
    """Images of each unit: one, and the others at random."""
    further = Counter(rng.choices(range(cohort.units), k=cohort.images - cohort.units))
    return [1 + further[unit] for unit in range(cohort.units)]


def _groups_of_images(form: Form, cohort: Cohort, rng: random.Random) -> Iterator[str]:
    """The group of each image of a cohort."""
    if not form.mixed:
        return iter([cohort.group] * cohort.images)
    counts = apportion(cohort.images, list(form.mixed.values()))
    names = [name for name, count in zip(form.mixed, counts, strict=True) for _ in range(count)]
    return iter(rng.sample(names, len(names)))


def _group_shares(form: Form, part: str) -> dict[str, float]:
    """The paper's units in each group of a part."""
    return {c.group: c.units for c in form.published if c.part == part}


def _check_shares(shares: Mapping[str, float]) -> None:
    wrong = set(shares) != set(PARTS) or not all(0 < share < float("inf") for share in shares.values())
    if wrong:
        found = ", ".join(f"{part}={share}" for part, share in shares.items()) or "nothing"
        msg = f"found the shares {found}, expected a number above 0 for each of {', '.join(PARTS)}"
        raise ValueError(msg)
