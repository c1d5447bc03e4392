# SPDX-License-Identifier: MIT
"""From recorded cubes to the bands that networks see, and the picture of their quality."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile

from microtome.cubes import band_selection
from microtome.cubes.calibration import CalibrationError, calibrate
from microtome.cubes.rgb import render
from microtome.figures import draw
from microtome.figures.inputs import FigureInputs
from microtome.figures.kinds.cube_quality import decode_picture
from microtome.io import images
from microtome.io.envi import open_cube
from microtome.stages import cubes
from microtome.stages.cubes import BandError
from microtome.stages.images import import_images
from tests.synthetic_cubes import Recording, braces, record, write_envi, write_recording

BANDS, WIDTH, FIRST = 12, 4, 5
CALIBRATE = {"calibrated": False, "scale": 1.0, "full_scale": 4095.0, "scale_exposure": False}
SCORE = {"bins": 32, "method": "window"}
SELECT = {"method": "window", "width": WIDTH, "first": 0, "penalty": 1.0}
DATA = os.environ.get("MICROTOME_DATA")


def recording(seed):
    """Tissue that shows in four neighbouring bands; noise in the others."""
    plain = record(bands=BANDS, height=24, width=30, seed=seed)
    rng = np.random.default_rng(100 + seed)
    tissue = 0.5 + 0.4 * np.sin(np.arange(24)[:, None] / 4) * np.sin(np.arange(30) / 5)
    truth = 0.5 + rng.normal(0, 0.02, plain.truth.shape)
    truth[FIRST : FIRST + WIDTH] = tissue + rng.normal(0, 0.01, (WIDTH, 24, 30))
    light = plain.blank.astype(float) - plain.dark
    raw = np.rint(plain.dark + light * truth).astype(np.uint16)
    return Recording(truth, raw, plain.dark, plain.blank, plain.wavelengths)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three calibrated and scored samples."""
    root = tmp_path_factory.mktemp("cubes")
    rows, made = [], {}
    for number in range(3):
        name = f"s{number}"
        made[name] = recording(number)
        paths = write_recording(root / "files", name, made[name])
        names = {"cube": paths["raw"], "dark": paths["dark"], "blank": paths["blank"]}
        places = {column: str(path.relative_to(root)) for column, path in names.items()}
        rows.append({"sample": name, "mpp": 0.5, **places})
    cubes.calibrate_cubes(CALIBRATE, rows, root, root / "cubes/0")
    cubes.score_batch(SCORE, root / "cubes/0", root / "scores.tsv")
    cubes.select_bands(SELECT, [root / "scores.tsv"], ["s0", "s1"], root / "bands.tsv")
    return root, rows, made


def test_cubes_and_reports(study):
    root, _, made = study
    folder = root / "cubes/0"
    assert {path.suffix for path in folder.iterdir()} == {".hdr", ".img", ".json"}
    expected = calibrate(made["s1"].raw, made["s1"].dark, made["s1"].blank)
    cube = open_cube(folder / "s1.hdr")
    np.testing.assert_array_equal(cube.read(), expected.transmittance)
    assert cube.wavelengths == made["s1"].wavelengths
    report = json.loads((folder / "s1.json").read_text())
    assert (report["sample"], report["kind"], report["mpp"], report["colours"]) == (
        "s1",
        "counts",
        0.5,
        "stretched",
    )
    assert report["spectra"]["raw"] == pytest.approx(made["s1"].raw.mean((1, 2)))
    np.testing.assert_array_equal(np.rint(255 * decode_picture(report["picture"])), render(cube))


def test_scores(study):
    root, _, _ = study
    table = pd.read_csv(root / "scores.tsv", sep="\t")
    assert tuple(table.columns) == cubes.SCORES
    cube = open_cube(root / "cubes/0/s2.hdr").read()
    component = band_selection.principal_component(cube)
    rows = table[table["sample"] == "s2"]
    np.testing.assert_allclose(
        rows["mutual_information"], band_selection.mutual_information(cube, component.score, 32), rtol=1e-9
    )
    np.testing.assert_allclose(rows["loading"], component.loading, rtol=1e-8)
    assert rows["wavelength_nm"].tolist() == [550 + 7.5 * band for band in range(BANDS)]


