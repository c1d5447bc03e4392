# SPDX-License-Identifier: MIT
"""What of a slide is tissue, and what of the tissue is a section."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator

from microtome.config.colors import BACKGROUND, class_colors
from microtome.config.section import Section, assume, option, refuse


class WholeTissue(Section):
    """All of a slide is tissue."""

    kind: Literal["whole"] = option("whole", "all of the slide is tissue")
    mpp: PositiveFloat = option(8.0, "pixel size of the mask, µm")


class Glass(Section):
    """Tissue on glass: what is coloured and is not pen."""

    kind: Literal["glass"] = option("glass", "stained tissue on light glass, found by its saturation")
    mpp: PositiveFloat = option(8.0, "pixel size at which tissue is looked for, µm")
    otsu: Annotated[float, Field(gt=0, le=2)] = option(
        0.6, "tissue is what is more saturated than this times Otsu's threshold"
    )
    pen: bool = option(
        True, "pen (blue, green, red, black) and black borders are taken out before the threshold is found"
    )
    pen_margin: NonNegativeFloat = option(8.0, "what lies so near to pen or a border is no tissue, µm")
    closing: NonNegativeFloat = option(40.0, "gaps in tissue up to this width are closed, µm")
    holes: NonNegativeFloat = option(20_000.0, "smaller holes in tissue are filled, µm²")
    least_area: NonNegativeFloat = option(
        100_000.0,
        "smaller pieces of tissue are left out, µm²; in a picture of less than fifty times that, those "
        "below a fiftieth of the picture",
    )


Tissue = Annotated[Glass | WholeTissue, Field(discriminator="kind"), assume("kind", "glass")]


class _Named(Section):
    """Sections with labels."""

    names: dict[str, tuple[str, ...]] = option(
        {}, "class: what files of sections call it, such as {tumor: [Tumor, BCC]}; its own name always counts"
    )

    @field_validator("names")
    @classmethod
    def _once(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """A label means one class."""
        labels = [label for named in value.values() for label in named]
        if len(set(labels)) < len(labels):
            refuse("each label under one class")
        return value

    def meanings(self, classes: Iterable[str]) -> dict[str, str]:
        """Label to the class that it means.

        Example:
            >>> Whole(names={"tumor": ("BCC",)}).meanings(["normal", "tumor"])
            {'normal': 'normal', 'tumor': 'tumor', 'BCC': 'tumor'}
        """
        of_labels = {label: name for name, labels in self.names.items() for label in labels}
        return {name: name for name in classes} | of_labels


class Proposed(_Named):
    """Sections are pieces of tissue, where the sheet gives no boxes."""

    kind: Literal["proposed"] = option("proposed", "boxes of the pieces of tissue")
    gap: NonNegativeFloat = option(200.0, "pieces nearer to each other are one section, µm")
    margin: NonNegativeFloat = option(40.0, "of a box around its tissue, µm")
    least_area: NonNegativeFloat = option(0.0, "sections with less tissue are left out, µm²")


class Whole(_Named):
    """A slide is one section, where the sheet gives no boxes."""

    kind: Literal["whole"] = option("whole", "the slide is one section")


Sections = Annotated[Proposed | Whole, Field(discriminator="kind"), assume("kind", "proposed")]


def section_colors(classes: Sequence[str]) -> Mapping[str, str]:
    """Colours of the classes of sections, none of them black or white, `#rrggbb`.

    Example:
        >>> section_colors(["normal", "tumor"])["tumor"]
        '#E69F00'
    """
    return class_colors((BACKGROUND, *(name for name in classes if name != BACKGROUND), "-"))
