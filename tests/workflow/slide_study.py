# SPDX-License-Identifier: MIT
"""A miniature study of slides: annotations, boxes, a slide without them, a run that borrows weights."""

from collections.abc import Iterable
from pathlib import Path

from tests.slide_files import stained, write_annotations, write_boxes, write_slide
from tests.workflow.workspace import Content, Workspace

STUDY = "slides"
HEIGHT, WIDTH, MPP = 384, 512, 2.0
NESTS = ((150, 160, 64), (190, 300, 48))
PARTS = ("train", "val", "val", "test")
"""Of the slides; the second of val has no annotations."""
COLUMNS = ("sample", "image", "label", "sections", "patient", "part")
Row = dict[str, str]


def slide_study() -> Content:
    """One run with kept epochs, one that stops at its coarsest output."""
    return {
        "title": "Slides",
        "data": {
            "source": "files",
            "samples": "data/slides/samples.tsv",
            "channels": 3,
            "classes": ["normal", "tumor"],
        },
        "slides": {"mpp": MPP, "tissue": {"least_area": 10_000}, "sections": {"names": {"tumor": ["Tumor"]}}},
        "targets": {
            "outside": "normal",
            "features": {"take": ["Nest"], "names": {"Nest": "tumor"}},
            "regions": {"T": ["Nest"]},
        },
        "patches": {"size": 64, "stride": 64},
        "defaults": {
            "network": {"name": "dsunet", "head": "deep", "width": 2, "in_channels": 3},
            "loss": {"name": "softmax_focal"},
            "supervision": {"levels": "all"},
            "training": {"epochs": 3, "select": {"class": "tumor", "keep": 2}, "optimizer": {"lr": 0.01}},
            "predict": {"window": 64, "store": {"dtype": "uint8", "classes": ["tumor"]}},
            "calls": {"class": "tumor", "thresholds": [0.3, 0.5], "areas": [0, 1000]},
        },
        "runs": {"deep": {"label": "Deep"}, "coarse": {"weights_of": "deep", "predict": {"level": 0}}},
        "evaluate": {"metrics": ["overlap", "sections"], "parts": ["val", "test"]},
        "tables": {"calls": {"kind": "section_metrics", "title": "Calls", "runs": "all", "part": "test"}},
        "scales": {"demo": {}},
    }


def write_slides(workspace: Workspace, parts: Iterable[str] = PARTS) -> None:
    """Write slides, annotations of the first two, boxes and the sheet."""
    folder = workspace.root / "data/slides"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [_write(folder, number, part) for number, part in enumerate(parts)]
    lines = ["\t".join(COLUMNS), *("\t".join(row[name] for name in COLUMNS) for row in rows)]
    workspace.write("data/slides/samples.tsv", "\n".join(lines) + "\n")


def _write(folder: Path, number: int, part: str) -> Row:
    names = {"image": f"{number}.tif", "label": f"{number}.geojson", "sections": f"{number}.tsv"}
    if not (folder / names["image"]).is_file():
        write_slide(folder / names["image"], stained(HEIGHT, WIDTH, NESTS, number), mpp=MPP)
        write_annotations(folder / names["label"], {"Nest": NESTS})
        half = WIDTH // 2
        boxes = [(0, 0, HEIGHT, half, "Tumor"), (0, half, HEIGHT, half, "normal")]
        write_boxes(folder / names["sections"], boxes)
    is_annotated = number < 2
    told = {"sample": f"s{number}", "patient": f"p{number}", "part": part}
    return told | names | ({} if is_annotated else {"label": ""})
