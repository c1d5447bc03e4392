# SPDX-License-Identifier: MIT
"""Calibration and choice of bands: class spectra, one band before and after, mutual information by band."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources
from microtome.figures.parts import bands
from microtome.figures.parts.colors import BLUE, GREY, INK, LIGHT, OF_INTEREST, OF_REST
from microtome.figures.parts.panels import pixel_size, scale_bar, show_image
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io.envi import Cube, open_cube

NEEDS = frozenset({"bands", "cubes", "images"})
SAMPLE_OPTIONS = ("sample",)
BAND_SHOWN = 20
"""The band of the publication's figure 1 d, and the one its labels were drawn on."""
WHOLE = "the whole field"
HEIGHT = 1.85
PLOT, PICTURE = 1.55, 1.0
"""Widths of plots and pictures, relative."""
BAR = 0.86
NAMES = {"before": "raw", "after": "calibrated"}
LEGEND = {"columnspacing": 0.9, "borderaxespad": 0.1, "handlelength": 1.6, "handletextpad": 0.5}
DASHES = {"before": "--", "after": "-"}


@dataclass(frozen=True)
class _Opened:
    """Cubes of one sample, and its class spectra.

    Attributes:
        classes: Names of the classes; of a sample without a label, one for the whole field.
        after: Calibrated cube.
        before: Raw cube, or None.
        transmittance: (classes, bands), calibrated.
        raw: (classes, bands), as recorded, or None.
        blank: (bands,) mean of the white reference, or None.
    """

    classes: tuple[str, ...]
    after: Cube
    before: Cube | None
    transmittance: NDArray[np.float64]
    raw: NDArray[np.float64] | None
    blank: NDArray[np.float64] | None

    @property
    def is_compared(self) -> bool:
        """Whether spectra from before and after calibration stand on one scale."""
        return self.raw is not None and self.blank is not None


@styled
def draw(
    inputs: FigureInputs, *, sample: str = "", band: int = BAND_SHOWN, mpp: float | None = None
) -> FigureResult:
    """Draw what calibration does to the spectra and to one band of a sample, and the scores of all bands.

    Args:
        inputs: Calibrated cubes with their reports, raw ones where there are any, targets, the table of
            bands.
        sample: The sample; by default the first test sample with a cube, those with a target first. Without
            a target the spectra are those of the whole field.
        band: The band that is shown, from 0.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure; panels without data (raw cube, table of bands) are left out. Its data, one row per band:
        wavelength, mean of each class before calibration (``raw_…``), after it (``transmittance_…``) and
        times the mean blank (``calibrated_…``), the blank, score, chosen.

    Raises:
        ValueError: There is no cube, the band is none of its bands, or sizes differ.
    """
    labelled = any(inputs.sources[key].target for key in inputs.cubes if key in inputs.sources)
    name, sources = bands.choose_cube(inputs, sample, needs=("target",) if labelled and not sample else ())
    cube = open_cube(inputs.cubes[name])
    bands.check_band(cube, band)
    opened = _open(inputs, name, cube, sources)
    data = _data(inputs, opened, name)
    pictures = [(what, item) for what, item in (("before", opened.before), ("after", cube)) if item]
    has_scores = bands.SCORE in data
    ratios = [PLOT] * (1 + has_scores) + [PICTURE * cube.width / cube.height] * len(pictures)
    figure = new_figure(DOUBLE_COLUMN, HEIGHT, data_kind=inputs.data_kind)
    panels = list(figure.subplots(1, len(ratios), width_ratios=ratios, squeeze=False)[0])
    _draw_spectra(panels[0], data, cube, opened, inputs)
    if has_scores:
        _draw_scores(panels[1], data, cube)
    for axes, (what, shown) in zip(panels[1 + has_scores :], pictures, strict=True):
        picture = bands.shrink(bands.stretched(shown.read_band(band)))
        show_image(axes, picture)
        letter(axes, chr(ord("a") + panels.index(axes)), f"{bands.band_title(cube, band)}, {NAMES[what]}")
    size = None if sources.image is None else pixel_size(sources.image, mpp)
    last = panels[-1]
    scale_bar(last, picture.shape[1], size and size * cube.width / picture.shape[1])
    caption = _caption(inputs, name, band, cube, data, opened)
    return FigureResult(figure, data, caption)


def _open(inputs: FigureInputs, name: str, cube: Cube, sources: SampleSources) -> _Opened:
    classes = inputs.classes if sources.target else (WHOLE,)
    target = (
        bands.read_target(sources, name, cube) if sources.target else np.zeros((cube.height, cube.width), int)
    )
    count = len(classes)
    raw = open_cube(inputs.raw_cubes[name]) if name in inputs.raw_cubes else None
    blank = bands.mean_blank(inputs.cubes[name])
    if blank is not None and blank.size != cube.bands:
        found = f"the report has {blank.size} bands of the blank, the cube {cube.bands}"
        msg = f"sample {name!r}: {found}; calibrate it again"
        raise ValueError(msg)
    if raw is not None and raw.shape != cube.shape:
        found = f"the raw cube is {raw.shape}, the calibrated one {cube.shape}"
        msg = f"sample {name!r}: {found}; calibrate again"
        raise ValueError(msg)
    return _Opened(
        classes=classes,
        after=cube,
        before=raw,
        transmittance=bands.class_spectra(cube, target, count),
        raw=None if raw is None else bands.class_spectra(raw, target, count),
        blank=blank,
    )


