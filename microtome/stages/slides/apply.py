# SPDX-License-Identifier: MIT
"""Apply a trained run to new slides: heat-map, sections with their calls, regions, pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose, prod
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.config.colors import rgb_bytes
from microtome.config.sections import section_colors
from microtome.files import write_json
from microtome.io import geojson, images, views
from microtome.io.section_boxes import read_table
from microtome.io.slides import SlideSource, header, open_reference
from microtome.provenance import tsv
from microtome.provenance.cards import WEIGHTS_NAME, read_json
from microtome.provenance.section_calls import AREAS, SELECTION_NAME
from microtome.slides.overlay import draw_boxes
from microtome.slides.pictures import Sampled, tinted
from microtome.slides.statistics import RegionAreas, areas_table
from microtome.slides.windows import on_map
from microtome.stages.slides.calls import call_sections
from microtome.stages.slides.heatmaps import (
    Layout,
    Predictor,
    Put,
    heat_map,
    lay_out,
    predict_sections,
    ready_predictor,
)
from microtome.stages.slides.references import reference_slides
from microtome.stages.slides.regions import AREA, RegionOutlines, features
from microtome.stages.slides.sections import find_sections
from microtome.stages.slides.tissue import find_tissue

Options = Mapping[str, Any]

HEAT_MAP, THUMBNAIL, OVERLAY = "heatmap.tif", "thumbnail.png", "overlay.png"
SECTIONS, REGIONS, TISSUE, CALLS = "sections.geojson", "regions.geojson", "tissue.geojson", "calls.tsv"
SUMMARY = "summary.json"
"""What lies in the folder of a slide."""
READ = ("mpp", "tolerance", "crop", "decode")
"""Options of slides by which pixels are read."""
LONGEST = 1600
"""Pixels of the longer side of a picture."""
OTHER = "#0072B2"
"""Colour of sections that are called none of the classes."""
SAME_SIZE = 1e-3
"""How much the pixel size of a row may differ from that of its file, which is then taken."""


@dataclass(frozen=True, eq=False)
class SlideApplier:
    """A trained run that is ready for slides.

    Attributes:
        predictor: Its network; regions are measured at the chosen threshold alone.
        selection: Its `selection.json`.
        options: Those of `apply_run`.
    """

    predictor: Predictor
    selection: Path
    options: Options

    @property
    def positive(self) -> str:
        """The class that sections are called for."""
        return self.options["calls"]["class"]

    @property
    def colors(self) -> Mapping[str, str]:
        """Of the classes of sections."""
        return section_colors(self.options["classes"])

    def settings(self, *names: str) -> dict[str, Any]:
        """Options of a stage; no slide is passed over here, as its row says what is wrong with it."""
        found = {name: self.options["slides"].get(name, self.options.get(name)) for name in names}
        return found | {"classes": self.options["classes"], "may_fail": False}

    def __call__(self, row: Options, scratch: Path) -> dict[str, Any]:
        """Apply the run to the slide of a row; what was found in it.

        Writes into `out/{sample}` of the folder: `heatmap.tif`, `sections.geojson` (boxes with their calls),
        `regions.geojson` (where the probability reaches the threshold), `tissue.geojson`, `calls.tsv`,
        `thumbnail.png` and `overlay.png`. Coordinates are slide pixels from the corner of its bounds.

        Raises:
            ImageError: The slide cannot be read, or has no tissue.
        """
        sample, out = row["sample"], scratch / "out" / row["sample"]
        layout = _laid_out(self, row, scratch)
        seen = layout.source.reduced(LONGEST)
        regions = RegionOutlines(layout.sections, channel=self.predictor.called, threshold=self._threshold)
        small = Sampled(layout.size, seen.shape[1:], self.predictor.called)
        tissue = views.open_raster(views.place(scratch / "tissue", sample))
        with heat_map(out / HEAT_MAP, self.predictor, layout) as put:
            found = predict_sections(self.predictor, layout, tissue, _each(put, regions.put, small.put))
        calls = _called(self, found, sample, scratch)
        described = _described(self, regions, layout, sample)
        geojson.write(out / REGIONS, described)
        _draw(self, layout, seen, small, calls["call"], out)
        for name, place in {SECTIONS: "calls", TISSUE: "tissue"}.items():
            (scratch / place / f"{sample}.geojson").replace(out / name)
        (scratch / "calls" / f"{sample}.tsv").replace(out / CALLS)
        found = _summary(self, layout, calls, described)
        write_json(out / SUMMARY, found)
        return found

    def before(self, row: Options, folder: Path) -> dict[str, Any] | None:
        """What was found in a slide that was done before a kill; None if it was not done."""
        record = folder / row["sample"] / SUMMARY
        return read_json(record) if record.is_file() else None

    @property
    def _threshold(self) -> float:
        (threshold,) = self.predictor.options["calls"]["thresholds"]
        return threshold


def ready_applier(options: Options, member: Path, *, device: str, readers: int = 1) -> SlideApplier:
    """Load a trained run for slides.

    Args:
        options: Those of `apply_run`: `members` (one), `slides`, `calls`, `classes`.
        member: Folder of the run, with its weights and its `selection.json`.
        device: `auto`, `cpu`, `cuda` or `mps`.
        readers: Threads that decode slides.

    Raises:
        WeightsFileError: The weights are damaged, or of another network.
        ValueError: There is no threshold.
    """
    selection = member / SELECTION_NAME
    calls = options["calls"] | {"thresholds": [float(read_json(selection)["threshold"])]}
    of_run = options["members"][0]["predict"] | {"calls": calls}
    predictor = ready_predictor(of_run, member / WEIGHTS_NAME, device=device, readers=readers)
    return SlideApplier(predictor, selection, options)


def _laid_out(applier: SlideApplier, row: Options, scratch: Path) -> Layout:
    """Look for tissue and sections; where they are on the map of the slide."""
    places = [scratch / name for name in ("slides", "tissue", "sections")]
    reading = {key: applier.options["slides"][key] for key in READ}
    reference_slides([_with_own_size(row)], Path(), places[0], slides=reading)
    find_tissue(applier.settings("tissue"), *places[:2])
    find_sections(applier.settings("sections") | {"samples": []}, Path(), *places)
    boxes = read_table(places[2] / f"{row['sample']}.tsv")
    source = open_reference(views.find_sample(places[:1], row["sample"]))
    return lay_out(source, {box.section: box for box in boxes}, applier.predictor.reduction)


def _with_own_size(row: Options) -> dict[str, Any]:
    """A row without a pixel size where the file says the same, in rows and columns."""
    own = header(row["image"]).mpp
    is_own = own is not None and isclose(row["mpp"], prod(own) ** 0.5, rel_tol=SAME_SIZE)
    return {**row, "mpp": None if is_own else row["mpp"]}


def _each(*puts: Put) -> Put:
    """Hand a part of a map to several."""

    def put(y: int, x: int, part: NDArray[np.float32]) -> None:
        for one in puts:
            one(y, x, part)

    return put


def _called(
    applier: SlideApplier, found: Mapping[int, RegionAreas], sample: str, scratch: Path
) -> pd.DataFrame:
    """Call the sections by the areas of their regions."""
    folders = [scratch / name for name in ("predictions", "sections", "calls")]
    areas = folders[0] / AREAS
    areas.mkdir(parents=True)
    areas_table(found).to_csv(areas / f"{sample}.tsv", sep="\t", index=False, lineterminator="\n")
    call_sections(applier.settings("calls"), applier.selection, *folders)
    return tsv.read(folders[2] / f"{sample}.tsv")


def _described(
    applier: SlideApplier, regions: RegionOutlines, layout: Layout, sample: str
) -> list[dict[str, Any]]:
    """The regions as features."""
    found = regions.regions(applier.options["calls"]["connectivity"])
    color = applier.colors[applier.positive]
    return list(features(found, layout, sample=sample, name=applier.positive, color=color))


def _draw(
    applier: SlideApplier, layout: Layout, seen: SlideSource, small: Sampled, calls: pd.Series, out: Path
) -> None:
    """Write the slide as a picture, and the same with heat-map and sections over it."""
    rgb, colors = seen.read(0, 0, *seen.shape[1:]), applier.colors
    scale = seen.shape[1] / layout.size[0], seen.shape[2] / layout.size[1]
    boxes = [
        on_map((place.y, place.x), (place.height, place.width), (1 / scale[0], 1 / scale[1]), seen.shape[1:])
        for place in layout.sections.values()
    ]
    corners = [(box.y, box.x, box.bottom, box.right) for box in boxes]
    over = tinted(rgb, small.values, rgb_bytes(colors[applier.positive]))
    drawn = draw_boxes(over, corners, [rgb_bytes(colors.get(call, OTHER)) for call in calls])
    images.write_png(out / THUMBNAIL, rgb)
    images.write_png(out / OVERLAY, drawn)


def _summary(
    applier: SlideApplier, layout: Layout, calls: pd.DataFrame, described: list[dict[str, Any]]
) -> dict[str, Any]:
    """A row of what was found in a slide."""
    bounds, name = layout.source.reference.bounds, applier.positive
    areas = [one["properties"]["measurements"][AREA] for one in described]
    return {
        "height": bounds.height,
        "width": bounds.width,
        "mpp": prod(layout.source.reference.slide_mpp) ** 0.5,
        "sections": len(calls),
        f"{name}_sections": int((calls["call"] == name).sum()),
        f"{name}_regions": len(areas),
        f"{name}_um2": sum(areas),
    }
