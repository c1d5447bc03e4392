# SPDX-License-Identifier: MIT
"""The sample sheet of the mosaic phantom: clinic, patient, and how many pixels of each pattern a mosaic has.

The numbers of pixels are drawn here, and the simulator lays mosaics out to them, so that the balance of a
split is known before anything is simulated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from microtome.config.phantoms.mosaics import MosaicPhantomData
from microtome.phantoms._rows import PARTS, Row

CLASSES = ("background", "artifact", "meshwork", "nest", "ring", "aspecific")
"""Patterns in the order of their values in label files."""
UNLABELLED = 7
"""Value of pixels that readers left out."""
BACKGROUND, ARTIFACT, MESHWORK, NEST, RING, ASPECIFIC = range(len(CLASSES))
SUFFIXES = {"png": "png", "tiff": "tif", "nrrd": "nrrd", "mat": "mat"}
Shares = tuple[float, ...]
THEMES: tuple[Shares, ...] = (
    (0.17, 0.19, 0.09, 0.12, 0.43, 0.00),
    (0.17, 0.19, 0.31, 0.00, 0.12, 0.21),
    (0.17, 0.19, 0.27, 0.00, 0.37, 0.00),
    (0.17, 0.19, 0.14, 0.08, 0.22, 0.20),
)
"""Shares of the patterns in mosaics, in turn. Together they are those of Kose et al. 2021, Table 1, and any
two that follow each other have all patterns."""
US_FACTORS: Shares = (0.76, 0.95, 0.85, 1.0, 1.43, 0.70)
"""By how much more or less frequent patterns are in the clinics of the US, likewise."""
SPREAD = 0.25
"""Of the logarithm of a pattern's share in a mosaic."""
CLARITY_SPREAD = 0.3
"""Of the logarithm of how much of a pattern is labelled, beside other patterns, for each share left out."""
LABELLED_SPREAD = 0.14
"""How much more or less of a mosaic is labelled than of all, at most, as a share of that."""
EIGHTHS = (8, 7)
"""Width of mosaics in eighths of their height, in turn."""


@dataclass(frozen=True)
class Mosaic:
    """One mosaic of the options."""

    number: int  # its place in the phantom, from 0
    part: str  # `train`, `val` or `test` of scenario 2
    patient: int  # whose skin it is, from 0
    clinic: int  # where it was recorded: those of Europe first
    region: str  # `europe` or `us`
    site: int  # the clinic's place in its region, from 0
    shape: tuple[int, int]  # rows and columns
    pixels: tuple[int, ...]  # pixels of each pattern
    labelled: tuple[int, ...]  # pixels of each that are labelled
    format: str  # of the label file

    @property
    def sample(self) -> str:
        """Name of the mosaic in the sample sheet."""
        return f"mosaic-{self.number:03d}"

    @property
    def clinic_name(self) -> str:
        """Name of the clinic in the sample sheet."""
        return f"{self.region}-{self.site + 1}"

    @property
    def patient_name(self) -> str:
        """Name of the patient in the sample sheet."""
        return f"patient-{self.patient:03d}"

    @property
    def image(self) -> str:
        """Path of the image below the phantom's folder."""
        return f"images/{self.number:03d}.tif"

    @property
    def label(self) -> str:
        """Path of what readers labelled."""
        return f"labels/{self.number:03d}.{SUFFIXES[self.format]}"

    @property
    def full(self) -> str:
        """Path of the truth of every pixel."""
        return f"full/{self.number:03d}.png"


def rows(options: MosaicPhantomData) -> list[Row]:
    """Mosaics in order, parts of scenario 2 in order.

    Example:
        >>> row = rows(MosaicPhantomData(mosaics={"train": 1, "test": 1}))[1]
        >>> row["group"], row["scenario_2"], row["label"]
        ('us-1', 'test', 'labels/001.tif')
    """
    return [
        {
            "sample": mosaic.sample,
            "image": mosaic.image,
            "label": mosaic.label,
            "unit": mosaic.patient_name,
            "group": mosaic.clinic_name,
            "part": mosaic.part,
            "mpp": options.mpp,
            "full": mosaic.full,
            "scenario_2": mosaic.part,
            **{f"pixels_{name}": count for name, count in zip(CLASSES, mosaic.labelled, strict=True)},
        }
        for mosaic in mosaics(options)
    ]


