# SPDX-License-Identifier: MIT
"""A study that only looks: a sheet of one cube that is transmittance already, nothing trained."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from microtome.io import images
from tests.synthetic_cubes import braces, record, write_envi
from tests.workflow.workspace import Workspace, make_workspace

DATA = os.environ.get("MICROTOME_DATA")
REAL = pytest.mark.skipif(DATA is None, reason="MICROTOME_DATA is not set")
RESULTS = "results/demo/look"
PAGE = "results/demo/reports/look/report.html"
ASKED = ("-c1", "--config", "studies=[look]")
FIGURES = ("spectra", "band_images", "cube_quality")
WIDTH = 8


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(tmp_path / "look")


def _look_at(workspace: Workspace, folder: Path, header: str, **cubes: object) -> None:
    """A study of one cube, and its sheet."""
    study = {
        "paper": "p0_hypernet",
        "title": "One cube",
        "data": {
            "source": "files",
            "samples": "data/look.tsv",
            "root": str(folder),
            "group_by": "sample",
            "channels": 3,
            "classes": {"tissue": 0},
        },
        "split": {"kind": "none"},
        "cubes": {"calibrated": True} | cubes,
        "figures": {kind: {"kind": kind} for kind in FIGURES},
        "scales": {"demo": {}},
    }
    workspace.write_study("look", study)
    workspace.write("data/look.tsv", f"sample\timage\nfield\t{header}\n")


def _check(workspace: Workspace, *, bands: int, size: tuple[int, int], chosen: int) -> None:
    picture = images.read(workspace.root / f"{RESULTS}/images/test-0/field.tif")
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5
    table = pd.read_csv(workspace.root / f"{RESULTS}/bands/main/bands.tsv", sep="\t")
    assert len(table) == bands
    assert table["selected"].sum() == chosen
    assert table["mean"].gt(0).all()
    for kind in FIGURES:
        assert (workspace.root / f"{RESULTS}/figures/{kind}.png").stat().st_size > 10_000
    assert "One cube" in workspace.read(PAGE)


def test_one_cube(workspace: Workspace) -> None:
    """Reading, rendering, band scores, figures and report, without a run."""
    made = record(bands=24, height=60, width=50, first=400.0, step=15.0)
    folder = workspace.root / "data/cubes"
    folder.mkdir(parents=True)
    stored = np.rint(10_000 * made.truth).astype(np.uint16)
    write_envi(folder / "scene.hdr", stored, wavelength=braces(made.wavelengths))
    _look_at(workspace, folder, "scene.hdr", scale=10_000, bands={"width": WIDTH, "bins": 32})
    workspace.run(*ASKED)
    _check(workspace, bands=24, size=(60, 50), chosen=WIDTH)


def test_changed_pixels_are_seen(workspace: Workspace) -> None:
    """The data file of a cube is an input like its header."""
    made = record(bands=4, height=8, width=8)
    folder = workspace.root / "data/cubes"
    folder.mkdir(parents=True)
    write_envi(folder / "scene.hdr", made.raw, wavelength=braces(made.wavelengths))
    _look_at(workspace, folder, "scene.hdr", scale=4095, bands={"width": 2, "bins": 8})
    target = f"{RESULTS}/cubes/test-0"
    workspace.run(target, *ASKED)
    assert "Nothing to be done" in workspace.run(target, *ASKED).stderr
    write_envi(folder / "scene.hdr", made.raw + np.uint16(1), wavelength=braces(made.wavelengths))
    assert "calibrate" in workspace.run(target, *ASKED, "-n").stdout


@REAL
@pytest.mark.realdata
def test_real_bladder(workspace: Workspace) -> None:
    _look_at(workspace, Path(str(DATA)) / "hsi_pathology_hims", "bladder_M13_bin2.hdr", scale=10_000)
    workspace.run(*ASKED)
    _check(workspace, bands=40, size=(338, 422), chosen=16)
    picture = images.read(workspace.root / f"{RESULTS}/images/test-0/field.tif")
    red, green, blue = picture.reshape(-1, 3).mean(0)
    assert green < min(red, blue)  # haematoxylin and eosin absorb green most


@REAL
@pytest.mark.realdata
def test_real_maize_lacks_its_byte_order(workspace: Workspace) -> None:
    _look_at(workspace, Path(str(DATA)) / "envi_corn_kernel", "corn-kernel-hyperspectral.hdr")
    done = workspace.run(*ASKED, "-n", check=False)
    assert done.returncode != 0
    message = done.stdout + done.stderr
    assert "data/look.tsv:2 image: found no field 'byte order'" in message
    assert "add a line 'byte order = 0'" in message
    assert message.count("found no field") == 1
