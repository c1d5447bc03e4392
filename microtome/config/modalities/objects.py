# SPDX-License-Identifier: MIT
"""Options of objects as targets, and of the outputs that learn them."""

from typing import Literal

from pydantic import PositiveInt

from microtome.config.checks_objects import check
from microtome.config.section import Section, option

__all__ = ["Output", "RunOptions", "StudyOptions", "Targets", "check"]

Output = Literal["mask", "shape_marker", "centre_marker"]


class Targets(Section):
    """What labels are turned into."""

    kind: Literal["semantic", "instances"] = option(
        "semantic", "semantic: class values; instances: each object has an id (or a polygon)"
    )
    convention: Literal["pixel_centre", "first_pixel", "matlab"] = option(
        "pixel_centre",
        "polygons: the pixel (0, 0) has its centre at (0.5, 0.5), or at (0, 0) (first_pixel), "
        "or pixels are those of MATLAB's poly2mask",
    )
    marker_element: Literal["octagon", "disk"] = option(
        "octagon", "shape markers: MATLAB's strel('disk', r), an octagon, or a true disk"
    )
    centre_radius: PositiveInt = option(3, "centre markers: radius of the disk, pixels")


class StudyOptions(Section):
    """The targets of a study."""

    targets: Targets = option(Targets(), "what labels are turned into")


class RunOptions(Section):
    """The outputs of a run."""

    outputs: tuple[Output, ...] = option(
        ("mask",),
        "what each sigmoid output of the network learns; markers need targets.kind `instances`",
        min_length=1,
        max_length=2,
    )
