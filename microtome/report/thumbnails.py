# SPDX-License-Identifier: MIT
"""Small pictures for the page: any image, label map or probability map as a WebP of a bounded size."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from microtome.config.colors import FALSE_NEGATIVE, FALSE_POSITIVE, neutral_color, rgb_bytes
from microtome.io import views
from microtome.io.slides import open_reference
from microtome.metrics.contingency import contingency
from microtome.metrics.instances import MATCH_IOU
from microtome.report.inputs import Picture
from microtome.report.limits import (
    FIGURE_WIDTHS,
    PREVIEW_BYTES,
    PREVIEW_WIDTH,
    SOURCE_PIXELS,
    THUMBNAIL,
    THUMBNAIL_BYTES,
)

IGNORE = 255
COLOURS = (
    (27, 38, 54),
    (245, 214, 120),
    (86, 180, 233),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (0, 114, 178),
    (240, 228, 66),
)
"""Colours of objects in turn, told apart without red-green vision (after Okabe and Ito)."""
IGNORE_COLOUR = (150, 150, 150)
RIGHT_COLOUR = (225, 228, 232)
WRONG_COLOUR, MISSED_COLOUR = rgb_bytes(FALSE_POSITIVE), rgb_bytes(FALSE_NEGATIVE)
MATCHED_COLOUR, EXTRA_COLOUR = (0, 158, 115), WRONG_COLOUR
"""Objects found rightly, found where there is none, and missed."""
PERCENTILES = (1.0, 99.0)
SUM_TOLERANCE = 0.02
"""How far two probabilities of classes may be from 1 together; scaled to 8 bits, each is off by 1/510."""
THUMBNAIL_QUALITIES = (70, 40, 10)
FIGURE_QUALITIES = (90, 75, 55)
HOPELESS = 2.5
"""A picture this many times over its budget is made smaller at once: the worst quality takes some 0.4 of the
best one's bytes."""
RGB_CHANNELS = 3
OPAQUE = (255, 255)
"""Least and largest alpha of a picture that hides what is behind it."""


def load_overview(path: Path, *, longest: int = THUMBNAIL) -> np.ndarray:
    """Read a TIFF, ``(H, W)`` or ``(C, H, W)``: the smallest pyramid level of this longest side or more.

    Of the reference to a slide, the slide at about this longest side.

    Raises:
        ValueError: The file is no image, or has more than `SOURCE_PIXELS` pixels and no pyramid.
        OSError: It cannot be read.
    """
    if path.suffix == views.SLIDE:
        return open_reference(path).overview(longest)
    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        axes = series.axes
        enough = [level for level in series.levels if max(_sides(level.shape, axes)) >= longest]
        level = (enough or list(series.levels)[:1])[-1]
        height, width = _sides(level.shape, axes)
        if height * width > SOURCE_PIXELS:
            msg = f"{path.name} has {height} x {width} pixels and no pyramid; write it with levels"
            raise ValueError(msg)
        return _channels_first(level.asarray(), axes)