def mosaics(options: MosaicPhantomData) -> list[Mosaic]:
    """Which clinic, patient and patterns each mosaic of the phantom has.

    Training and validation come from the clinics of Europe, tests from those of the US, patient by patient in
    turn; a patient is in one part, and of one clinic.

    Example:
        >>> found = mosaics(MosaicPhantomData(mosaics={"train": 4, "test": 4}))
        >>> [mosaic.clinic_name for mosaic in found[::2]]
        ['europe-1', 'europe-2', 'us-1', 'us-2']
    """
    made: list[Mosaic] = []
    turns, patient = {"europe": -1, "us": -1}, -1
    for part in PARTS:
        region = "us" if part == "test" else "europe"
        for place in range(options.mosaics.get(part, 0)):
            if place % options.of_patient == 0:
                patient, turns[region] = patient + 1, turns[region] + 1
            site = turns[region] % getattr(options, region)
            clinic = site + (options.europe if region == "us" else 0)
            made.append(_mosaic(options, len(made), place, (part, patient, clinic, region, site)))
    return made


def _mosaic(
    options: MosaicPhantomData, number: int, place: int, whose: tuple[str, int, int, str, int]
) -> Mosaic:
    """The mosaic with its numbers of pixels; `place` is its own in its part."""
    rng, height = Random(f"mosaic {options.seed} {number}"), options.size
    width = height * EIGHTHS[number % len(EIGHTHS)] // EIGHTHS[0]
    pixels = _pixels(THEMES[place % len(THEMES)], whose[3] == "us", height * width, rng)
    labelled = _labelled(pixels, _share(options, number), rng)
    chosen = options.formats[number % len(options.formats)]
    return Mosaic(number, *whose, shape=(height, width), pixels=pixels, labelled=labelled, format=chosen)


def _pixels(theme: Shares, is_us: bool, area: int, rng: Random) -> tuple[int, ...]:
    factors = US_FACTORS if is_us else (1.0,) * len(theme)
    weights = [
        share * factor * rng.lognormvariate(0, SPREAD) for share, factor in zip(theme, factors, strict=True)
    ]
    return apportion(weights, area)


def _labelled(pixels: Sequence[int], share: float, rng: Random) -> tuple[int, ...]:
    """How many pixels of each pattern are labelled, `share` of all together."""
    spread = CLARITY_SPREAD * (1 - share)
    weights = [count * rng.lognormvariate(0, spread) for count in pixels]
    wanted = apportion(weights, round(share * sum(pixels)))
    return tuple(min(count, most) for count, most in zip(wanted, pixels, strict=True))


def _share(options: MosaicPhantomData, number: int) -> float:
    """How much of a mosaic is labelled: of two in a row one has more, the other as much less."""
    spread = min(LABELLED_SPREAD, 1 / options.labelled - 1)
    more = Random(f"share {options.seed} {number // 2}").uniform(-spread, spread)
    return options.labelled * (1 + more if number % 2 == 0 else 1 - more)


def apportion(weights: Sequence[float], total: int) -> tuple[int, ...]:
    """Whole numbers in the ratio of weights with a given sum, by largest remainders.

    Example:
        >>> apportion([1, 1, 1], 10)
        (4, 3, 3)
    """
    exact = [total * weight / sum(weights) for weight in weights]
    floors = [int(value) for value in exact]
    order = sorted(range(len(exact)), key=lambda place: floors[place] - exact[place])
    for place in order[: total - sum(floors)]:
        floors[place] += 1
    return tuple(floors)
