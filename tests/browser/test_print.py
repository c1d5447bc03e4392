# SPDX-License-Identifier: MIT
"""The report on paper: A4, no buttons, no heading parted from what follows, no page left half empty."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser.conftest import Reader

POPPLER = [shutil.which(name) for name in ("pdftotext", "pdftoppm")]
pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not all(POPPLER), reason="no pdftotext and pdftoppm (Debian: poppler-utils)"),
]
DOTS = 40
"""Resolution at which pages are measured, dots an inch."""
MARGIN = 0.07
"""Part of a page's height that its lower margin takes, with the number of the page."""


def printed(reader: Reader, folder: Path, address: str = "") -> tuple[Path, list[str]]:
    """Print the report; returns the PDF, and the text of each page."""
    reader.go(address)
    reader.page.emulate_media(media="print")
    paper = folder / "report.pdf"
    reader.page.pdf(path=paper, prefer_css_page_size=True, print_background=True)
    text = subprocess.run(["pdftotext", "-layout", paper, "-"], capture_output=True, text=True, check=True)
    return paper, text.stdout.split("\f")[:-1]


def lowest_ink(paper: Path, folder: Path) -> list[float]:
    """How far down each page is used, as a part of its height, the number of the page apart."""
    subprocess.run(["pdftoppm", "-gray", "-r", str(DOTS), paper, folder / "page"], check=True)
    used = []
    for path in sorted(folder.glob("page*.pgm")):
        pixels = np.asarray(Image.open(path))
        rows = np.flatnonzero((pixels[: int(len(pixels) * (1 - MARGIN))] < 128).any(axis=1))
        used.append(rows[-1] / len(pixels) if len(rows) else 0.0)
    return used


def test_nothing_on_paper_is_for_a_screen(reader: Reader, tmp_path: Path) -> None:
    _, pages = printed(reader, tmp_path)
    text = "\n".join(pages)
    for word in ("Search tables", "Skip to content", "¶", "↑ Top", "↕", "SVG", "Contents"):
        assert word not in text
    for word in ("Membranes in electron microscopy", "A wide table", "Gaze: looks only", "How to reproduce"):
        assert word in text


def test_folded_explanations_are_printed_and_cards_are_not(reader: Reader, tmp_path: Path) -> None:
    text = "\n".join(printed(reader, tmp_path)[1])
    assert "How the methods work" in text
    assert text.count("Figure 1: losses") >= 2, "once a result, once an explanation"
    assert "training.optimizer.lr" not in text


def test_pages_are_a4_and_as_wide_as_what_is_on_them(reader: Reader, tmp_path: Path) -> None:
    paper, _ = printed(reader, tmp_path)
    subprocess.run(["pdftoppm", "-gray", "-r", "72", paper, tmp_path / "sheet"], check=True)
    for path in tmp_path.glob("sheet*.pgm"):
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == pytest.approx((842, 595), abs=1)
        assert (pixels[:, -20:] > 200).all(), f"{path.name} runs over the right edge"


def test_no_heading_stands_at_the_end_of_a_page_and_none_is_half_empty(
    reader: Reader, tmp_path: Path
) -> None:
    paper, pages = printed(reader, tmp_path)
    reader.page.emulate_media(media="screen")
    headings = reader.page.evaluate(
        "[...document.querySelectorAll('h2, h3, h4')].map((one) => one.innerText)"
    )
    headings = {" ".join(text.replace("¶", "").split("\n")[0].split()) for text in headings}
    chapters = ("Membranes in electron microscopy", "Gaze: looks only")
    used = lowest_ink(paper, tmp_path)
    for number, text in enumerate(pages):
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        lines = [line for line in lines if line != str(number + 1)]
        assert lines[-1] not in headings
        following = pages[number + 1].split("\n\n")[0] if number + 1 < len(pages) else ""
        is_last = not following or any(title in following for title in chapters)
        assert is_last or used[number] > 0.5, f"page {number + 1} is used to {used[number]:.0%}"


def test_a_study_is_printed_alone_from_its_own_view(reader: Reader, tmp_path: Path) -> None:
    text = "\n".join(printed(reader, tmp_path, "#gaze")[1])
    assert "The sample_path" in text
    assert "Membranes in electron microscopy" not in text
