# SPDX-License-Identifier: MIT
"""Bad bands and ignored values from the recorded cube to the bands that networks see."""

import json

import numpy as np
import pandas as pd
import pytest

from microtome.io import images
from microtome.io.envi import open_cube
from microtome.stages import cubes
from microtome.stages.cubes import BandError
from tests.stages.test_cubes import BANDS, CALIBRATE, FIRST, SCORE, SELECT, WIDTH, recording
from tests.synthetic_cubes import braces, write_envi

BAD = (0, FIRST + 1, BANDS - 1)
"""The second lies among the bands with tissue."""
MARKS = "{" + ", ".join(str(int(band not in BAD)) for band in range(BANDS)) + "}"
KEPT = [band for band in range(BANDS) if band not in BAD]


def write(folder, name, made, **fields):
    """The recording, its bad bands full of nonsense, and one pixel that was not measured."""
    raw = made.raw.copy()
    raw[list(BAD)] = 4000
    raw[FIRST, 2, 3] = 0
    waves = {"wavelength": braces(made.wavelengths), "wavelength_units": "nm"}
    write_envi(folder / f"{name}.hdr", raw, **waves, data_ignore_value=0, **fields)
    for kind in ("dark", "blank"):
        write_envi(folder / f"{name}-{kind}.hdr", getattr(made, kind), **waves)
    return {"sample": name, "cube": f"{name}.hdr", "dark": f"{name}-dark.hdr", "blank": f"{name}-blank.hdr"}


def test_what_is_marked_bad_reaches_no_network(tmp_path):
    made = [recording(number) for number in range(2)]
    rows = [write(tmp_path, f"s{number}", one, bbl=MARKS) for number, one in enumerate(made)]
    cubes.calibrate_cubes(CALIBRATE | {"scale": None}, rows, tmp_path, tmp_path / "cubes")
    cube, report = open_cube(tmp_path / "cubes/s0.hdr"), json.loads((tmp_path / "cubes/s0.json").read_text())
    assert cube.wavelengths == tuple(made[0].wavelengths[band] for band in KEPT)
    assert len(report["spectra"]["blank"]) == cube.bands == len(KEPT)
    assert f"left out: bands {', '.join(map(str, BAD))} of the file" in " ".join(report["warnings"])
    assert report["invalid"][KEPT.index(FIRST)] == pytest.approx(1 / made[0].raw[0].size)
    cubes.score_batch(SCORE, tmp_path / "cubes", tmp_path / "scores.tsv")
    cubes.select_bands(SELECT, [tmp_path / "scores.tsv"], ["s0", "s1"], tmp_path / "bands.tsv")
    table = pd.read_csv(tmp_path / "bands.tsv", sep="\t")
    assert table["wavelength_nm"].tolist() == list(cube.wavelengths)
    cubes.cut_batch(tmp_path / "cubes", tmp_path / "bands.tsv", tmp_path / "seen")
    cubes.cut_raw_batch(CALIBRATE, rows, tmp_path, tmp_path / "bands.tsv", tmp_path / "raw")
    chosen = [KEPT[band] for band in table.loc[table["selected"] == 1, "band"]]
    assert len(chosen) == WIDTH
    assert not set(chosen) & set(BAD)
    seen, raw = (np.moveaxis(images.read(tmp_path / folder / "s0.tif"), -1, 0) for folder in ("seen", "raw"))
    assert np.isfinite(raw).all()
    expected = made[0].raw[chosen] / np.float32(4095)
    apart = np.abs(raw - expected) > 1e-6
    assert np.argwhere(apart).tolist() in ([], [[chosen.index(FIRST), 2, 3]] if FIRST in chosen else [])
    assert np.abs(seen - made[0].truth[chosen]).mean() < 0.01


def test_samples_with_other_bad_bands(tmp_path):
    rows = [write(tmp_path, "s0", recording(0), bbl=MARKS), write(tmp_path, "s1", recording(1))]
    cubes.calibrate_cubes(CALIBRATE | {"scale": None}, rows, tmp_path, tmp_path / "cubes")
    cubes.score_batch(SCORE, tmp_path / "cubes", tmp_path / "scores.tsv")
    with pytest.raises(
        BandError, match=r"sample s1: found 12 bands .*expected 9 bands .*same bad bands \(bbl\)"
    ):
        cubes.select_bands(SELECT, [tmp_path / "scores.tsv"], ["s0", "s1"], tmp_path / "bands.tsv")
