# SPDX-License-Identifier: MIT
"""Stain normalization of H&E images: the settings of each method, and what a study says of it."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from microtome.config.section import Section, assume, option

TARGETS = ("target", "target_image", "target_profile")
"""Options of which a normalization has one."""
NULLABLE = ("max_gain", "subsample")
"""Options for which null is a value of its own."""
Lambda = Annotated[float, Field(ge=0, le=1)]
Luminosity = Annotated[float, Field(gt=0, le=1)]
PLAIN = {"exclude_black": False, "exclude_ink": False, "max_gain": None}
PRESETS: dict[str, dict[str, Any]] = {
    "recommended": {},
    "authors": {"unit_rows": False, **PLAIN},
    "staintools": {
        "train_lambda": 0.1,
        "encode_lambda": 0.01,
        "luminosity": 0.8,
        "density": "floor",
        "order": "red",
        "rounding": "truncate",
        **PLAIN,
    },
}
"""Settings as recommended here, of the authors' MATLAB program, and of StainTools 2.1; one exact solver."""


class StainSettings(Section):
    """How pixels become concentrations and back, whatever the method that finds the stain vectors."""

    encode_lambda: Lambda = option(0.02, "sparsity of the concentrations; 0: non-negative least squares")
    luminosity: Luminosity = option(0.9, "pixels below this 8-bit CIE L* / 255 are tissue")
    density: Literal["log1p", "floor"] = option(
        "log1p", "log1p: ln 255 - ln(I + 1); floor: max(-ln(max(I, 1) / 255), 1e-6)"
    )
    order: Literal["green", "red"] = option("green", "H is the vector with less green or more red density")
    rounding: Literal["round", "truncate"] = option("round", "of the result to 8 bits")
    percentile: Annotated[float, Field(gt=0, le=100)] = option(
        99.0, "concentration that is matched, per cent of the pixels below it"
    )
    percentile_over: Literal["all", "tissue"] = option("all", "which pixels that percentile is of")
    max_gain: Annotated[float, Field(ge=1)] | None = option(
        4.0, "largest factor on a concentration, and its inverse the smallest; null: no limit"
    )
    exclude_black: bool = option(True, "black pixels (slide edge, black ink) are no tissue")
    exclude_ink: bool = option(True, "green and blue ink is no tissue")


class SpcnSettings(StainSettings):
    """Settings of structure-preserving colour normalization (Vahadane et al. 2016)."""

    train_lambda: Lambda = option(0.02, "sparsity while the stain vectors are learnt")
    unit_rows: bool = option(True, "stain vectors are scaled to length 1; false: their length is at most 1")
    max_iterations: PositiveInt = option(200, "rounds of dictionary learning, at most")
    tolerance: Lambda = option(1e-6, "largest change of the stain vectors that ends learning")
    subsample: PositiveInt | None = option(
        100_000,
        "tissue pixels that the stain vectors are learnt from, drawn evenly over the sorted "
        "colours; null: all",
    )
    seed: NonNegativeInt = option(0, "of that draw")


class MacenkoSettings(StainSettings):
    """Settings of Macenko's method: codes without penalty, tissue by optical density."""

    encode_lambda: Lambda = option(0.0, "sparsity of the concentrations")
    luminosity: Luminosity = option(1.0, "pixels below this 8-bit CIE L* / 255 are tissue")
    beta: Annotated[float, Field(ge=0, le=math.log(255))] = option(
        0.15, "pixels with a mean optical density below this are left out"
    )
    alpha: Annotated[float, Field(ge=0, le=50)] = option(
        1.0, "percentile of the angles that is one stain, 100 minus it the other"
    )


class ReinhardSettings(Section):
    """Settings of Reinhard's method."""

    luminosity: Luminosity = option(0.9, "pixels below this 8-bit CIE L* / 255 are tissue")
    max_gain: Annotated[float, Field(ge=1)] | None = option(
        4.0, "largest factor on the spread of L*, a* or b*, and its inverse the smallest; null: no limit"
    )


class Normalization(Section):
    """What every way of stain normalization has."""

    target: str | tuple[str, ...] | None = option(
        None,
        "the training sample whose stain all images get; several: each split (fold) takes the first that it "
        "trains on",
    )
    target_image: str | None = option(
        None, "instead: an image outside the sheet (RGB, 8 bits), its path from the project's folder"
    )
    target_profile: str | None = option(
        None, "instead: a fitted profile (JSON, such as `stains/NAME/target.json` of other results)"
    )
    fallback: Literal["target", "error"] = option(
        "target", "an image whose stains cannot be told apart: take those of the target and say so, or stop"
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """What the target is fitted with; the images follow it."""
        return self.model_dump(exclude={"method", "fallback", *TARGETS})

    @property
    def targets(self) -> tuple[str, ...]:
        """The samples that may be the target, the first choice first."""
        return (self.target,) if isinstance(self.target, str) else self.target or ()


class Spcn(Normalization, SpcnSettings):
    """Structure-preserving colour normalization; options left out or null have the preset's values."""

    LABEL: ClassVar = "SPCN"
    method: Literal["spcn"] = option("spcn", "this method")
    preset: Literal["recommended", "authors", "staintools"] = option(
        "recommended", "values of the options that are left out"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, values: Any) -> Any:
        """The preset's values below those given."""
        if not isinstance(values, Mapping):
            return values
        given = {key: value for key, value in values.items() if value is not None or key in NULLABLE}
        preset = given.get("preset", "recommended")
        return {**(PRESETS.get(preset, {}) if isinstance(preset, str) else {}), **given}


class Macenko(Normalization, MacenkoSettings):
    """Stain vectors by Macenko et al. 2009."""

    LABEL: ClassVar = "Macenko"
    method: Literal["macenko"] = option("macenko", "this method")


class Reinhard(Normalization, ReinhardSettings):
    """Mean and spread of the colours by Reinhard et al. 2001."""

    LABEL: ClassVar = "Reinhard"
    method: Literal["reinhard"] = option("reinhard", "this method")


class StainTools(Normalization):
    """The StainTools package with parameters of its own."""

    LABEL: ClassVar = "StainTools"
    method: Literal["staintools"] = option("staintools", "this method")


StainNormalization = Annotated[
    Spcn | Macenko | Reinhard | StainTools, Field(discriminator="method"), assume("method", "spcn")
]
