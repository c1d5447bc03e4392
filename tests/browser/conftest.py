# SPDX-License-Identifier: MIT
"""A report of two studies on phantoms, and the system's Chromium to look at it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from microtome.report.collect import collect
from microtome.report.inputs import Cell, ReportInputs, StudyMeta, TableInput
from microtome.report.page import build_report
from tests.report import tree

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MATHML = '<math xmlns="http://www.w3.org/1998/Math/MathML"><mfrac><mi>a</mi><mi>b</mi></mfrac></math>'
LARGE = (
    "<svg xmlns='http://www.w3.org/2000/svg' width='4000' height='2000'><rect width='9' height='9'/></svg>"
)
WORDS = "a caption that is long enough to take several lines on a page of any width, as captions do " * 3


def _looking(folder: Path) -> StudyMeta:
    """A study that only looks: nothing is trained, and it has one figure and a way of a sample."""
    study = folder / "gaze"
    shutil.copytree(folder / tree.META.name / "figures", study / "figures")
    for name in ("sample_path", "second"):
        for path in sorted((folder / tree.META.name / "figures").glob("figure_1.*")):
            shutil.copy(path, study / "figures" / f"{name}{path.suffix}")
        told = {"caption": WORDS, "kind": "k", "title": f"The {name}"}
        (study / f"figures/{name}.json").write_text(json.dumps(told), encoding="utf-8")
    shutil.copytree(folder / tree.META.name / "splits", study / "splits")
    shutil.copy(folder / tree.META.name / "samples.tsv", study / "samples.tsv")
    names = ("sample_path", "figure_1", "second")
    return StudyMeta("gaze", "Gaze: looks only", "public", figures=dict.fromkeys(names, ""), splits=("main",))


def _wide() -> TableInput:
    """A table with spanning headings, formulas, intervals and more columns than a page has room for."""
    header = (Cell("Model"), *(Cell(f"Score {n}", "number") for n in range(13)), Cell("Formula", "math"))
    rows = tuple(
        (
            Cell(f"A network with a rather long name, number {row}"),
            *(Cell(f"{(row * 7 + n) % 10}.123", "number", small="[0.101, 0.202]") for n in range(13)),
            Cell(r"\frac{a}{b}", "math", mathml=MATHML),
        )
        for row in range(40)
    )
    groups = (("", 1), ("Here", 7), ("Published", 7))
    return TableInput(
        name="wide",
        title="A wide table",
        caption=WORDS,
        header=header,
        groups=groups,
        rows=rows,
        total_rows=40,
    )


def _inputs(folder: Path) -> ReportInputs:
    found = collect(folder, [tree.META, _looking(folder)], command="snakemake --cores 2")
    first, second = found.studies
    first = replace(
        first,
        tables=(*first.tables, _wide()),
        figures=(*first.figures, replace(first.figures[0], name="how", group="explanations")),
        what="Cells in sections.",
        verdict="The first is better than the second by 0.10 (95 % interval 0.02 to 0.18).",
        main_number=("V_Rand of the best, U-Net", "0.950 [0.91, 0.98]"),
    )
    second = replace(second, main_number=("pictures looked at", "6"))
    return replace(found, studies=(first, second))


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page, in a folder that has the files beside it."""
    folder = tree.make(tmp_path_factory.mktemp("browser"))
    (folder / tree.META.name / "figures/figure_1.svg").write_text(LARGE, encoding="utf-8")
    page = folder / "report.html"
    page.write_text(build_report(_inputs(folder)), encoding="utf-8")
    return page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


class Reader:
    """Somebody who looks at the report: a page of the browser, and what it complained of."""

    def __init__(self, page: Page, report: Path) -> None:
        self.page, self.report = page, report
        self.complaints: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)

    def go(self, address: str = "") -> None:
        """Open the report, or follow an address in it."""
        self.page.goto(f"{self.report.as_uri()}{address}")

    def views(self) -> list[str]:
        """Addresses of all views."""
        return self.page.evaluate("[...document.querySelectorAll('.view')].map((view) => `#${view.id}`)")

    def sees(self, address: str) -> None:
        """Wait until a view is shown."""
        self.page.wait_for_function(f"document.querySelector('.view.shown').matches('{address}')")

    def shown(self) -> list[str]:
        """Addresses of the views that are shown."""
        found = "[...document.querySelectorAll('.view')].filter((view) => view.checkVisibility())"
        return self.page.evaluate(f"{found}.map((view) => `#${{view.id}}`)")


@pytest.fixture
def reader(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Reader]:
    """A reader at a desk; options of the browser's context may be given as the parameter."""
    options = {"viewport": {"width": 1280, "height": 900}} | getattr(request, "param", {})
    context = browser.new_context(**options)
    context.set_default_timeout(10_000)
    yield Reader(context.new_page(), report)
    context.close()