def test_the_bands_that_show_the_tissue_are_chosen(study):
    root, _, _ = study
    table = pd.read_csv(root / "bands.tsv", sep="\t")
    assert tuple(table.columns) == ("band", "wavelength_nm", "mean", "sd", "selected")
    assert table.loc[table["selected"] == 1, "band"].tolist() == list(range(FIRST, FIRST + WIDTH))
    scores = pd.read_csv(root / "scores.tsv", sep="\t")
    train = scores[scores["sample"].isin(["s0", "s1"])].pivot(
        index="band", columns="sample", values="mutual_information"
    )
    np.testing.assert_allclose(table["mean"], train.mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(table["sd"], train.std(axis=1, ddof=0), rtol=1e-6)


def test_samples_that_are_not_trained_on_do_not_matter(study, tmp_path):
    root, _, _ = study
    scores = pd.read_csv(root / "scores.tsv", sep="\t")
    scores.loc[scores["sample"] == "s2", "mutual_information"] = 99.0
    scores.to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    cubes.select_bands(SELECT, [tmp_path / "other.tsv"], ["s0", "s1"], tmp_path / "bands.tsv")
    assert (tmp_path / "bands.tsv").read_text() == (root / "bands.tsv").read_text()


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [({"method": "pinned", "first": 2}, [2, 3, 4, 5]), ({"method": "top", "penalty": 0.0}, None)],
)
def test_other_methods(study, tmp_path, changes, chosen):
    root, _, _ = study
    cubes.score_batch({"bins": 16, "method": "top"}, root / "cubes/0", tmp_path / "scores.tsv")
    cubes.select_bands(SELECT | changes, [tmp_path / "scores.tsv"], ["s0"], tmp_path / "bands.tsv")
    table = pd.read_csv(tmp_path / "bands.tsv", sep="\t")
    expected = chosen or sorted(table["mean"].nlargest(WIDTH).index)
    assert table.loc[table["selected"] == 1, "band"].tolist() == expected


def test_faults_of_the_choice(study, tmp_path):
    root, _, _ = study
    table, path = root / "scores.tsv", tmp_path / "bands.tsv"
    for options, samples, message in (
        (SELECT, ["s0", "absent"], "no scores of absent"),
        (SELECT, [], "no training sample"),
        (SELECT | {"width": 13}, ["s0"], "found 12 bands, expected at least `width` = 13"),
        (SELECT | {"method": "pinned", "first": 10}, ["s0"], "found 12 bands, expected at least 14"),
        (SELECT | {"method": "top"}, ["s0"], "no shared information"),
    ):
        with pytest.raises(BandError, match=message):
            cubes.select_bands(options, [table], samples, path)
    scores = pd.read_csv(table, sep="\t")
    for changed in (
        scores[(scores["sample"] != "s1") | (scores["band"] < 11)],
        scores.assign(wavelength_nm=scores["wavelength_nm"] + 20 * (scores["sample"] == "s1")),
    ):
        changed.to_csv(tmp_path / "changed.tsv", sep="\t", index=False)
        with pytest.raises(BandError, match=r"sample s1: found 1[12] bands from .*as in sample s0"):
            cubes.select_bands(SELECT, [tmp_path / "changed.tsv"], ["s0", "s1"], path)
    assert not path.exists()


