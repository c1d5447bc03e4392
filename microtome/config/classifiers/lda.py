# SPDX-License-Identifier: MIT
"""Options of the classifier `lda`."""

from typing import ClassVar, Literal

from microtome.config.classifiers import ClassifierOptions
from microtome.config.section import Probability, option


class LinearDiscriminant(ClassifierOptions):
    """Linear discriminant analysis: normal classes of one covariance (scikit-learn)."""

    LABEL: ClassVar = "linear discriminant analysis"
    name: Literal["lda"] = option(
        "lda", "this classifier; of a neighbourhood it also takes mean and standard deviation of each band"
    )
    shrinkage: Probability | Literal["auto"] | None = option(
        "auto", "of the covariance, as bands resemble one another; auto: by Ledoit and Wolf; null: none"
    )
