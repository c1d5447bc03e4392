# SPDX-License-Identifier: MIT
"""What a trained run expects of images: what those were like that it was trained on."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from microtome.config.section import Section, option


class Expected(Section):
    """The images of a run's training; its card says it."""

    classes: tuple[Annotated[str, Field(max_length=200)], ...] = option(..., "names of the classes, in order")
    channels: PositiveInt = option(..., "channels of an image (of a slice, where neighbours are seen, too)")
    mpp: tuple[PositiveFloat, PositiveFloat] | None = option(
        None, "least and largest pixel size, micrometres; null: not known"
    )
    dtype: str | None = option(None, "type of the values, as NumPy calls it; null: not known", max_length=20)
    value_range: tuple[float, float] | None = option(None, "least and largest value; null: not known")
    modality: str = option("image", "what the network sees of a sample", max_length=40)
    data_kind: Literal["phantom", "real"] = option(..., "whether the images were simulated")