def test_images_of_the_chosen_bands(study, tmp_path):
    root, rows, made = study
    cubes.cut_batch(root / "cubes/0", root / "bands.tsv", tmp_path / "cut")
    chosen = slice(FIRST, FIRST + WIDTH)
    found = images.read(tmp_path / "cut/s1.tif")
    np.testing.assert_array_equal(
        np.moveaxis(found, -1, 0), open_cube(root / "cubes/0/s1.hdr").read()[chosen]
    )
    assert images.header(tmp_path / "cut/s1.tif").mpp == 0.5
    assert open_cube(tmp_path / "cut/s1.tif").wavelengths == made["s1"].wavelengths[chosen]
    cubes.cut_raw_batch(CALIBRATE, rows, root, root / "bands.tsv", tmp_path / "raw")
    found = np.moveaxis(images.read(tmp_path / "raw/s2.tif"), -1, 0)
    np.testing.assert_allclose(found, made["s2"].raw[chosen] / 4095, rtol=1e-6)
    assert found.dtype == np.float32
    for folder in ("cut", "raw"):  # windows are read from them without decoding anything
        mapped = tifffile.memmap(tmp_path / folder / "s2.tif", mode="r")
        assert mapped.shape == (WIDTH, 24, 30)
        np.testing.assert_array_equal(mapped, np.moveaxis(images.read(tmp_path / folder / "s2.tif"), -1, 0))
    short = pd.read_csv(root / "bands.tsv", sep="\t").iloc[:-1]
    short.to_csv(tmp_path / "short.tsv", sep="\t", index=False)
    with pytest.raises(BandError, match="found 12 bands, expected 11 bands"):
        cubes.cut_batch(root / "cubes/0", tmp_path / "short.tsv", tmp_path / "none")
    table = pd.read_csv(root / "bands.tsv", sep="\t")
    first, last = table["wavelength_nm"].iloc[[0, -1]]
    table.assign(wavelength_nm=table["wavelength_nm"].to_numpy()[::-1]).to_csv(
        tmp_path / "turned.tsv", sep="\t", index=False
    )
    told = f"found 12 bands from {first:g} to {last:g} nm, expected 12 bands from {last:g} to {first:g} nm"
    with pytest.raises(BandError, match=told):
        cubes.cut_batch(root / "cubes/0", tmp_path / "turned.tsv", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_rendered_images(study, tmp_path):
    root, rows, _ = study
    cubes.calibrate_cubes(CALIBRATE | {"rendered": ["s0"]}, rows, root, tmp_path / "cubes")
    assert [path.name for path in (tmp_path / "cubes").glob("*.tif")] == ["s0.tif"]
    expected = render(open_cube(root / "cubes/0/s0.hdr"))
    np.testing.assert_array_equal(images.read(tmp_path / "cubes/s0.tif"), expected)
    samples = [{"sample": "s0", "image": "s0.hdr", "page": 0, "mpp": 0.5}]
    import_images(samples, root, tmp_path / "images", rendered=tmp_path / "cubes")
    np.testing.assert_array_equal(images.read(tmp_path / "images/s0.tif"), expected)


def test_no_blank_reference(study, tmp_path):
    root, rows, _ = study
    row = {**rows[0], "blank": None}
    with pytest.raises(CalibrationError, match=r"sample s0: found no blank reference.*calibrated: true"):
        cubes.calibrate_cubes(CALIBRATE, [row], root, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(BandError, match="found no cube"):
        cubes.score_batch(SCORE, tmp_path, tmp_path / "scores.tsv")


def test_no_dark_reference_and_no_wavelengths(study, tmp_path):
    root, rows, made = study
    write_envi(tmp_path / "a.hdr", made["s0"].raw)
    row = {**rows[0], "cube": str(tmp_path / "a.hdr"), "dark": None}
    cubes.calibrate_cubes(CALIBRATE, [row], root, tmp_path / "cubes")
    report = json.loads((tmp_path / "cubes/s0.json").read_text())
    assert report["wavelengths"] is None
    assert "no dark reference" in report["warnings"][0]
    cubes.score_batch(SCORE, tmp_path / "cubes", tmp_path / "scores.tsv")
    cubes.select_bands(SELECT, [tmp_path / "scores.tsv"], ["s0"], tmp_path / "bands.tsv")
    cubes.cut_batch(tmp_path / "cubes", tmp_path / "bands.tsv", tmp_path / "cut")
    assert images.header(tmp_path / "cut/s0.tif").channels == WIDTH
    figure = draw("cube_quality", FigureInputs(cubes={"s0": tmp_path / "cubes/s0.hdr"}))
    assert figure.figure.axes[1].get_xlabel() == "band"


def test_the_picture_of_the_quality(study):
    root, _, made = study
    inputs = FigureInputs(cubes={name: root / f"cubes/0/{name}.hdr" for name in made}, data_kind="phantom")
    result = draw("cube_quality", inputs, sample="s2")
    assert result.data["sample"].unique().tolist() == ["s2"]
    assert result.data["blank"].to_numpy() == pytest.approx(made["s2"].blank.mean((1, 2)), rel=1e-6)
    assert result.data["invalid"].max() == 0
    lines = {line.get_label() for line in result.figure.axes[1].lines}
    assert {"specimen", "blank", "dark"} <= lines
    assert draw("cube_quality", inputs).data["sample"].iloc[0] == "s0"
    for wrong, message in (({"sample": "x"}, "no cube of sample 'x'"), ({}, "those at hand: \\[\\]")):
        with pytest.raises(ValueError, match=message):
            draw("cube_quality", inputs if wrong else FigureInputs(), **wrong)
    with pytest.raises(ValueError, match="calibrate the cube again"):
        draw("cube_quality", FigureInputs(cubes={"a": root / "absent.hdr"}))


def test_transmittance_as_stored(tmp_path):
    stored = np.random.default_rng(0).integers(2000, 9000, (12, 10, 14)).astype(np.uint16)
    write_envi(tmp_path / "t.hdr", stored, wavelength=braces(np.linspace(400, 700, 12)))
    options = CALIBRATE | {"calibrated": True, "scale": 10000.0, "rendered": ["bladder"]}
    row = {"sample": "t", "cube": "t.hdr", "dark": None, "blank": None}
    cubes.calibrate_cubes(options, [row], tmp_path, tmp_path / "cubes")
    report = json.loads((tmp_path / "cubes/t.json").read_text())
    assert (report["kind"], report["colours"], report["mpp"]) == ("transmittance", "true", None)
    result = draw("cube_quality", FigureInputs(cubes={"t": tmp_path / "cubes/t.hdr"}, data_kind="own"))
    assert result.data["blank"].isna().all()
    cubes.score_batch(SCORE, tmp_path / "cubes", tmp_path / "scores.tsv")
    cubes.select_bands(SELECT, [tmp_path / "scores.tsv"], ["t"], tmp_path / "bands.tsv")
    cubes.cut_raw_batch(options, [row], tmp_path, tmp_path / "bands.tsv", tmp_path / "raw")
    assert images.read(tmp_path / "raw/t.tif").max() < 1


@pytest.mark.realdata
@pytest.mark.skipif(DATA is None, reason="MICROTOME_DATA is not set")
def test_real_transmittance(tmp_path):
    options = CALIBRATE | {"calibrated": True, "scale": 10000.0, "rendered": ["bladder"]}
    row = {"sample": "bladder", "cube": "hsi_pathology_hims/bladder_M13_bin2.hdr"}
    cubes.calibrate_cubes(options, [row], Path(DATA), tmp_path / "cubes")
    cubes.score_batch({"bins": 256, "method": "window"}, tmp_path / "cubes", tmp_path / "scores.tsv")
    cubes.select_bands(SELECT | {"width": 16}, [tmp_path / "scores.tsv"], ["bladder"], tmp_path / "bands.tsv")
    table = pd.read_csv(tmp_path / "bands.tsv", sep="\t")
    assert table["selected"].sum() == 16
    colour = images.read(tmp_path / "cubes/bladder.tif").reshape(-1, 3).mean(0)
    assert colour[1] < min(colour[0], colour[2])
    draw("cube_quality", FigureInputs(cubes={"bladder": tmp_path / "cubes/bladder.hdr"}, data_kind="public"))
