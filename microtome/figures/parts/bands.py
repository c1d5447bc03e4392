# SPDX-License-Identifier: MIT
"""What figures read of hyperspectral cubes: bands as pictures, mean spectra, the table of chosen bands."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, needed
from microtome.figures.parts.panels import IGNORE
from microtome.io import images
from microtome.io.envi import Cube
from microtome.provenance import tsv

BAND, WAVELENGTH, SCORE, SCORE_SD, CHOSEN = (
    "band", "wavelength_nm", "mutual_information", "mutual_information_sd", "selected",
)  # fmt: skip
COLUMNS = {"mean": SCORE, "sd": SCORE_SD}
"""Columns of ``bands.tsv`` that are called otherwise here."""
STRETCH = (0.5, 99.5)
"""Percentiles of a band between which it is shown."""
SIDE = 320
"""Longest side of a small picture, pixels; larger ones are averaged in blocks."""


def choose_cube(
    inputs: FigureInputs, name: str = "", *, needs: Sequence[str] = ()
) -> tuple[str, SampleSources]:
    """Choose a sample with a calibrated cube.

    Args:
        inputs: Cubes and files of the samples.
        name: Name of the sample; empty for the first, test samples before others.
        needs: What a chosen sample must have beside the cube (see `FigureInputs.sample`).

    Returns:
        Its name and files.

    Raises:
        ValueError: There is no such sample, or none that has what is needed.
    """
    if name and name in inputs.cubes:
        return name, inputs.sources.get(name, SampleSources())
    order = inputs.candidates(needs=needs) if needs else [*inputs.candidates(), *sorted(inputs.cubes)]
    found = [] if name else [key for key in order if key in inputs.cubes]
    if not found:
        wanted = f"of sample {name!r}" if name else f"with {list(needs)}" if needs else "at all"
        msg = f"no calibrated cube {wanted}; the samples with a cube: {sorted(inputs.cubes)}"
        raise ValueError(msg)
    return found[0], inputs.sources.get(found[0], SampleSources())


def read_bands(path: Path | None) -> pd.DataFrame:
    """Read the table of the bands of a study.

    Args:
        path: ``bands.tsv``: ``band`` (from 0), ``wavelength_nm``, ``mean`` and ``sd`` of the mutual
            information over the training samples (nats), ``selected`` (0 or 1).

    Returns:
        `BAND`, `WAVELENGTH`, `SCORE`, `SCORE_SD` and `CHOSEN`, the last as bool.

    Raises:
        ValueError: There is no table, it lacks a column, or no band is chosen.
    """
    if path is None:
        msg = "the figure has no table of chosen bands; select bands (`cubes.bands` of the study) first"
        raise ValueError(msg)
    frame = tsv.read(path).rename(columns=COLUMNS)
    missing = [column for column in (BAND, WAVELENGTH, SCORE, SCORE_SD, CHOSEN) if column not in frame]
    if missing:
        msg = f"{path} lacks {missing}; it holds {list(frame.columns)}; select the bands again"
        raise ValueError(msg)
    chosen = frame[CHOSEN].astype(int).astype(bool)
    if not chosen.any():
        msg = f"{path} marks no band as chosen; select the bands again"
        raise ValueError(msg)
    return frame.assign(**{CHOSEN: chosen})


def chosen_bands(table: pd.DataFrame, cube: Cube) -> list[int]:
    """Give the chosen bands of a cube by the table of `read_bands`: indices from 0, ascending.

    Raises:
        ValueError: The cube has no such band.
    """
    bands = sorted(int(band) for band in table.loc[table[CHOSEN], BAND])
    if bands[-1] >= cube.bands:
        msg = f"{cube.path} has {cube.bands} bands, the chosen ones go up to {bands[-1]}; select them again"
        raise ValueError(msg)
    return bands


def band_axis(cube: Cube) -> tuple[NDArray[np.float64], str]:
    """Give the positions of the bands on an axis (wavelengths in nm, else indices), and its label."""
    if cube.wavelengths is None:
        return np.arange(cube.bands, dtype=float), "band"
    return np.asarray(cube.wavelengths, float), "wavelength (nm)"


def band_title(cube: Cube, band: int) -> str:
    """Name a band (index from 0) by its wavelength, e.g. ``"670 nm"``, or by its index."""
    return f"band {band}" if cube.wavelengths is None else f"{cube.wavelengths[band]:.0f} nm"


def check_band(cube: Cube, band: int) -> None:
    """Check that a cube has a band.

    Raises:
        ValueError: It has not.
    """
    if not 0 <= band < cube.bands:
        msg = f"{cube.path} has the bands 0 to {cube.bands - 1}, not {band}; name one of them"
        raise ValueError(msg)


def read_target(sources: SampleSources, sample: str, cube: Cube) -> NDArray:
    """Read the (H, W) class ids of the pixels of a cube.

    Raises:
        ValueError: There is no target, or it has another size.
    """
    target = images.read(needed(sources, "target", sample))
    if target.shape != cube.shape[1:]:
        found = f"a target of {target.shape}, a cube of {cube.shape[1:]}"
        msg = f"sample {sample!r}: sizes differ, {found} pixels; register and rasterize it again"
        raise ValueError(msg)
    return target


def class_spectra(cube: Cube, target: NDArray, classes: int) -> NDArray[np.float64]:
    """Average the spectra of the pixels of each class, band by band: (classes, bands).

    Unlabelled pixels of the target (H, W) and values that are not finite are left out; NaN for a class
    without pixels.
    """
    labelled = target != IGNORE
    labels = target[labelled].astype(np.intp)
    found = np.empty((classes, cube.bands))
    for band in range(cube.bands):
        values = cube.read_band(band)[labelled]
        measured = np.isfinite(values)
        counts = np.bincount(labels[measured], minlength=classes)[:classes]
        sums = np.bincount(labels[measured], weights=values[measured], minlength=classes)[:classes]
        found[:, band] = sums / np.where(counts > 0, counts, np.nan)
    return found


def mean_blank(cube: Path) -> NDArray[np.float64] | None:
    """Read the mean (bands,) of the white reference from the report beside a cube's header, if any."""
    path = cube.with_suffix(".json")
    if not path.is_file():
        return None
    spectrum = json.loads(path.read_text(encoding="utf-8")).get("spectra", {}).get("blank")
    return None if spectrum is None else np.array(spectrum, float)


def stretched(picture: NDArray) -> NDArray[np.float64]:
    """Stretch a picture (H, W) to its own percentiles, to 0..1 for display; zeros where nothing varies.

    Example:
        >>> stretched(np.array([[2.0, 4.0]])).tolist()
        [[0.0, 1.0]]
    """
    values = np.asarray(picture, float)
    low, high = np.percentile(values, STRETCH)
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)


def shrink(picture: NDArray, side: int = SIDE) -> NDArray[np.float64]:
    """Average blocks of pixels until a picture, (H, W) or (H, W, C), is no larger than a side.

    A rest at the edges is left out.

    Example:
        >>> shrink(np.array([[0.0, 2.0], [4.0, 6.0]]), side=1).tolist()
        [[3.0]]
    """
    factor = -(-max(picture.shape[:2]) // side)
    if factor == 1:
        return np.asarray(picture, float)
    height, width = (max(length // factor, 1) for length in picture.shape[:2])
    cut = np.asarray(picture, float)[: height * factor, : width * factor]
    return cut.reshape(height, -1, width, cut.shape[1] // width, *cut.shape[2:]).mean(axis=(1, 3))
