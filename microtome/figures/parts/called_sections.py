# SPDX-License-Identifier: MIT
"""Sections as a run called them, with their heat-maps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.slide_views import Layer, View
from microtome.io import images, views
from microtome.io.section_boxes import read_table
from microtome.provenance.runs import RunRecord
from microtome.provenance.section_calls import DONE, SECTIONS_NAME, find, read_sections

BYTE = 255
MM2, LARGE = 1e-6, 1e5
"""mm² in a µm², and from how many µm² on an area is told in mm²."""


@dataclass(frozen=True, eq=False)
class Called:
    """A section of a slide, and what a run made of it.

    Attributes:
        view: Where it is.
        row: Its row of `sections.tsv`.
        heat: The file of the run's probabilities on the slide.
        class_name: The class that sections are called for.
    """

    view: View
    row: Mapping[str, object]
    heat: Path
    class_name: str

    def probability(
        self, view: View | None = None, pixels: int = slides.PIXELS, *, most: bool = False
    ) -> Layer:
        """Probability of the class in the section, or in another view of its slide; (h, w), 0 to 1."""
        names = images.channel_names(self.heat)
        channel = names.index(self.class_name) if self.class_name in names else 0
        value = _probability_of(channel)
        return slides.read_layer(self.heat, view or self.view, value, pixels, most=most)

    @property
    def said(self) -> str:
        """What the run called it, and the area that decided."""
        area = float(str(self.row["area"]))
        told = f"{area:,.0f} µm²" if area < LARGE else f"{area * MM2:.2g} mm²"
        return f"called {self.row['call']}, {told}"


def _probability_of(channel: int) -> slides.Value:
    def value(block: NDArray) -> NDArray:
        found = block[channel]
        return found / np.float32(BYTE) if found.dtype == np.uint8 else found.astype(np.float32)

    return value


def choose_run(inputs: FigureInputs, run: str) -> RunRecord:
    """The run that is named, else the first that calls sections.

    Raises:
        ValueError: There is none.
    """
    able = [record.run for record in inputs.runs if record.run in inputs.calls]
    if not able:
        msg = f"no run calls sections; the runs at hand: {[record.run for record in inputs.runs]}"
        raise ValueError(msg)
    return inputs.record(run or able[0])


def sections_of(record: RunRecord, part: str) -> pd.DataFrame:
    """The labelled sections of a part that a run has called.

    Raises:
        ValueError: There is none.
    """
    frame = read_sections(record.folder / SECTIONS_NAME)
    found = frame[(frame["status"] == DONE) & (frame["part"] == part)]
    if found.empty:
        known = sorted(set(frame.loc[frame["status"] == DONE, "part"]))
        msg = f"run {record.run!r} has called no labelled section of part {part!r}; parts with some: {known}"
        raise ValueError(msg)
    return found.reset_index(drop=True)


def look_at(inputs: FigureInputs, record: RunRecord, row: Mapping[str, object]) -> Called:
    """The section of a row of `sections.tsv`, with its place and its heat-map.

    Raises:
        FileNotFoundError: The slide, its sections or its heat-map are not there.
        ValueError: The slide has no such section.
    """
    sample, number = str(row["sample"]), int(float(str(row["section"])))
    whole = slides.open_view(inputs.files["images"], sample)
    boxes = {box.section: box for box in read_table(find(inputs.files["sections"], f"{sample}.tsv"))}
    if number not in boxes:
        msg = (
            f"slide {sample!r} has no section {number}, of which {record.run!r} has a call; evaluate it again"
        )
        raise ValueError(msg)
    folders: Sequence[Path] = sorted(record.folder.glob("predictions/*"))
    heat = views.find_sample(folders, sample)
    return Called(whole.of(boxes[number]), row, heat, str(inputs.calls[record.run]["class"]))
