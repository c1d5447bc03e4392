# SPDX-License-Identifier: MIT
"""Stain vectors of all images before and after normalization: their directions and angles to the target."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from microtome import stain
from microtome.figures.inputs import FigureInputs, SampleSources
from microtome.figures.kinds.stain_panels import read_target, stain_name, without_target
from microtome.figures.parts.colors import BLUE, GREY, INK, PURPLE
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images

NEEDS = frozenset({"images", "stains"})
USES = frozenset({"groups"})
STAIN_OPTIONS = ("stain",)
STAINS = ("H", "E")
TONES = {"H": BLUE, "E": PURPLE}
NAMES = {"H": "haematoxylin", "E": "eosin"}
BEFORE, AFTER = "before", "after"
HEIGHT = 2.5
SPREAD = 0.16
"""Half the width over which the images of a group are spread, in distances of two groups."""
SHIFTS = {BEFORE: -0.18, AFTER: 0.18}
METHODS = ("spcn", "macenko")
"""Methods whose vectors can be found again on the normalized images."""


@styled
def draw(inputs: FigureInputs, *, stain: str = "") -> FigureResult:
    """Draw the stain vectors of all images that a stain normalization reports on.

    The vectors before are those of the reports; those after are found anew on the normalized images, so that
    they show what normalization did rather than what it meant to do.

    Args:
        inputs: Reports, normalized images, groups, and the target's profile.
        stain: Name of the stain normalization; the only or first by default.

    Returns:
        The figure. Its data: sample, group, stain (H or E), when (before or after), the vector's optical
        density in red, green and blue, its angle to the target's vector in degrees.

    Raises:
        ValueError: There is no such stain normalization, its method has no stain vectors, or there is no
            report.
    """
    name = stain_name(inputs, stain)
    content = read_target(inputs.stain_targets[name])
    profile = content["profile"]
    if "stain_matrix" not in profile:
        msg = f"stain normalization {name!r} ({profile.get('method')}) has no stain vectors to draw"
        raise ValueError(msg)
    target = np.asarray(profile["stain_matrix"], float)
    data = _data(without_target(inputs, content["target"]), name, target, profile)
    figure = new_figure(DOUBLE_COLUMN, HEIGHT, data_kind=inputs.data_kind)
    panels = figure.subplots(1, 3, width_ratios=(1.0, 1.25, 1.25))
    panels[2].sharey(panels[1])
    _draw_directions(panels[0], data, target)
    letter(panels[0], "a", "stain vectors")
    for axes, each, key in zip(panels[1:], STAINS, "bc", strict=True):
        _draw_angles(axes, data[data["stain"] == each], TONES[each])
        letter(axes, key, f"{NAMES[each]}: angle to the target")
    panels[1].set_ylabel("degrees")
    panels[1].set_ylim(-0.03 * data["angle"].max(), 1.06 * data["angle"].max())
    figure.legend(handles=_handles(), loc="outside lower center", ncols=5, columnspacing=1.4)
    return FigureResult(figure, data, _caption(inputs, data, name))


def angle(first: np.ndarray, second: np.ndarray) -> float:
    """Give the angle between two vectors (3,), degrees.

    Example:
        >>> round(angle(np.array([1.0, 0, 0]), np.array([1.0, 1.0, 0])))
        45
    """
    cosine = float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _data(inputs: FigureInputs, name: str, target: np.ndarray, profile: Mapping[str, Any]) -> pd.DataFrame:
    rows = []
    for sample, sources in sorted(inputs.sources.items()):
        if name in sources.stain_reports:
            group = inputs.groups.get(sample, "")
            for when, matrix in _matrices(sources, name, profile).items():
                rows += [
                    _row(sample, group, each, when, matrix[i], target[i]) for i, each in enumerate(STAINS)
                ]
    if not rows:
        msg = f"no image has a report with stain vectors of {name!r}; normalize the images of the study"
        raise ValueError(msg)
    return pd.DataFrame(rows)


def _matrices(sources: SampleSources, name: str, profile: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The stain vectors of an image before and, where they can be found, after."""
    report = json.loads(sources.stain_reports[name].read_text(encoding="utf-8"))
    if "source" not in report:  # an image that was left unchanged
        return {}
    found = {BEFORE: np.asarray(report["source"]["stain_matrix"], float)}
    if profile.get("method") in METHODS:
        try:
            image = images.read(sources.normalized[name])
            again = stain.fit_target(image, profile["method"], **profile["parameters"])
        except stain.StainError:
            return found
        found[AFTER] = np.asarray(again.stain_matrix)
    return found


