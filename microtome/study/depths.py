# SPDX-License-Identifier: MIT
"""The pixel types of a study's images: one for all, and runs that say what their largest value is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from microtome.faults import Fault
from microtome.study import modalities
from microtome.study.headers import header_of

if TYPE_CHECKING:
    from microtome.config.study import Study
    from microtome.study.sample import Sample
    from microtome.study.splits import Place

EIGHT_BITS = "uint8"
FULL = {"uint16": "65535, or what the camera's largest value is", "float32": "1 for values from 0 to 1"}
"""By type what `input.scale` is."""
FLOATS = ("float16", "float64")
"""Types that are imported as float32."""


def check_depths(study: Study, samples: Sequence[Sample], sheet: Path, place: Place) -> Iterator[Fault]:
    """Say of images (of samples with resolved paths) that types differ, or that a run does not fit them.

    A network divides pixels by `input.scale`; 255, which it is without a word, makes nearly nothing of
    numbers from 0 to 1, and no contrast that others have of 16 bits.
    """
    types = _types(samples)
    common = max(types, key=lambda name: len(types[name]), default=EIGHT_BITS)
    wanted = study.data.dtype or common
    if study.data.dtype is None:
        for name in sorted(set(types) - {common}):
            first, *rest = types[name]
            found = f"{name} values in '{first.image}'" + (f" and {len(rest)} further images" if rest else "")
            others = f"{common}, as '{types[common][0].image}' has"
            remedy = "set data.dtype to convert images where that is exact, or convert them yourself"
            yield Fault(f"{sheet}:{first.row} image", found, f"{others}; {remedy}")
    if wanted in FULL and types:
        yield from _unsaid_scales(study, types[common][0], wanted, place)


def _types(samples: Sequence[Sample]) -> Mapping[str, list[Sample]]:
    """The samples by the type that their images are imported as, but for those that cannot be read."""
    from microtome.io.images import ImageError

    found: dict[str, list[Sample]] = {}
    for sample in samples:
        if modalities.of_suffix(sample.image) is None:
            with suppress(ImageError, OSError, IndexError):
                name = header_of(sample.image).of_page(sample.page).dtype
                found.setdefault("float32" if name in FLOATS else name, []).append(sample)
    return found


def _unsaid_scales(study: Study, sample: Sample, dtype: str, place: Place) -> Iterator[Fault]:
    said = [name for name, run in study.runs.items() if "scale" in run.input.model_fields_set]
    silent = [
        name
        for name, run in study.runs.items()
        if name not in said and not run.is_ensemble and run.view == "image"
    ]
    if silent:
        found = (
            f"nothing, which is 255, for {dtype} images such as '{sample.image}' (run {', '.join(silent)})"
        )
        expected = f"the largest pixel value: {FULL[dtype]}; or data.dtype: uint8, where that is exact"
        yield Fault(place(("defaults", "input", "scale")), found, expected)
