# SPDX-License-Identifier: MIT
"""Stain normalization of H&E images."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from microtome.config.section import Section

NULLABLE = ("max_gain", "subsample")
"""Options for which null is a value of its own."""


class StainNormalization(Section):
    """One way of stain normalization; options left null have the preset's values."""

    method: Literal["spcn", "macenko", "reinhard", "staintools"] = Field(
        "spcn", description="spcn: structure-preserving colour normalization (Vahadane et al. 2016)"
    )
    target: str = Field(description="the training sample whose stain all images get")
    preset: Literal["recommended", "authors", "staintools"] = Field(
        "recommended", description="values of the options that are null"
    )
    train_lambda: NonNegativeFloat | None = Field(
        None, description="spcn: sparsity while the stain vectors are learnt"
    )
    encode_lambda: NonNegativeFloat | None = Field(None, description="spcn: sparsity of the concentrations")
    luminosity: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="pixels below this L* (of 1) are tissue"
    )
    percentile: Annotated[float, Field(gt=0, le=100)] | None = Field(
        None, description="spcn: concentration that is matched, per cent of the pixels below it"
    )
    percentile_over: Literal["all", "tissue"] | None = Field(
        None, description="spcn: which pixels that percentile is of"
    )
    max_gain: Annotated[float, Field(ge=1)] | None = Field(
        4.0,
        description="spcn: largest factor on a concentration, and its inverse the smallest; null: no limit",
    )
    max_iterations: PositiveInt | None = Field(
        None, description="spcn: rounds of dictionary learning, at most"
    )
    tolerance: PositiveFloat | None = Field(
        None, description="spcn: largest change of the stain vectors that ends learning"
    )
    subsample: PositiveInt | None = Field(
        100_000, description="spcn: tissue pixels that the stain vectors are learnt from; null: all"
    )
    seed: NonNegativeInt = Field(0, description="spcn: of the subsample")
    fallback: Literal["target", "error"] = Field(
        "target",
        description="an image whose stains cannot be told apart: take those of the target and say so, or "
        "stop",
    )

    @property
    def parameters(self) -> dict[str, object]:
        """What the target is fitted with; the images follow it."""
        if self.method != "spcn":
            return {}
        chosen = self.model_dump(exclude={"method", "target", "fallback"})
        return {key: value for key, value in chosen.items() if value is not None or key in NULLABLE}
