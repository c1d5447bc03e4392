# SPDX-License-Identifier: MIT
"""Mosaic phantom: confocal mosaics of melanocytic lesions with the pattern of every pixel, partly labelled.

In the manner of the mosaics of Kose et al. 2021 (doi:10.1016/j.media.2020.101841): six patterns at the
dermal-epidermal junction that turn into one another, artefacts, speckle, and clinics that record them with
contrasts of their own. Readers labelled the clearest parts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.config.phantoms.mosaics import MosaicPhantomData
from microtome.io import images
from microtome.phantoms.mosaics import label_files
from microtome.phantoms.mosaics.layout import ARTEFACTS, NONE, Layout, draw_labels, lay_out
from microtome.phantoms.mosaics.microscope import Clinic, draw_clinic, record
from microtome.phantoms.mosaics.sheet import CLASSES, UNLABELLED, Mosaic, mosaics
from microtome.phantoms.mosaics.tissue import reflectance

FOR_CLINICS, FOR_PATIENTS, FOR_LAYOUTS, FOR_LABELS, FOR_TISSUE, FOR_RECORDING = range(6)
"""What a stream of random numbers is for, so that further mosaics change no other."""
COARSENESS = 0.12
"""Spread of the logarithm of the size of a patient's papillae and nests."""


@dataclass(frozen=True, eq=False)
class SimulatedMosaic:
    """A mosaic and its truth.

    Attributes:
        image: ``(H, W)`` uint8.
        labels: ``(H, W)`` uint8, what readers labelled: the class, or `sheet.UNLABELLED`.
        layout: What each pixel is.
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    layout: Layout


def simulate(settings: MosaicPhantomData, mosaic: Mosaic) -> SimulatedMosaic:
    """Simulate one mosaic of :func:`microtome.phantoms.mosaics.sheet.mosaics`.

    Example:
        >>> settings = MosaicPhantomData(size=128, mosaics={"train": 1})
        >>> found = simulate(settings, mosaics(settings)[0])
        >>> found.image.shape, found.image.dtype.name
        ((128, 128), 'uint8')
    """
    stream = {key: _stream(settings, key, mosaic.number) for key in (FOR_LAYOUTS, FOR_LABELS, FOR_TISSUE)}
    layout = lay_out(mosaic, settings.mpp, stream[FOR_LAYOUTS])
    labels = draw_labels(layout.classes, mosaic, settings.mpp, stream[FOR_LABELS])
    coarseness = float(np.exp(COARSENESS * _stream(settings, FOR_PATIENTS, mosaic.patient).standard_normal()))
    light = reflectance(layout, settings.mpp, coarseness, settings.difficulty, stream[FOR_TISSUE])
    recording = _stream(settings, FOR_RECORDING, mosaic.number)
    image = record(light, clinic_of(settings, mosaic), settings.mpp, settings.difficulty, recording)
    return SimulatedMosaic(image, labels, layout)


def clinic_of(settings: MosaicPhantomData, mosaic: Mosaic) -> Clinic:
    """The clinic that recorded a mosaic."""
    rng = _stream(settings, FOR_CLINICS, mosaic.clinic)
    return draw_clinic(mosaic.clinic_name, mosaic.region, settings.difficulty, rng)


def _stream(settings: MosaicPhantomData, purpose: int, number: int) -> np.random.Generator:
    return np.random.default_rng([settings.seed, purpose, number])


def files(settings: MosaicPhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate the mosaics and name the file of each.

    Yields:
        For each mosaic `images/NNN.tif`, `labels/NNN.png`, `.tif`, `.nrrd` or `.mat` and `full/NNN.png`, the
        pattern of every pixel, each with its array or a function that writes it; last `truth.json` with the
        clinics, and what each mosaic holds.
    """
    described, clinics = [], {}
    for mosaic in mosaics(settings):
        made = simulate(settings, mosaic)
        clinics[mosaic.clinic_name] = clinic_of(settings, mosaic).as_json()
        yield mosaic.image, partial(images.write, array=made.image, mpp=settings.mpp)
        yield mosaic.label, partial(label_files.write, labels=made.labels, mpp=settings.mpp)
        yield mosaic.full, partial(label_files.write, labels=made.layout.classes, mpp=settings.mpp)
        described.append(_described(mosaic, made))
    classes = {name: value for value, name in enumerate(CLASSES)}
    yield (
        "truth.json",
        {
            "mpp": settings.mpp,
            "classes": classes,
            "unlabelled": UNLABELLED,
            "clinics": list(clinics.values()),
            "mosaics": described,
        },
    )


def _described(mosaic: Mosaic, made: SimulatedMosaic) -> dict[str, Any]:
    kinds = np.bincount(made.layout.artefacts[made.layout.artefacts != NONE], minlength=len(ARTEFACTS))
    return {
        "sample": mosaic.sample,
        "patient": mosaic.patient_name,
        "clinic": mosaic.clinic_name,
        "part": mosaic.part,
        "pixels": dict(zip(CLASSES, mosaic.pixels, strict=True)),
        "labelled": dict(zip(CLASSES, mosaic.labelled, strict=True)),
        "artefacts": dict(zip(ARTEFACTS, kinds.tolist(), strict=True)),
    }
