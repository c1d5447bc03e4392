# SPDX-License-Identifier: MIT
"""Options of the classifier `sam`."""

from typing import ClassVar, Literal

from microtome.config.classifiers import ClassifierOptions
from microtome.config.section import option


class SpectralAngleMapper(ClassifierOptions):
    """Spectral angle mapper: the class whose mean spectrum has the smallest angle to that of the pixel."""

    LABEL: ClassVar = "spectral angle mapper"
    name: Literal["sam"] = option("sam", "this classifier; of a neighbourhood it takes the mean spectrum")
