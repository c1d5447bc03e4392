# SPDX-License-Identifier: MIT
"""Options of segmentation that are chosen on images which were not trained on."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from microtome.config.section import OfClass, Section, option, with_class


class _Tune(OfClass):
    """Options of `segment`, chosen by a metric of images that were neither trained on nor are tested."""

    metric: str = option(
        ..., "what is to be best, as the mean over images: a metric of `evaluate.metrics`, of segmentations"
    )
    values: dict[str, tuple[float, ...]] = option(
        ...,
        "option of `segment`: the values that are tried, beside the one that it has; of combinations that "
        "are equally good the nearest to it is taken",
        min_length=1,
    )
    search: Literal["grid", "coordinates"] = option(
        "grid",
        "grid: all combinations; coordinates: one option after another, until none gets better, which takes "
        "less time and may miss the best",
    )
    choose: Literal["best", "standard_error"] = option(
        "best",
        "best: the best mean; standard_error: of those that are worse by at most one standard error of the "
        "difference by image, the nearest to the configured values (Breiman et al. 1984), for few images",
    )
    on: Literal["val", "folds"] = option(
        "val",
        "val: on the part `val` of the split; folds: where a split has none, as it learns from all images, "
        "on the test parts of the folds on which the run is trained, too, each by the network that did not "
        "see it",
    )
    folds: str | None = option(None, "folds: the one of `splits` that is meant; null: the only one of folds")


Tune = with_class(_Tune, "the class that the metric is of; null: of all together", needed=False)


def tunable(segment: Section) -> list[str]:
    """The options of a segmentation that are numbers, so that there are values to try.

    Example:
        >>> from microtome.config.prediction import ArgMax, Threshold, Watershed
        >>> tunable(Threshold()), tunable(ArgMax())
        (['threshold'], [])
        >>> tunable(Watershed())[:3]
        ['mask_threshold', 'marker_threshold', 'min_mask_area']
    """
    fields = type(segment).model_fields
    return [name for name, field in fields.items() if _is_number(field.annotation)]


def with_values(segment: Section, values: Mapping[str, float | None]) -> Section:
    """A segmentation with other values of some options.

    Raises:
        pydantic.ValidationError: It does not take them, alone or together.

    Example:
        >>> from microtome.config.prediction import Watershed
        >>> with_values(Watershed(), {"min_object_area": 20.0}).min_object_area
        20
    """
    return type(segment).model_validate(segment.model_dump() | dict(values))


def _is_number(annotation: Any) -> bool:
    """Whether an option is a number, or a number or null."""
    inner: Iterable[Any] = getattr(annotation, "__args__", ())
    return annotation in (int, float) or any(_is_number(one) for one in inner)
