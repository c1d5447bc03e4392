# SPDX-License-Identifier: MIT
"""Patches of annotated slides as runs see them: probabilities, and what their thresholds make of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import heat_maps, panels
from microtome.figures.parts.annotated_patches import OUTLINE, draw_outline, half_annotated
from microtome.figures.parts.colors import HEAT, INK, OF_INTEREST, SKY
from microtome.figures.parts.heat_maps import Place
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, PAGE, letter, new_figure, styled, wrapped
from microtome.figures.result import FigureResult
from microtome.io import images, views
from microtome.provenance.section_calls import SECTIONS_NAME, read_sections
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs", "slides", "calls", "heat_maps", "patches"})
SAMPLE_OPTIONS = ("samples",)
FADE = 0.45
"""How much of the picture is left below what is called."""
AROUND = 1.1
"""Height of titles of two lines, colour bar and legend, inches."""
LINE, BESIDE = 0.12, 0.4
"""Height of a line of a title, and width of a panel's letter and of what is beside the panel, inches."""
BAR: dict[str, Any] = {"ticks": [0, 0.5, 1], "aspect": 60, "shrink": 0.5, "pad": 0.02}
CALLED, SMALL = OF_INTEREST, SKY


@dataclass(frozen=True)
class Seen:
    """What a run makes of one patch.

    Attributes:
        probability: Of the class that is called, (H, W).
        called: Pixels of regions that are large enough, (H, W) bool.
        small: Pixels from the threshold on of other regions, (H, W) bool.
    """

    probability: NDArray[np.floating]
    called: NDArray[np.bool_]
    small: NDArray[np.bool_]


@dataclass(frozen=True)
class Shown:
    """A patch: its picture (H, W, 3; 0 to 1), where the class is annotated, what each run makes of it."""

    place: Place
    picture: NDArray[np.floating]
    annotated: NDArray[np.bool_]
    runs: tuple[Seen, ...]


@dataclass(frozen=True)
class Arm:
    """A run with the thresholds that were chosen for it: probability, and least area in µm²."""

    row: Row
    threshold: float
    least_area: float

    def title(self, inches: float) -> str:
        """What heads its column of that width."""
        return f"{wrapped(self.row.label, inches)}\np ≥ {self.threshold:.2f}, {self.least_area:,.0f} µm²"


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    part: str = "val",
    samples: Sequence[str] = (),
    count: int = 2,
) -> FigureResult:
    """Draw patches of annotated slides, the probabilities of each run, and its masks at its own thresholds.

    Args:
        inputs: Run records with their sections and heat-maps, slides with annotations, patch index.
        runs: Runs, one a column; all that call sections by default.
        part: Part of the split whose slides are shown.
        samples: Slides; by default those with the patches that are nearest to half annotated.
        count: Largest number of patches, one a slide, where no slide is named.

    Returns:
        The figure. Its data, by patch and run: sample, y, x, run, threshold, least_area, annotated, called
        and small (shares of the patch), iou (of the annotated and the called pixels).

    Raises:
        ValueError: No annotated slide of the part has a patch with the class, or a slide named has none.
    """
    rows = select_rows([record for record in inputs.runs if record.run in inputs.calls], list(runs) or None)
    arms, positive = [_arm(row) for row in rows], inputs.calls[rows[0].run]["class"]
    places = half_annotated(inputs, rows[0].records[0], positive, part=part, samples=samples, count=count)
    shown = [_look(inputs, place, arms, positive) for place in places]
    size = DOUBLE_COLUMN / (len(arms) + 1)
    titles = ["input", *(arm.title(size - BESIDE) for arm in arms)]
    around = AROUND + LINE * max(title.count("\n") - 1 for title in titles)
    tall = min(2 * len(shown) * size + around, PAGE)
    figure = new_figure(DOUBLE_COLUMN, tall, data_kind=inputs.data_kind)
    grid = figure.subplots(2 * len(shown), len(arms) + 1, squeeze=False)
    for number, one in enumerate(shown):
        _draw_patch(grid[2 * number : 2 * number + 2], one, mpp=_pixel_size(inputs, one.place.sample))
    for name, axes, title in zip(ascii_lowercase, grid[0], titles, strict=False):
        letter(axes, name, title)
    bar = figure.colorbar(grid[0][-1].images[0], ax=list(grid[-1]), orientation="horizontal", **BAR)
    bar.set_label(f"probability of {positive}")
    bar.outline.set_linewidth(0.5)
    figure.legend(handles=_handles(positive), loc="outside lower center", ncols=3, handlelength=1.2)
    data = [_numbers(arm, one, seen) for one in shown for arm, seen in zip(arms, one.runs, strict=True)]
    return FigureResult(figure, pd.DataFrame(data), _caption(inputs, places, positive, part))


