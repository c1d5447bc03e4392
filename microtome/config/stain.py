# SPDX-License-Identifier: MIT
"""Stain normalization of H&E images: the settings of each method, and what a study says of it."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from microtome.config.section import Section

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

    encode_lambda: Lambda = Field(
        0.02, description="sparsity of the concentrations; 0: non-negative least squares"
    )
    luminosity: Luminosity = Field(0.9, description="pixels below this 8-bit CIE L* / 255 are tissue")
    density: Literal["log1p", "floor"] = Field(
        "log1p", description="log1p: ln 255 - ln(I + 1); floor: max(-ln(max(I, 1) / 255), 1e-6)"
    )
    order: Literal["green", "red"] = Field(
        "green", description="H is the vector with less green or with more red density"
    )
    rounding: Literal["round", "truncate"] = Field("round", description="of the result to 8 bits")
    percentile: Annotated[float, Field(gt=0, le=100)] = Field(
        99.0, description="concentration that is matched, per cent of the pixels below it"
    )
    percentile_over: Literal["all", "tissue"] = Field("all", description="which pixels that percentile is of")
    max_gain: Annotated[float, Field(ge=1)] | None = Field(
        4.0, description="largest factor on a concentration, and its inverse the smallest; null: no limit"
    )
    exclude_black: bool = Field(True, description="black pixels (slide edge, black ink) are no tissue")
    exclude_ink: bool = Field(True, description="green and blue ink is no tissue")


class SpcnSettings(StainSettings):
    """Settings of structure-preserving colour normalization (Vahadane et al. 2016)."""

    train_lambda: Lambda = Field(0.02, description="sparsity while the stain vectors are learnt")
    unit_rows: bool = Field(
        True, description="stain vectors are scaled to length 1; false: their length is at most 1"
    )
    max_iterations: PositiveInt = Field(200, description="rounds of dictionary learning, at most")
    tolerance: Lambda = Field(1e-6, description="largest change of the stain vectors that ends learning")
    subsample: PositiveInt | None = Field(
        100_000,
        description="tissue pixels that the stain vectors are learnt from, drawn evenly over the sorted "
        "colours; null: all",
    )
    seed: NonNegativeInt = Field(0, description="of that draw")


class MacenkoSettings(StainSettings):
    """Settings of Macenko's method: codes without penalty, tissue by optical density."""

    encode_lambda: Lambda = Field(0.0, description="sparsity of the concentrations")
    luminosity: Luminosity = Field(1.0, description="pixels below this 8-bit CIE L* / 255 are tissue")
    beta: Annotated[float, Field(ge=0, le=math.log(255))] = Field(
        0.15, description="pixels with a mean optical density below this are left out"
    )
    alpha: Annotated[float, Field(ge=0, le=50)] = Field(
        1.0, description="percentile of the angles that is one stain, 100 minus it the other"
    )


class ReinhardSettings(Section):
    """Settings of Reinhard's method."""

    luminosity: Luminosity = Field(0.9, description="pixels below this 8-bit CIE L* / 255 are tissue")


class Normalization(Section):
    """What every way of stain normalization has."""

    target: str = Field(description="the training sample whose stain all images get")
    fallback: Literal["target", "error"] = Field(
        "target",
        description="an image whose stains cannot be told apart: take those of the target and say so, or "
        "stop",
    )

    @property
    def parameters(self) -> dict[str, Any]:
        """What the target is fitted with; the images follow it."""
        return self.model_dump(exclude={"method", "target", "fallback"})


class Spcn(Normalization, SpcnSettings):
    """Structure-preserving colour normalization; options left out or null have the preset's values."""

    LABEL: ClassVar = "SPCN"
    method: Literal["spcn"] = Field("spcn", description="this method")
    preset: Literal["recommended", "authors", "staintools"] = Field(
        "recommended", description="values of the options that are left out"
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
    method: Literal["macenko"] = Field("macenko", description="this method")


class Reinhard(Normalization, ReinhardSettings):
    """Mean and spread of the colours by Reinhard et al. 2001."""

    LABEL: ClassVar = "Reinhard"
    method: Literal["reinhard"] = Field("reinhard", description="this method")


class StainTools(Normalization):
    """The StainTools package with parameters of its own."""

    LABEL: ClassVar = "StainTools"
    method: Literal["staintools"] = Field("staintools", description="this method")


StainNormalization = Annotated[Spcn | Macenko | Reinhard | StainTools, Field(discriminator="method")]
