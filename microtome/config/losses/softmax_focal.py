# SPDX-License-Identifier: MIT
"""Options of the loss `softmax_focal`."""

from typing import ClassVar, Literal

from pydantic import NonNegativeFloat

from microtome.config.section import Section, option


class SoftmaxFocal(Section):
    """Focal loss of the classes' probabilities, without weights of classes."""

    TARGET: ClassVar = "softmax"
    LABEL: ClassVar = "focal, softmax"
    name: Literal["softmax_focal"] = option("softmax_focal", "this loss")
    gamma: NonNegativeFloat = option(2.0, "how much well-predicted pixels are played down")
