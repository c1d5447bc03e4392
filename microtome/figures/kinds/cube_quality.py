# SPDX-License-Identifier: MIT
"""Quality of a hyperspectral cube: picture, mean spectra, and what was invalid, saturated or clipped."""

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import BLUE, GREEN, GREY, ORANGE, VERMILLION
from microtome.figures.parts.panels import scale_bar, show_image
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult

NEEDS = frozenset({"cubes"})
SAMPLE_OPTIONS = ("sample",)
HEIGHT = 4.3
SPECTRA = {"raw": ("specimen", VERMILLION), "blank": ("blank", BLUE), "dark": ("dark", GREY)}
FAULTS = {
    "invalid": ("invalid, filled", VERMILLION),
    "saturated": ("saturated", ORANGE),
    "clipped": ("clipped", BLUE),
    "blank_saturated": ("blank saturated", GREEN),
    "darker": ("darker than dark", GREY),
}
NEEDED = ("sample", "kind", "shape", "wavelengths", "spectra", "picture", *FAULTS)
COLOURS = {"true": "true colours", "stretched": "three bands, stretched"}
LEAST_RANGE = 0.1
"""Per cent; the axis of the shares goes at least so far."""


@styled
def draw(inputs: FigureInputs, *, sample: str = "") -> FigureResult:
    """Draw what the calibration says of a cube.

    Args:
        inputs: Calibrated cubes, whose reports lie beside them.
        sample: Name of the sample; the first by default.

    Returns:
        The figure. Its data: sample, band, wavelength_nm, raw, dark, blank, transmittance (means; empty where
        there is no such recording), invalid, saturated, clipped, blank_saturated, darker (shares of pixels).

    Raises:
        ValueError: There is no cube, none of that name, or its report holds something else.
    """
    report = read_report(inputs.cubes, sample)
    data = _table(report)
    figure = new_figure(DOUBLE_COLUMN, HEIGHT, data_kind=inputs.data_kind)
    panels = figure.subplots(2, 2).ravel()
    _draw_picture(panels[0], report)
    _draw_counts(panels[1], data, report)
    _draw_transmittance(panels[2], data)
    _draw_faults(panels[3], data)
    for axes in panels[1:]:
        axes.set_xlabel(_axis(data)[1])
        axes.set_xlim(panels[2].get_xlim())
    return FigureResult(figure, data, _caption(report, data, inputs.data_kind))


def read_report(cubes: Mapping[str, Path], sample: str = "") -> Mapping[str, Any]:
    """Read what the calibration (`microtome.stages.cubes.calibrate_cubes`) says of a cube, beside it.

    Raises:
        ValueError: There is none, or it lacks something.
    """
    if not cubes or (sample and sample not in cubes):
        msg = f"no cube of sample {sample!r}; those at hand: {sorted(cubes)}; name one of them"
        raise ValueError(msg)
    path = Path(cubes[sample or min(cubes)]).with_suffix(".json")
    if not path.is_file():
        msg = f"{path}: found nothing, expected the report of a calibration: calibrate the cube again"
        raise ValueError(msg)
    report = json.loads(path.read_text(encoding="utf-8"))
    missing = sorted(set(NEEDED) - set(report))
    if missing:
        msg = f"{path} lacks {missing}; expected the report of a calibration: calibrate the cube again"
        raise ValueError(msg)
    return report


def decode_picture(text: str) -> NDArray[np.float64]:
    """Decode the picture in a report, PNG in base64, to (H, W, 3) in 0..1."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(text))) as picture:
        return np.asarray(picture.convert("RGB"), float) / 255


def _table(report: Mapping[str, Any]) -> pd.DataFrame:
    count = report["shape"][0]
    missing = [np.nan] * count
    spectra = {name: report["spectra"].get(name, missing) for name in (*SPECTRA, "transmittance")}
    return pd.DataFrame(
        {
            "sample": report["sample"],
            "band": range(count),
            "wavelength_nm": report["wavelengths"] or missing,
            **spectra,
            **{name: report[name] for name in FAULTS},
        }
    )


def _axis(data: pd.DataFrame) -> tuple[pd.Series, str]:
    """Where bands stand on the x axis, and its label."""
    if data["wavelength_nm"].isna().any():
        return data["band"], "band"
    return data["wavelength_nm"], "wavelength (nm)"


def _draw_picture(axes: Axes, report: Mapping[str, Any]) -> None:
    picture = decode_picture(report["picture"])
    show_image(axes, picture)
    mpp = report.get("mpp")
    scale_bar(axes, picture.shape[1], mpp and mpp * report["shape"][2] / picture.shape[1])
    letter(axes, "a", COLOURS.get(report.get("colours", ""), "picture"))


def _draw_counts(axes: Axes, data: pd.DataFrame, report: Mapping[str, Any]) -> None:
    x, _ = _axis(data)
    for name, (label, tone) in SPECTRA.items():
        if data[name].notna().any():
            axes.plot(x, data[name], color=tone, label=label)
    is_counts = report["kind"] == "counts"
    axes.set_ylabel("mean counts" if is_counts else "mean stored value")
    axes.set_ylim(bottom=0)
    axes.grid(axis="y")
    if is_counts:
        axes.legend(loc="best")
    letter(axes, "b", "before calibration" if is_counts else "as stored (transmittance already)")


def _draw_transmittance(axes: Axes, data: pd.DataFrame) -> None:
    x, _ = _axis(data)
    axes.plot(x, data["transmittance"], color=VERMILLION)
    axes.set_ylim(0, max(1.0, 1.05 * data["transmittance"].max()))
    axes.axhline(1, color=GREY, linewidth=0.5, linestyle=":", zorder=0)
    axes.grid(axis="y")
    axes.set_ylabel("mean transmittance")
    letter(axes, "c", "after calibration")


def _draw_faults(axes: Axes, data: pd.DataFrame) -> None:
    x, _ = _axis(data)
    shown = [name for name in FAULTS if data[name].max() > 0]
    for name in shown:
        label, tone = FAULTS[name]
        axes.plot(x, 100 * data[name], color=tone, label=label)
    axes.set_ylim(0, max(LEAST_RANGE, 105 * data[list(FAULTS)].to_numpy().max()))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y")
    axes.set_ylabel("pixels (%)")
    if shown:
        axes.legend(loc="best")
    else:
        axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes, color=GREY)
    letter(axes, "d", "faults by band")


def _caption(report: Mapping[str, Any], data: pd.DataFrame, kind: str) -> str:
    bands, height, width = report["shape"]
    worst = {name: data[name].max() for name in FAULTS if data[name].max() > 0}
    found = "; ".join(
        f"{FAULTS[name][0]} up to {100 * share:.2f} % of a band" for name, share in worst.items()
    )
    notes = f" Notes: {'; '.join(report['warnings'])}." if report.get("warnings") else ""
    return (
        f"Cube {report['sample']}, {bands} bands of {height}×{width} pixels: (a) picture, (b) mean spectra "
        f"of the recordings, (c) mean transmittance, (d) share of pixels at fault by band: {found or 'none'}."
        f"{notes} {data_sentence(kind)}"
    )
