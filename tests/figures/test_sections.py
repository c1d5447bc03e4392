# SPDX-License-Identifier: MIT
"""Figures of called sections."""

from pathlib import Path

import pytest
import yaml

from microtome.figures.inputs import FigureInputs
from microtome.figures.kinds import section_errors
from tests.synthetic_sections import CALLS, numbered, record, sections

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())
ERRORS = "fig_5_wrong_sections"


@pytest.fixture
def inputs(tmp_path):
    """Two runs: 3 false positive and 2 missed of 20 sections, and none."""
    records = [
        record(tmp_path, "unet", sections(numbered(6, 2, 3, 9)), label="U-Net"),
        record(tmp_path, "r34", sections(numbered(8, 0, 0, 12)), label="R34"),
    ]
    of_paper = {"published": PUBLISHED, "paper": "p1_bcc", "data_kind": "phantom"}
    return FigureInputs(runs=records, calls={one.run: CALLS for one in records}, **of_paper)


def texts(result):
    return [text.get_text() for axes in result.figure.axes for text in axes.texts]


def test_bars_are_the_wrong_sections(inputs):
    result = section_errors.draw(inputs)
    assert result.data[["fp", "fn", "n"]].to_numpy().tolist() == [[3, 2, 20], [0, 0, 20]]
    bars = [(patch.get_x(), patch.get_width()) for patch in result.figure.axes[0].patches]
    assert bars == [(0, 3), (0, 0), (3, 2), (0, 0)]
    assert texts(result) == ["3", "2", "5", "0"]
    assert "(b)" not in result.caption


def test_published_numbers_have_a_panel_of_their_own(inputs):
    result = section_errors.draw(inputs, numbers=ERRORS, published_rows=["unet", "r34_unet"])
    printed = result.data[result.data["source"] == "published"]
    assert printed[["fp", "fn", "n"]].to_numpy().tolist() == [[133, 33, 1962], [33, 51.5, 1962]]
    assert {"51–52", "84–85", "166"} <= set(texts(result))
    assert "not comparable" in result.caption
    assert len(result.figure.axes) == 2


def test_unknown_numbers_or_too_few_rows_are_refused(inputs):
    with pytest.raises(ValueError, match=r"expected one of \['fig_5_wrong_sections'\]"):
        section_errors.draw(inputs, numbers="fig_6")
    with pytest.raises(ValueError, match="one of its rows for each of the runs"):
        section_errors.draw(inputs, numbers=ERRORS, published_rows=["unet"])


def test_failed_slides_are_told(inputs, tmp_path):
    frame = sections(numbered(2, 0, 1, 2) | {("broken", 0): "failed"})
    run = record(tmp_path / "other", "unet", frame)
    result = section_errors.draw(FigureInputs(runs=[run], calls={"unet": CALLS}, data_kind="own"))
    assert result.caption.endswith("Left out: 1 slide that could not be read (broken).")