def _row(
    sample: str, group: str, each: str, when: str, vector: np.ndarray, target: np.ndarray
) -> dict[str, object]:
    colours = dict(zip(("red", "green", "blue"), map(float, vector), strict=True))
    head = {"sample": sample, "group": group, "stain": each, "when": when}
    return {**head, **colours, "angle": angle(vector, target)}


def _draw_directions(axes: Axes, data: pd.DataFrame, target: np.ndarray) -> None:
    for index, each in enumerate(STAINS):
        for when, face in ((BEFORE, "none"), (AFTER, TONES[each])):
            chosen = data[(data["stain"] == each) & (data["when"] == when)]
            style = {"s": 14, "facecolors": face, "edgecolors": TONES[each], "linewidths": 0.7, "alpha": 0.85}
            axes.scatter(chosen["red"], chosen["blue"], **style)
        axes.plot(*target[index, [0, 2]], marker="+", color=INK, markersize=7, markeredgewidth=1.2)
    axes.set_xlabel("red optical density")
    axes.set_ylabel("blue optical density")
    axes.margins(0.12)
    axes.grid()
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _draw_angles(axes: Axes, data: pd.DataFrame, tone: str) -> None:
    groups = sorted(data["group"].unique())
    for position, group in enumerate(groups):
        for when, face in ((BEFORE, "none"), (AFTER, tone)):
            angles = data.loc[(data["group"] == group) & (data["when"] == when), "angle"].to_numpy()
            spread = np.linspace(-SPREAD, SPREAD, angles.size) if angles.size > 1 else np.zeros(angles.size)
            places = position + SHIFTS[when] + spread / 2
            axes.scatter(places, angles, s=14, facecolors=face, edgecolors=tone, linewidths=0.7)
            if angles.size > 1:
                middle = position + SHIFTS[when]
                axes.hlines(np.median(angles), middle - SPREAD, middle + SPREAD, color=GREY, linewidth=0.9)
    tall = len(groups) > 4
    names = [group or "all" for group in groups]
    axes.set_xticks(range(len(groups)), names, rotation=35 if tall else 0, ha="right" if tall else "center")
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.grid(axis="y")


def _handles() -> list[Line2D]:
    dot = {"marker": "o", "linestyle": "none"}
    stains = [Line2D([], [], color=TONES[each], label=NAMES[each], **dot) for each in STAINS]
    faces = {"before": "none", "after, found anew": GREY}
    times = [Line2D([], [], color=GREY, mfc=face, label=text, **dot) for text, face in faces.items()]
    return [*stains, *times, Line2D([], [], color=INK, marker="+", linestyle="none", label="target")]


def _caption(inputs: FigureInputs, data: pd.DataFrame, name: str) -> str:
    medians = data.groupby(["stain", "when"])["angle"].median()
    parts = []
    for each in STAINS:
        values = [f"{medians[each, when]:.1f}° {when}" for when in (BEFORE, AFTER) if (each, when) in medians]
        parts.append(f"{NAMES[each]} {', '.join(values)}")
    return (
        f"Stain vectors of {data['sample'].nunique()} images before and after normalization ({name}). "
        "(a) Red and blue optical density of the vectors. (b, c) Angle to the target's vector by group, a "
        f"line at the median of a group; median over all images: {'; '.join(parts)}. After: found anew on "
        f"the normalized images. The target itself is left out. {data_sentence(inputs.data_kind)}"
    )