def show_image(image: np.ndarray) -> np.ndarray:
    """Turn an image, ``(H, W)`` or ``(C, H, W)``, of any depth and number of channels into RGB.

    8-bit grey and RGB are kept, others are stretched between percentiles; of more than three channels the
    last, the middle and the first make red, green, blue.

    Returns:
        ``(H, W, 3)`` uint8.

    Example:
        >>> show_image(np.full((60, 4, 5), 7, np.uint16)).shape
        (4, 5, 3)
    """
    planes = image[None] if image.ndim == 2 else image
    if len(planes) == RGB_CHANNELS:
        chosen = planes
    elif len(planes) < RGB_CHANNELS:
        chosen = np.repeat(planes[:1], RGB_CHANNELS, axis=0)
    else:
        chosen = planes[[-1, len(planes) // 2, 0]]
    return np.stack([_to_bytes(plane) for plane in chosen], axis=-1)


def show_labels(labels: np.ndarray, colors: Sequence[str] = ()) -> np.ndarray:
    """Colour a label map by class, and `IGNORE` grey; labels past the colours cycle.

    Of integers (H, W), or planes (C, H, W) of 0 and 1 (`IGNORE` where not labelled), (H, W, 3) uint8.
    `colors` are those of the classes; objects have `COLOURS`.

    Example:
        >>> show_labels(np.array([[0, 255]], np.uint8)).tolist()
        [[[27, 38, 54], [150, 150, 150]]]
    """
    planes = labels if labels.ndim == 3 else labels[None]
    flat = planes[0].astype(np.int64)
    for number, plane in enumerate(planes[1:], 2):
        flat = np.where((plane > 0) & (plane != IGNORE), number, flat)
    palette = np.array([rgb_bytes(color) for color in colors] or COLOURS, np.uint8)
    count = len(palette)
    index = np.where(flat < count, flat, 1 + (flat - 1) % (count - 1))
    ignored = (flat == IGNORE) & (labels.dtype == np.uint8)
    return np.where(ignored[..., None], np.array(IGNORE_COLOUR, np.uint8), palette[index])


def show_probability(probability: np.ndarray, colors: Sequence[str] = ()) -> np.ndarray:
    """Show one probability as grey (0 black, 1 white), several as the colour of the largest, from `colors`.

    Of floats or scaled integers, (H, W) or (C, H, W), (H, W, 3) uint8. Of two classes, whose probabilities
    sum to 1, that of the second is shown, of a mask and a marker that of the mask.

    Example:
        >>> show_probability(np.array([[[0.0, 1.0]], [[1.0, 0.0]]]))[..., 0].tolist()
        [[255, 0]]
    """
    planes = probability[None] if probability.ndim == 2 else probability
    if len(planes) > 2:
        return show_labels(planes.argmax(axis=0), colors)
    top = 1.0 if np.issubdtype(planes.dtype, np.floating) else float(np.iinfo(planes.dtype).max)
    shares = planes.astype(np.float32) / top
    is_of_classes = len(planes) == 2 and np.abs(shares.sum(axis=0) - 1).max() < SUM_TOLERANCE
    grey = np.clip(np.nan_to_num(shares[-1 if is_of_classes else 0]), 0, 1)
    return np.repeat((grey * 255).round().astype(np.uint8)[..., None], RGB_CHANNELS, axis=-1)


def show_errors(
    segmentation: np.ndarray, truth: np.ndarray, colors: Sequence[str] = (), *, of: int = 1
) -> np.ndarray:
    """Colour the pixels whose class is wrong; unlabelled ones are grey.

    Of two classes, those wrongly taken for class `of` are vermillion and those of it that are missed blue;
    right ones keep the colours of their classes. Of more than two classes (`colors`) a wrong pixel has the
    colour of the class that it was given, and right ones are light.

    Of integer classes (H, W), `IGNORE` where not labelled, (H, W, 3) uint8.

    Raises:
        ValueError: The two differ in shape, or are not label maps.
    """
    if segmentation.shape != truth.shape or truth.ndim != 2:
        msg = (
            f"segmentation {segmentation.shape} and truth {truth.shape}; expected two label maps of one shape"
        )
        raise ValueError(msg)
    if len(colors) > 2:
        mistakes, right = show_labels(segmentation, colors), rgb_bytes(neutral_color(colors))
    else:
        mistakes = np.where((segmentation == of)[..., None], WRONG_COLOUR, MISSED_COLOUR)
        right = show_labels(truth, colors) if colors else RIGHT_COLOUR
    shown = np.where((segmentation != truth)[..., None], mistakes, right)
    return np.where((truth == IGNORE)[..., None], IGNORE_COLOUR, shown).astype(np.uint8)


def show_object_errors(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Colour objects by outcome: matched (IoU above 0.5) green, found in vain vermillion, missed blue.

    Of integer ids (H, W), (H, W, 3) uint8.

    Raises:
        ValueError: The two differ in shape, or are not label maps.

    Example:
        >>> show_object_errors(np.array([[5, 0]]), np.array([[0, 7]])).tolist()
        [[[213, 94, 0], [0, 114, 178]]]
    """
    table = contingency(truth, found)
    pairs = table.ious > MATCH_IOU
    matched = table.prediction_ids[table.columns[pairs]]
    hit = table.truth_ids[table.rows[pairs]]
    shown = np.full((*truth.shape, RGB_CHANNELS), RIGHT_COLOUR, np.uint8)
    shown[(truth > 0) & ~np.isin(truth, hit)] = MISSED_COLOUR
    shown[(found > 0) & ~np.isin(found, matched)] = EXTRA_COLOUR
    shown[np.isin(found, matched)] = MATCHED_COLOUR
    return shown


def encode_thumbnail(rgb: np.ndarray, *, label: str, alt: str) -> Picture:
    """Shrink a picture, (H, W, 3) uint8, to `THUMBNAIL` (none is enlarged) and encode it."""
    image = Image.fromarray(np.ascontiguousarray(rgb))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    for quality in THUMBNAIL_QUALITIES:  # the last is small enough, or as small as can be
        if len(webp := _webp(image, quality=quality)) <= THUMBNAIL_BYTES:
            break
    return Picture(label=label, alt=alt, webp=webp, width=image.width, height=image.height)


def encode_figure(image: Image.Image, *, label: str, alt: str, budget: int) -> Picture:
    """Encode a figure as large and as well as its budget (bytes) allows.

    There is no picture, and it says so, if even the smallest is over the budget.
    """
    flat = _on_white(image)
    for smaller in _candidates(flat):
        for webp in _encodings(smaller, budget, as_drawn=smaller is flat):
            if len(webp) <= budget:
                return Picture(label=label, alt=alt, webp=webp, width=smaller.width, height=smaller.height)
    problem = f"too large to embed in {budget:,} bytes; open the file"
    return Picture(label=label, alt=alt, problem=problem)


def preview(picture: Picture) -> Picture:
    """Make the smaller copy of an embedded figure that the overview shows; the same if it is small enough."""
    if len(picture.webp) <= PREVIEW_BYTES:
        return picture
    with Image.open(io.BytesIO(picture.webp)) as image:
        width = min(PREVIEW_WIDTH, image.width)
        height = max(1, round(image.height * width / image.width))
        small = image.resize((width, height), Image.Resampling.LANCZOS)
    made = encode_figure(small, label=picture.label, alt=picture.alt, budget=PREVIEW_BYTES)
    return replace(made, millimetres=picture.millimetres)


def _candidates(image: Image.Image) -> Iterator[Image.Image]:
    """The figure at falling widths."""
    for width in dict.fromkeys(min(width, image.width) for width in FIGURE_WIDTHS):
        height = max(1, round(image.height * width / image.width))
        same = (width, height) == image.size
        yield image if same else image.resize((width, height), Image.Resampling.LANCZOS)


def _encodings(image: Image.Image, budget: int, *, as_drawn: bool) -> Iterator[bytes]:
    """Good quality or lossless, then lesser qualities; none if far over the budget.

    Lossless suits drawings, and these only at the size that they were drawn at: edges that were resampled
    have shades, of which it takes more bytes than good quality does, and much more time.
    """
    best, *lesser = FIGURE_QUALITIES
    good = _webp(image, quality=best)
    if len(good) > HOPELESS * budget:
        return
    yield min(_webp(image, lossless=True), good, key=len) if as_drawn else good
    for quality in lesser:
        yield _webp(image, quality=quality)


def _webp(image: Image.Image, **options: bool | int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", method=4, **options)
    return buffer.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    """Drop transparency: figures are drawn for a white page."""
    rgba = image.convert("RGBA")
    if rgba.getextrema()[3] == OPAQUE:
        return rgba.convert("RGB")
    page = Image.new("RGBA", rgba.size, "white")
    return Image.alpha_composite(page, rgba).convert("RGB")


def _to_bytes(plane: np.ndarray) -> np.ndarray:
    """Scale a plane to 8 bits: kept if it has 8, else stretched between percentiles."""
    if plane.dtype == np.uint8:
        return plane
    values = np.nan_to_num(plane.astype(np.float32))
    low, high = np.percentile(values, PERCENTILES)
    return (np.clip((values - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1) * 255).astype(np.uint8)


def _sides(shape: tuple[int, ...], axes: str) -> tuple[int, int]:
    """Height and width of an array with named axes."""
    if "Y" not in axes or "X" not in axes:
        msg = f"axes {axes!r} of shape {shape}; expected an image with Y and X"
        raise ValueError(msg)
    return shape[axes.index("Y")], shape[axes.index("X")]


def _channels_first(array: np.ndarray, axes: str) -> np.ndarray:
    """Bring any axes to (C, H, W) or (H, W): other axes become channels."""
    rest = [number for number, axis in enumerate(axes) if axis not in "YX"]
    moved = array.transpose([*rest, axes.index("Y"), axes.index("X")])
    merged = moved.reshape(-1, *moved.shape[-2:])
    return merged[0] if len(merged) == 1 else merged
