# SPDX-License-Identifier: MIT
"""One metric as the column of a table."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from microtome.metrics.names import ALL_CLASSES, metric_name
from microtome.metrics.overlap import MEAN
from microtome.tables.frame import Column


@dataclass(frozen=True)
class MetricColumn:
    """One metric of the table.

    Attributes:
        metric: Name of the metric.
        class_name: Class (``class`` in a study file). A metric of classes without one stands for a column of
            each class and one of their macro mean.
        pooled: Whether it is of the pixels of all images together, instead of the mean over images.
        label: Heading; by default made of metric and class.
        better: Which end is better.
        scale: Factor on every value, e.g. 100 for per cent.
        format: Format specification.
        unit: Unit, for the heading.
        published: Column of the published table; by default the metric's name; None: none is published.
        group: What stands above it and its neighbours of the same group; empty: nothing.
    """

    metric: str
    class_name: str = ALL_CLASSES
    pooled: bool = False
    label: str = ""
    better: Literal["high", "low"] | None = None
    scale: float = 1.0
    format: str = ".3f"
    unit: str = ""
    published: str | None = ""
    group: str = ""

    @property
    def key(self) -> str:
        """Name of its column in the frame."""
        of_class = "" if self.class_name == ALL_CLASSES else f"_{self.class_name}"
        return f"{self.metric}{of_class}{'_pooled' if self.pooled else ''}"

    @property
    def column(self) -> Column:
        """How it is printed."""
        label = self.label or metric_name(self.metric, self.class_name) + (", pooled" if self.pooled else "")
        how = {"unit": self.unit, "better": self.better, "format": self.format, "group": self.group}
        return Column(self.key, label, **how)

    def of_each(self, classes: Sequence[str], *, has_mean: bool) -> Iterator["MetricColumn"]:
        """One column for each class and, of metrics that have one, for the macro mean."""
        label = self.label and f"{self.label} of "
        for name in classes:
            yield replace(self, class_name=name, label=label and f"{label}{name}", published=None)
        if has_mean:
            mean = self.label and f"mean {self.label}"
            yield replace(self, metric=f"{MEAN}{self.metric}", label=mean, published=None)
