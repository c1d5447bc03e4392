# SPDX-License-Identifier: MIT
"""Segmentations that other tools made: how they are read and what is measured on them."""

from typing import Literal

from pydantic import NonNegativeInt, model_validator

from microtome.config.evaluated import EVERY_CLASS
from microtome.config.section import Section, option, refuse

OBJECTS = {"background": 0, "object": 1}
FAMILIES = {"instances": ("instances",), "semantic": ("overlap",)}
"""What is measured where nothing is asked for."""


class Scoring(Section):
    """What `python -m microtome score` measures."""

    kind: Literal["semantic", "instances"] = option(
        "semantic", "maps of classes, or of objects with a number each"
    )
    classes: dict[str, NonNegativeInt] = option(
        OBJECTS, "class name: its value in label images, in class order"
    )
    ignore: tuple[NonNegativeInt, ...] = option((), "values of the truth that mean 'not labelled'")
    metrics: tuple[Literal["boundaries", "instances", "overlap", "surface"], ...] = option(
        (), "families of metrics; empty: instances for objects, overlap for classes"
    )
    convention: Literal["pixel_centre", "matlab", "first_pixel"] = option(
        "pixel_centre", "which point of a pixel has to lie inside an outline"
    )

    @model_validator(mode="after")
    def _fits(self) -> "Scoring":
        """Objects are measured as objects; two classes at least, each value once."""
        values = [*self.classes.values(), *self.ignore]
        if len(self.classes) < 2 or len(set(values)) < len(values):
            refuse("two classes or more, each with a value of its own that is none of `ignore`")
        if any(name == EVERY_CLASS or not name.strip() for name in self.classes):
            refuse(
                f"classes that are not called '{EVERY_CLASS}', as metrics of all together are, nor nothing"
            )
        if "instances" in self.metrics and self.kind != "instances":
            refuse("kind instances, as the metrics 'instances' are of objects")
        if "boundaries" in self.metrics and len(self.classes) > 2:
            refuse("two classes, border and cell, as the metrics 'boundaries' know no others; or leave these")
        if self.kind == "instances" and self.ignore:
            refuse("no ignored values, as the values of label images are numbers of objects")
        return self

    @property
    def families(self) -> tuple[str, ...]:
        """The families of metrics, the default put in."""
        return self.metrics or FAMILIES[self.kind]