def _arm(row: Row) -> Arm:
    """A run and the thresholds that its sections were called with; of several seeds those of the first."""
    sections = read_sections(row.records[0].folder / SECTIONS_NAME).dropna(subset=["threshold"])
    if sections.empty:
        msg = f"run {row.run!r} called no section, so its thresholds are not known; evaluate it again"
        raise ValueError(msg)
    first = sections.iloc[0]
    return Arm(row, float(first["threshold"]), float(first["least_area"]))


def _look(inputs: FigureInputs, place: Place, arms: Sequence[Arm], positive: str) -> Shown:
    """Read what is shown of a patch."""
    files, mpp = inputs.files, _pixel_size(inputs, place.sample)
    target = views.open_raster(views.find_sample(files["targets"], place.sample))
    place = place.within(*target.shape[1:])
    seen = []
    for arm in arms:
        folders = sorted(arm.row.records[0].folder.glob("predictions/*"))
        probability = heat_maps.read_heat(folders, place, positive, mpp=mpp)
        masks = heat_maps.large_regions(
            probability, arm.threshold, arm.least_area, pixel_area=(mpp or 1.0) ** 2
        )
        seen.append(Seen(probability, *masks))
    annotated = heat_maps.read_classes(files["targets"], place) == inputs.class_id(positive)
    return Shown(place, heat_maps.read_picture(files["images"], place), annotated, tuple(seen))


def _pixel_size(inputs: FigureInputs, sample: str) -> float | None:
    """The pixel size of a slide as networks see it, µm."""
    return images.header(views.find_sample(inputs.files["images"], sample)).mpp


def _draw_patch(grid: NDArray, shown: Shown, *, mpp: float | None) -> None:
    """Draw the two rows of a patch: picture and probabilities, annotations and masks."""
    upper, lower = grid
    panels.show_image(upper[0], shown.picture)
    panels.scale_bar(upper[0], shown.picture.shape[1], mpp)
    upper[0].set_ylabel(shown.place.sample)
    panels.show_image(lower[0], shown.picture)
    draw_outline(lower[0], shown.annotated)
    lower[0].set_ylabel("annotated")
    for above, below, seen in zip(upper[1:], lower[1:], shown.runs, strict=True):
        panels.show_image(above, seen.probability, colors=HEAT)
        panels.show_image(below, _painted(shown.picture, seen))
        draw_outline(below, shown.annotated)


def _painted(picture: NDArray, seen: Seen) -> NDArray:
    """The picture in pale grey, below what the run calls and what is too small for that."""
    grey = np.repeat(picture.mean(axis=-1, keepdims=True), 3, axis=-1)
    pale = 1 - FADE * (1 - grey)
    for mask, color in ((seen.called, CALLED), (seen.small, SMALL)):
        pale = np.where(mask[..., None], FADE * grey + (1 - FADE) * np.array(to_rgb(color)), pale)
    return pale


def _handles(positive: str) -> list[Patch | Line2D]:
    return [
        Line2D([], [], color=INK, linewidth=OUTLINE, label=f"annotated {positive}"),
        Patch(color=CALLED, label=f"called {positive}"),
        Patch(color=SMALL, label="region below the least area"),
    ]


def _numbers(arm: Arm, shown: Shown, seen: Seen) -> dict[str, object]:
    both, either = (shown.annotated & seen.called).sum(), (shown.annotated | seen.called).sum()
    shares = {"annotated": shown.annotated, "called": seen.called, "small": seen.small}
    return {
        **{"sample": shown.place.sample, "y": shown.place.y, "x": shown.place.x, "run": arm.row.run},
        **{"threshold": arm.threshold, "least_area": arm.least_area},
        **{name: float(mask.mean()) for name, mask in shares.items()},
        "iou": float(both / either) if either else float("nan"),
    }


def _caption(inputs: FigureInputs, places: Sequence[Place], positive: str, part: str) -> str:
    named = ", ".join(f"{place.sample} (row {place.y}, column {place.x})" for place in places)
    return (
        f"Patches of slides of part {part}, each in two rows: the picture and the probability of {positive} "
        f"by each run; below, the annotated outline, and over it what the run's own thresholds make of the "
        f"probability (regions that the patch cuts count as large enough). Slides: {named}. "
        f"{data_sentence(inputs.data_kind)}"
    )
