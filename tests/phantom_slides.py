# SPDX-License-Identifier: MIT
"""A study of phantom slides as the workflow leaves it: references, tissue, sections, annotations, a run.

The heat-maps are made from the truth: blurred nests, and look-alikes at a lower probability.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from shapely import transform
from skimage.draw import polygon2mask

from microtome.config.modalities.objects import Targets
from microtome.config.modalities.slides import Slides
from microtome.config.phantoms.slides import SlidePhantomData
from microtome.figures.inputs import FigureInputs
from microtome.io import images, views
from microtome.io.section_boxes import read_table
from microtome.phantoms import sheet_rows
from microtome.phantoms.slides.sheet import slides
from microtome.phantoms.slides.simulation import simulate as sections_of
from microtome.provenance.section_calls import SECTION_COLUMNS
from microtome.slides.statistics import largest_regions
from microtome.stages.images import simulate
from microtome.stages.slides.references import reference_slides
from microtome.stages.slides.sections import find_sections
from microtome.stages.slides.targets import annotate_slides
from microtome.stages.slides.tissue import find_tissue
from tests.synthetic_sections import CALLS, record
from tests.synthetic_study import metrics

OPTIONS = {"height": 1500, "width": 3000, "mpp": 2.0, "seed": 7}
COUNTS = {"train": 2, "val": 1, "weak": 1, "test": 4}
WANTED = Slides.model_validate(
    {"mpp": 4.0, "sections": {"names": {"tumor": ["Tumor"], "normal": ["Normal"]}}}
)
CLASSES = ("normal", "tumor")
REGIONS = {"T": ["Tumornest"], "S": ["Stroma"], "N": ["Normal"]}
BATCH = "0000"
THRESHOLD, LEAST = 0.5, 5120.0


def targets():
    """Options of the targets."""
    given = {"kind": "semantic", "outside": "normal", "regions": REGIONS}
    features = {"names": {"Tumornest": "tumor"}}
    found = Targets.model_validate(given | {"features": features})
    return found.used | {"classes": [[name, value] for value, name in enumerate(CLASSES)]}


def heat_of(sections, shape, mpp, *, alike=0.55):
    """Probabilities of tumour (H, W): nests, look-alikes below them, blurred."""
    found = np.zeros(shape)
    for section in sections:
        for polygons, level in ((section.normal, alike), (section.nests, 1.0)):
            for polygon in polygons:
                corners = np.array(transform(polygon, lambda xy: xy / mpp).exterior.coords)[:, ::-1]
                found = np.where(polygon2mask(shape, corners - 0.5), level, found)
    return gaussian_filter(found, 2.0)


def write_study(folder, *, options=OPTIONS, counts=COUNTS, wanted=WANTED):
    """Write the study, and give what its figures are made of."""
    settings = SlidePhantomData(**options, slides=counts)
    simulate(settings.model_dump(mode="json"), folder / "raw")
    rows = sheet_rows(settings)
    place = {name: folder / name / BATCH for name in ("images", "tissue", "sections", "targets")}
    shown = wanted.model_dump(mode="json", include={"mpp", "tolerance", "crop", "decode"})
    reference_slides(rows, folder / "raw", place["images"], slides=shown)
    tissue = {"tissue": wanted.tissue.model_dump(mode="json"), "may_fail": False}
    find_tissue(tissue, place["images"], place["tissue"])
    boxes = {"sections": wanted.sections.model_dump(mode="json"), "samples": rows, "classes": list(CLASSES)}
    find_sections(
        boxes | {"may_fail": False}, folder / "raw", place["images"], place["tissue"], place["sections"]
    )
    drawn = {"samples": rows, "targets": targets()}
    annotate_slides(drawn, folder / "raw", place["images"], place["targets"])
    parts = pd.DataFrame(rows)[["sample", "part"]]
    (folder / "splits").mkdir()
    parts.to_csv(folder / "splits/0.tsv", sep="\t", index=False)
    run = write_run(folder, settings, place)
    return FigureInputs(
        runs=[run],
        data_kind="phantom",
        classes=CLASSES,
        groups={row["sample"]: row["group"] for row in rows},
        calls={run.run: CALLS},
        regions=REGIONS,
        files={name: [path] for name, path in place.items()}
        | {"labels": [place["targets"]], "splits": [folder / "splits/0.tsv"]},
    )


def write_run(folder, settings, place, name="r34_ds"):
    """A run with heat-maps and calls of the slides of test."""
    found = []
    for slide, row in zip(slides(settings), sheet_rows(settings), strict=True):
        if row["part"] == "test":
            header = images.header(views.find_sample([place["images"]], row["sample"]))
            heat = heat_of(sections_of(settings, slide), (header.height, header.width), header.mpp)
            path = folder / f"runs/{name}/seed-0/predictions/{BATCH}/{row['sample']}.tif"
            images.write(path, np.round(heat * 255).astype(np.uint8), mpp=header.mpp, channels=["tumor"])
            table = read_table(place["sections"] / f"{row['sample']}.tsv")
            found += [_called(box, heat, header.mpp, row, settings.mpp) for box in table]
    frame = pd.DataFrame(found, columns=list(SECTION_COLUMNS))
    run = record(folder / "runs", name, frame, label="DS")
    rows = metrics(name, {(s, "all", "section_accuracy"): 1.0 for s in set(frame["sample"])}, part="test")
    return replace(run, metrics=rows)


def _called(box, heat, mpp, row, slide_mpp):
    step = mpp / slide_mpp
    y, x = int(box.y / step), int(box.x / step)
    part = heat[y : int(box.bottom / step), x : int(box.right / step)]
    areas = largest_regions(part, [THRESHOLD], pixel_area=mpp**2)
    area = float(areas.areas[0])
    return {
        **{"part": row["part"], "sample": row["sample"], "unit": row["unit"], "group": row["group"]},
        **{"section": box.section, "label": box.label, "call": CLASSES[area >= LEAST], "area": area},
        **{"greatest": float(part.max()), "threshold": THRESHOLD, "least_area": LEAST, "status": "done"},
    }
