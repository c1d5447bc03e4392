# SPDX-License-Identifier: MIT
"""Options of the classifier `boosted_trees`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from microtome.config.classifiers import ClassifierOptions
from microtome.config.section import option


class BoostedTrees(ClassifierOptions):
    """Gradient-boosted decision trees on histograms (scikit-learn)."""

    LABEL: ClassVar = "boosted trees"
    name: Literal["boosted_trees"] = option(
        "boosted_trees",
        "this classifier; of a neighbourhood it also takes mean and standard deviation of each band",
    )
    iterations: PositiveInt = option(100, "trees that are added one after another, for each class if several")
    learning_rate: PositiveFloat = option(0.1, "share of each tree's answer that is added")
    leaves: Annotated[int, Field(ge=2)] = option(31, "leaves of a tree, at most")
    depth: Annotated[int, Field(ge=1, le=30)] = option(6, "questions from the root to a leaf, at most")
    least: PositiveInt = option(20, "training pixels of a leaf, at least")
    l2: NonNegativeFloat = option(0.0, "L2 penalty of the leaves' values")
