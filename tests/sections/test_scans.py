# SPDX-License-Identifier: MIT
"""A slide scanned at 0.25 and at 0.5 µm per pixel: the same sections, areas and calls."""

import numpy as np
import pandas as pd
from pytest import approx, fixture

from microtome.config.phantoms.slides import SlidePhantomData
from microtome.files import write_json
from microtome.io.section_boxes import read_table
from microtome.io.slides import describe
from microtome.phantoms.slides.sheet import slides
from microtome.phantoms.slides.simulation import simulate, writer
from microtome.stages.slides import predict
from microtome.stages.slides.calls import call_sections
from microtome.stages.slides.heatmaps import Predictor
from microtome.stages.slides.sections import find_sections
from microtome.stages.slides.tissue import find_tissue
from tests.slides.predicted import OPTIONS, Darkness

SCANS = (0.25, 0.5)
MPP = 4.0
THRESHOLDS = [0.3, 0.4, 0.5]
SELECTED = {"threshold": 0.4, "least_area": 8000.0}
CALLED = {"calls": {"class": "tumor"}, "classes": ["normal", "tumor"]}


@fixture(scope="module")
def scanned(tmp_path_factory):
    """By pixel size, the folder of all that was made of the slides."""
    found = {}
    for mpp in SCANS:
        root = tmp_path_factory.mktemp(f"scan-{mpp}")
        settings = SlidePhantomData(height=1300, width=1700, sections=2, mpp=mpp, seed=4, slides={"test": 1})
        for slide in slides(settings):
            path = root / f"{slide.sample}.tif"
            writer(settings, slide, simulate(settings, slide))(path)
            (root / "images").mkdir(exist_ok=True)
            describe(path, mpp=MPP).write(root / "images" / f"{slide.sample}.slide")
        found[mpp] = root
    return found


@fixture(scope="module")
def made(scanned):
    return {mpp: chain(root) for mpp, root in scanned.items()}


def chain(root):
    images, tissue, sections, maps, calls = (
        root / n for n in ("images", "tissue", "sections", "maps", "calls")
    )
    find_tissue({"tissue": {"kind": "glass"}, "may_fail": False}, images, tissue)
    wanted = {
        "sections": {"kind": "proposed"},
        "samples": [],
        "classes": CALLED["classes"],
        "may_fail": False,
    }
    find_sections(wanted, root, images, tissue, sections)
    (root / "model.safetensors").write_bytes(b"weights")
    options = OPTIONS | {"calls": OPTIONS["calls"] | {"thresholds": THRESHOLDS}}
    options |= {"predict": options["predict"] | {"store": {"dtype": "uint8", "classes": ["tumor"]}}}
    network = Darkness().eval()
    ready = predict.ready_predictor
    predict.ready_predictor = lambda options, _weights, **_: Predictor(network, options, readers=1)
    try:
        predict.predict_slides(
            options, root / "model.safetensors", images, tissue, sections, maps, device="cpu", threads=1
        )
    finally:
        predict.ready_predictor = ready
    write_json(root / "selection.json", SELECTED)
    call_sections(CALLED, root / "selection.json", maps, sections, calls)
    return root


def tables(root, folder):
    frames = {path.stem: pd.read_csv(path, sep="\t") for path in sorted((root / folder).glob("*.tsv"))}
    return pd.concat(frames, names=["sample"]).reset_index(level=0)


def test_sections_are_the_same(made):
    fine, coarse = (tables(made[mpp], "sections") for mpp in SCANS)
    assert len(fine) == 2
    assert fine[["sample", "section"]].equals(coarse[["sample", "section"]])
    edges = ["y", "x", "height", "width"]
    assert (
        np.abs(fine[edges].to_numpy() * 0.25 - coarse[edges].to_numpy() * 0.5).max() <= 8
    )  # a pixel of tissue
    one, other = (read_table(made[mpp] / "sections/slide-000.tsv")[0] for mpp in SCANS)
    assert one.height * one.width * 0.25**2 == approx(other.height * other.width * 0.5**2, rel=0.02)


def test_areas_of_tissue_are_the_same(made):
    fine, coarse = (pd.read_csv(made[mpp] / "tissue/shares.tsv", sep="\t") for mpp in SCANS)
    assert fine["tissue_mm2"].tolist() == approx(coarse["tissue_mm2"].tolist(), rel=0.02)


def test_areas_of_regions_and_calls_are_the_same(made):
    fine, coarse = (tables(made[mpp], "maps/areas") for mpp in SCANS)
    assert (fine["area"] > 0).any()
    few = 20 * MPP**2  # of single nuclei, which noise of the scan joins or parts
    assert fine["area"].tolist() == approx(coarse["area"].tolist(), rel=0.02, abs=few)
    fine, coarse = (tables(made[mpp], "calls") for mpp in SCANS)
    assert fine["call"].tolist() == coarse["call"].tolist()
    assert set(fine["call"]) == {"normal", "tumor"}
    assert fine["area"].tolist() == approx(coarse["area"].tolist(), rel=0.02, abs=few)
