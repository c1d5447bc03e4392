# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: calibration, band scores, the choice of bands, and the bands that networks see."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microtome.cubes import band_selection, calibration, rgb
from microtome.cubes.calibration_band import fill_invalid
from microtome.files import finished_file, finished_folder, write_json
from microtome.io import images, views
from microtome.io.envi import Cube, open_cube
from microtome.provenance import tsv
from microtome.study.modalities.cubes import REFERENCES

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
Row = Mapping[str, Any]

THUMBNAIL = 320
"""Longer side of the picture in the quality report, pixels, at most."""
SHARED = "shared_"
"""Prefix of the columns that hold what a band shares with each band."""
SCORES = ("sample", "band", "wavelength_nm", "mutual_information", "loading", "explained")
WAVELENGTH_TOLERANCE = 1.0
"""nm; cubes whose bands differ by more are not of one study."""


class BandError(ValueError):
    """Score tables or cubes do not go together; the message says how, and the remedy."""


def calibrate_cubes(options: Options, rows: Sequence[Row], root: Path, folder: Path) -> None:
    """Calibrate the cubes of a batch.

    Args:
        options: ``calibrated``, ``scale``, ``full_scale``, ``scale_exposure`` (`config.modalities.cubes`);
            ``rendered``, the samples that get a picture, ``{sample}.tif``, RGB uint8.
        rows: Rows with sample, cube, `REFERENCES` (paths or None), and mpp if known.
        root: Folder that the rows' paths start from.
        folder: Gets ``{sample}.hdr`` and ``.img`` (transmittance, BSQ float32), and ``{sample}.json``
            (see `calibration.Quality.as_json`, with ``sample``, ``kind``, ``mpp`` and ``picture``, a PNG in
            base64).

    Raises:
        CubeError: A file cannot be read.
        CalibrationError: References do not fit.
    """
    with finished_folder(folder) as partial:
        for row in rows:
            target = views.place(partial, row["sample"], ending=views.CUBE)
            quality = _calibrated(options, row, root, target)
            cube = open_cube(target)
            step = max(1, -(-max(cube.height, cube.width) // THUMBNAIL))
            report = {
                "sample": row["sample"],
                "kind": "transmittance" if options["calibrated"] else "counts",
                "mpp": row.get("mpp"),
                **quality.as_json(),
                "picture": _as_text(rgb.render(cube, step=min(step, cube.height, cube.width))),
                "colours": "true" if rgb.covers_visible(cube.wavelengths) else "stretched",
            }
            write_json(partial / f"{row['sample']}.json", report)
            if row["sample"] in options.get("rendered", ()):
                picture = np.moveaxis(rgb.render(cube), -1, 0)
                images.write(views.place(partial, row["sample"]), picture, mpp=row.get("mpp"))
            logger.info("%s: %s, %s", row["sample"], cube.shape, "; ".join(quality.warnings) or "no warnings")


def score_batch(options: Options, cubes: Path, path: Path) -> None:
    """Score the bands of every cube in a folder by their mutual information with the first component.

    Args:
        options: ``bins``, ``method`` (see `config.modalities.cubes`).
        cubes: Folder of calibrated cubes.
        path: Table with sample, band, wavelength_nm, mutual_information (nats), loading, explained; for the
            method ``top`` also what the band shares with each band, ``shared_0`` and on.
    """
    frames = []
    for sample, header in views.samples(cubes, ending=views.CUBE).items():
        cube = open_cube(header)
        values = cube.read()
        component = band_selection.principal_component(values)
        scores = band_selection.mutual_information(values, component.score, options["bins"])
        frame = pd.DataFrame(
            {
                "sample": sample,
                "band": range(cube.bands),
                "wavelength_nm": cube.wavelengths or np.nan,
                "mutual_information": scores,
                "loading": component.loading,
                "explained": component.explained,
            }
        )
        if options["method"] == "top":
            shared = band_selection.shared_information(values, options["bins"])
            names = [f"{SHARED}{band}" for band in range(cube.bands)]
            frame = pd.concat([frame, pd.DataFrame(shared, columns=names)], axis=1)
        frames.append(frame)
        logger.info("%s: best band %d, %.0f%% explained", sample, scores.argmax(), 100 * component.explained)
    if not frames:
        msg = f"{cubes}: found no cube (*.hdr), expected at least one; calibrate the batch first"
        raise BandError(msg)
    with finished_file(path) as partial:
        pd.concat(frames, ignore_index=True).to_csv(partial, sep="\t", index=False, float_format="%.10g")


def select_bands(options: Options, tables: Sequence[Path], samples: Sequence[str], path: Path) -> None:
    """Choose the bands by the scores of the training samples.

    Args:
        options: ``method``, ``width``, ``first``, ``penalty`` (see `config.modalities.cubes`).
        tables: Tables of `score_batch`.
        samples: Training samples; others are not looked at.
        path: Table with band, wavelength_nm, mean and sd of the mutual information over the samples
            (population sd), and selected (0 or 1).

    Raises:
        BandError: A sample has no scores, or samples have different bands.
    """
    scores = pd.concat([tsv.read(table) for table in tables])
    missing = sorted(set(samples) - set(scores["sample"]))
    if missing or not samples:
        found = f"no scores of {', '.join(missing)}" if missing else "no training sample"
        msg = f"found {found}, expected scores of every training sample; name their cubes in the sample sheet"
        raise BandError(msg)
    groups = [scores[scores["sample"] == name].sort_values("band", ignore_index=True) for name in samples]
    for sample, group in zip(samples, groups, strict=True):
        _check_bands(samples[0], groups[0], sample, group)
    values = np.stack([group["mutual_information"] for group in groups])
    chosen = _choose(options, values.mean(0), groups)
    frame = pd.DataFrame(
        {
            "band": groups[0]["band"],
            "wavelength_nm": np.mean([group["wavelength_nm"] for group in groups], axis=0),
            "mean": values.mean(0),
            "sd": values.std(0),
            "selected": groups[0]["band"].isin(chosen).astype(int),
        }
    )
    with finished_file(path) as partial:
        frame.to_csv(partial, sep="\t", index=False, float_format="%.10g")
    waves = frame.loc[frame["selected"] == 1, "wavelength_nm"]
    logger.info("bands %s, %.1f to %.1f nm, %d samples", chosen, waves.min(), waves.max(), len(samples))


def cut_batch(cubes: Path, table: Path, folder: Path) -> None:
    """Write the bands of calibrated cubes that `select_bands` chose (its table) as images.

    `folder` gets ``{sample}.tif``, (C, H, W) float32 transmittance, channels named by wavelength, stored row
    by row without compression.

    Raises:
        BandError: A cube has other bands than the table.
    """
    with finished_folder(folder) as partial:
        for sample, header in views.samples(cubes, ending=views.CUBE).items():
            mpp = json.loads(header.with_suffix(".json").read_text(encoding="utf-8"))["mpp"]
            _write_bands(views.place(partial, sample), open_cube(header), table, mpp=mpp)


def cut_raw_batch(options: Options, rows: Sequence[Row], root: Path, table: Path, folder: Path) -> None:
    """Write the chosen bands of raw cubes as images, counts divided by the camera's largest value.

    Args:
        options: ``full_scale``; where the cubes are transmittance (``calibrated``), ``scale`` instead.
        rows: Rows with sample, cube, and mpp if known.
        root: Folder that the rows' paths start from.
        table: Table of `select_bands`.
        folder: Gets images as of `cut_batch`.

    Raises:
        BandError: As `cut_batch`.
    """
    with finished_folder(folder) as partial:
        for row in rows:
            cube = open_cube(root / row["cube"])
            scale = options["full_scale"]
            if options["calibrated"]:
                scale = calibration.scale_of(cube, options["scale"])
            _write_bands(views.place(partial, row["sample"]), cube, table, mpp=row.get("mpp"), scale=scale)


def _calibrated(options: Options, row: Row, root: Path, target: Path) -> calibration.Quality:
    raw = root / row["cube"]
    if options["calibrated"]:
        return calibration.scale_files(raw, target, scale=options["scale"])
    files = {name: root / row[name] for name in REFERENCES if row.get(name)}
    if "blank" not in files:
        remedy = "name it, or set `calibrated: true` if the cubes are transmittance already"
        where = f"sample {row['sample']}"
        raise calibration.CalibrationError(where, "no blank reference", "one in the column `blank`", remedy)
    chosen = {name: options[name] for name in ("full_scale", "scale_exposure")}
    return calibration.calibrate_files(raw, target=target, **{"dark": None} | files | chosen)


def _as_text(picture: np.ndarray) -> str:
    """A picture as PNG in base64."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def _check_bands(first: str, expected: pd.DataFrame, sample: str, found: pd.DataFrame) -> None:
    same = list(found["band"]) == list(expected["band"])
    apart = same and (found["wavelength_nm"] - expected["wavelength_nm"]).abs().max() > WAVELENGTH_TOLERANCE
    if not same or apart:
        wrong = f"sample {sample}: found {_span(found)}, expected {_span(expected)} as in sample {first}"
        msg = f"{wrong}; a study takes cubes of one camera setting with the same bad bands (bbl)"
        raise BandError(msg)


def _span(frame: pd.DataFrame) -> str:
    waves = frame["wavelength_nm"]
    return f"{len(frame)} bands from {waves.iloc[0]:g} to {waves.iloc[-1]:g} nm"


def _choose(options: Options, scores: np.ndarray, groups: Sequence[pd.DataFrame]) -> list[int]:
    width, method = options["width"], options["method"]
    if width > len(scores):
        msg = f"found {len(scores)} bands, expected at least `width` = {width}; set a smaller width"
        raise BandError(msg)
    if method == "window":
        return list(band_selection.best_window(scores, width))
    if method == "top":
        names = [f"{SHARED}{band}" for band in range(len(scores))]
        if not set(names) <= set(groups[0].columns):
            msg = "found no shared information, expected it for `method: top`; score the bands again"
            raise BandError(msg)
        shared = np.mean([group[names].to_numpy() for group in groups], axis=0)
        return band_selection.top_bands(scores, width, shared, penalty=options["penalty"])
    first = options["first"]
    if first + width > len(scores):
        wanted = f"at least {first + width} for `first` = {first} and `width` = {width}"
        msg = f"found {len(scores)} bands, expected {wanted}; pin other bands"
        raise BandError(msg)
    return list(range(first, first + width))


def _write_bands(path: Path, cube: Cube, table: Path, *, mpp: float | None, scale: float = 1.0) -> None:
    frame = tsv.read(table)
    known = frame["wavelength_nm"] if cube.wavelengths is None else np.array(cube.wavelengths)
    if len(frame) != cube.bands or (frame["wavelength_nm"] - known).abs().max() > WAVELENGTH_TOLERANCE:
        found = (
            _span(pd.DataFrame({"wavelength_nm": known}))
            if len(frame) == cube.bands
            else f"{cube.bands} bands"
        )
        wrong = f"{cube.path}: found {found}, expected {_span(frame)} as in {table}"
        msg = f"{wrong}; the cubes of a study must have the same bands"
        raise BandError(msg)
    chosen = frame[frame["selected"] == 1]
    names = [
        f"band {band}" if np.isnan(wave) else f"{wave:g} nm"
        for band, wave in zip(chosen["band"], chosen["wavelength_nm"], strict=True)
    ]
    values = np.stack([_filled(cube.read_band(int(band)).astype(np.float32)) for band in chosen["band"]])
    # As they are and row by row: noise packs badly, and training reads windows of all bands at once.
    plain = {"compression": "none", "tile": None}
    images.write(path, values / np.float32(scale), mpp=mpp, channels=names, **plain)


def _filled(band: np.ndarray) -> np.ndarray:
    """A band whose pixels without a measurement have the median of their neighbours."""
    valid = np.isfinite(band)
    return band if valid.all() else fill_invalid(band, valid)