def _data(inputs: FigureInputs, opened: _Opened, name: str) -> pd.DataFrame:
    cube = opened.after
    columns: dict[str, object] = {"sample": name, bands.BAND: np.arange(cube.bands)}
    if cube.wavelengths is not None:
        columns[bands.WAVELENGTH] = np.asarray(cube.wavelengths)
    for index, class_name in enumerate(opened.classes):
        columns[f"transmittance_{class_name}"] = opened.transmittance[index]
        if opened.raw is not None:
            columns[f"raw_{class_name}"] = opened.raw[index]
        if opened.blank is not None:
            columns[f"calibrated_{class_name}"] = opened.transmittance[index] * opened.blank
    if opened.blank is not None:
        columns["blank"] = opened.blank
    frame = pd.DataFrame(columns)
    if inputs.bands is None:
        return frame
    table = bands.read_bands(inputs.bands).set_index(bands.BAND)
    found = table.reindex(frame[bands.BAND])
    scores = {name: found[name].to_numpy(float) for name in (bands.SCORE, bands.SCORE_SD)}
    is_chosen = np.isin(frame[bands.BAND], table.index[table[bands.CHOSEN]])
    return frame.assign(**scores, **{bands.CHOSEN: is_chosen})


def _line_colors(inputs: FigureInputs, names: Sequence[str]) -> dict[str, str]:
    """Colour by class; white would not be seen, so that two classes in black and white have others."""
    if names == (WHOLE,):
        return {WHOLE: INK}
    lines = {name: OF_INTEREST if name == inputs.shown_class else OF_REST for name in names}
    return lines if inputs.is_plain else inputs.palette


def _draw_spectra(axes: Axes, data: pd.DataFrame, cube: Cube, opened: _Opened, inputs: FigureInputs) -> None:
    places, label = bands.band_axis(cube)
    kinds = {"before": "raw", "after": "calibrated"} if opened.is_compared else {"after": "transmittance"}
    colors = _line_colors(inputs, opened.classes)
    for name, color in colors.items():
        for what, column in kinds.items():
            axes.plot(places, data[f"{column}_{name}"], color=color, linestyle=DASHES[what])
    axes.set(xlabel=label, ylabel="digital number" if opened.is_compared else "transmittance")
    axes.set_ylim(bottom=0)
    axes.set_ylim(top=axes.get_ylim()[1] * 1.32)
    handles = [Line2D([], [], color=color, label=name) for name, color in colors.items()]
    texts = {"before": "raw", "after": "calibrated × blank"}
    if opened.is_compared:
        handles += [Line2D([], [], color=GREY, linestyle=DASHES[w], label=texts[w]) for w in kinds]
    axes.legend(handles=handles, loc="upper right", ncols=2, fontsize=SMALL, **LEGEND)
    letter(axes, "a", "mean spectra")


def _draw_scores(axes: Axes, data: pd.DataFrame, cube: Cube) -> None:
    places, label = bands.band_axis(cube)
    width = BAR * (np.abs(np.diff(places)).min() if places.size > 1 else 1.0)
    colors = np.where(data[bands.CHOSEN], BLUE, LIGHT)
    axes.bar(places, data[bands.SCORE], width=width, color=colors, linewidth=0)
    axes.set(xlabel=label, ylabel="mutual information (nats)")
    axes.errorbar(places, data[bands.SCORE], data[bands.SCORE_SD], fmt="none", ecolor=GREY, elinewidth=0.5)
    axes.set_ylim(0, float((data[bands.SCORE] + data[bands.SCORE_SD]).max()) * 1.22)
    handles = [Patch(facecolor=BLUE, label="chosen"), Patch(facecolor=LIGHT, label="other")]
    axes.legend(handles=handles, loc="upper right", ncols=2, handlelength=1.0, borderaxespad=0.1)
    letter(axes, "b", "score of each band")


def _caption(
    inputs: FigureInputs, name: str, band: int, cube: Cube, data: pd.DataFrame, opened: _Opened
) -> str:
    names = " and ".join(opened.classes)
    compared = " before (dashed) and after calibration, the latter times the mean blank for display"
    spectra = f"Mean spectra of {names} in sample {name}{compared if opened.is_compared else ', calibrated'}"
    scores = ""
    if bands.SCORE in data:
        chosen = data.loc[data[bands.CHOSEN], bands.BAND].tolist()
        ends = f"{bands.band_title(cube, chosen[0])} to {bands.band_title(cube, chosen[-1])}"
        scores = "; mean mutual information of each band and the first principal component over the "
        scores += "samples that bands are chosen by (lines: standard deviation), "
        scores += f"{len(chosen)} chosen bands ({ends}) in blue"
    both = " before and after" if opened.before is not None else " after"
    shown = f"; band {band}{both} calibration, each stretched to its own percentiles"
    return f"{spectra}{scores}{shown}. {data_sentence(inputs.data_kind)}"
