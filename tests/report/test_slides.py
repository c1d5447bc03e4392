# SPDX-License-Identifier: MIT
"""The report of a study of slides: what could not be read comes first, slides are shown small."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microtome.io.failures import Failure
from microtome.io.slides import describe
from microtome.report.collect import collect, read_unread
from microtome.report.page import build_report
from microtome.report.thumbnails import load_overview
from tests.report import tree
from tests.report.page_checks import Page
from tests.slides.written import write

CUT = Failure(
    "s <b>", "raw/s.svs", "a tile cut short", "raw/s.svs, tile (3, 4)", "a whole tile", "copy it again"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tree.make(tmp_path_factory.mktemp("results"))


@pytest.fixture
def results(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "demo"))


def reference(path, *, height=1024, width=1536):
    """A slide that is dark on the left, and the reference to it."""
    image = np.full((height, width, 3), 240, np.uint8)
    image[:, : width // 2] = (120, 60, 150)
    slide = write("tiff", path.parents[3] / "raw", image, 0.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    describe(slide, mpp=1.0, slide_mpp=0.5).write(path)
    return path


def test_what_could_not_be_read_comes_before_everything_else(results):
    study = results / tree.META.name
    CUT.write(study / "tissue/test-0000")
    later = replace(CUT, what="what a later stage says")
    later.write(study / "runs/main/n4/seed-0/predictions/0")
    page = Page(build_report(collect(results, [tree.META])))
    assert page.faults == []
    said = "1 image could not be read , and is left out of all tables and figures".replace(" ,", ",")
    assert said in page.words
    assert "s <b>: raw/s.svs, tile (3, 4): found a tile cut short, expected a whole tile" in page.words
    assert "what a later stage says" not in page.words
    place = page.words.index(said)
    later = [page.words.index(text, place) for text in ("Not produced:", "Table 1: running time")]
    assert later == sorted(later)
    table = page.words.index("Table 1: running time")
    assert page.words.index("1 image could not be read.") < table, "the overview says it first, too"
    assert f"{tree.META.title}: 1 image could not be read." in page.words


def test_a_study_without_failures_says_nothing_of_them(results):
    assert read_unread(results / tree.META.name) == ()
    assert "could not be read" not in Page(build_report(collect(results, [tree.META]))).words


def test_remarks_on_published_numbers_are_listed(results):
    page = Page(build_report(collect(results, [replace(tree.META, remarks=("w is <small>",))])))
    assert "What is to be known of the published numbers (1)" in page.words
    assert "w is <small>" in page.words


def test_a_slide_is_shown_small(tmp_path):
    overview = load_overview(reference(tmp_path / "study/images/0/a.slide"), longest=300)
    assert overview.shape == (3, 200, 300)
    assert np.abs(overview[:, :, 10].mean(axis=1) - (120, 60, 150)).max() < 8
    assert overview[:, :, -10].min() > 230


def test_of_slides_nothing_is_missed_that_runs_do_not_make(results):
    """The worst image is a slide without annotations, and there is no segmentation of it."""
    study = results / tree.META.name
    for path in study.rglob(f"*/0/{tree.EVIL}.tif"):
        if path.parts[-3] != "predictions":
            path.unlink()
    reference(study / f"images/0/{tree.EVIL}.slide")
    cases = collect(results, [tree.META]).studies[0].cases
    first = cases.rows[0]
    assert first.sample == tree.EVIL
    assert [picture.label.partition(":")[0] for picture in first.pictures] == [
        "input",
        "best run",
        "worst here",
    ]
    assert all(picture.webp for picture in first.pictures)
