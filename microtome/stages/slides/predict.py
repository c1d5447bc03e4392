# SPDX-License-Identifier: MIT
"""Predict slides section by section: heat-maps on disk, and the largest regions found in each section."""

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.devices import repeatable
from microtome.files import digest_of_options, finished_file, resumable_folder, sha256_of_file
from microtome.inference.write_behind import WriteBehind
from microtome.io import views
from microtome.io.failures import pass_on, recorded
from microtome.io.section_boxes import read_table
from microtome.io.slides import open_reference, read_reference
from microtome.provenance import tsv
from microtome.provenance.cards import KEPT_NAME, kept_weights, read_json
from microtome.provenance.section_calls import AREAS, SECONDS_NAME
from microtome.slides.statistics import areas_table
from microtome.stages.slides.heatmaps import (
    Layout,
    Predictor,
    heat_map,
    lay_out,
    predict_sections,
    ready_predictor,
)

Options = Mapping[str, Any]

UM2_PER_MM2 = 1e6


@dataclass(frozen=True)
class Batch:
    """What is known of the slides of a batch before they are predicted.

    Attributes:
        images: References to the slides.
        tissue: Masks of tissue, and records of slides that could not be read.
        sections: Boxes of sections, and further records.
    """

    images: Path
    tissue: Path
    sections: Path

    @property
    def content(self) -> list[str]:
        """Digests of all in it that a prediction depends on."""
        folders = views.samples(self.images), views.samples(self.tissue)
        files = [path for folder in folders for path in folder.values()]
        files += views.samples(self.sections, ending=".tsv").values()
        return [f"{path.name} {sha256_of_file(path)}" for path in files]


def predict_slides(
    options: Options,
    weights: Path,
    images: Path,
    tissue: Path,
    sections: Path,
    folder: Path,
    *,
    device: str,
    threads: int,
    readers: int = 1,
    code: str = "",
) -> None:
    """Predict every slide of a batch; slides that were done before a kill are not done again.

    Args:
        options: The rule's options: `predict`, `input`, `network`, `classes`, `outputs`, `activation` of the
            run; `calls` with class, thresholds, connectivity; `may_fail`.
        weights: `model.safetensors`.
        images: Folder of references to slides.
        tissue: Folder of their masks of tissue.
        sections: Folder of the boxes of their sections.
        folder: Gets `{sample}.tif`, the probabilities of the classes in `predict.store` as a pyramidal
            OME-TIFF (0 where nothing was predicted), `areas/{sample}.tsv`, `{sample}.failed.json` of slides
            that cannot be read, if they may fail, and `seconds.tsv`, what each slide took.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
        readers: Threads that decode slides.
        code: Digest of the code; what another version has begun is not gone on with.

    Raises:
        ImageError: A slide cannot be read that may not fail.
    """
    batch = Batch(images, tissue, sections)
    key = digest_of_options([options, sha256_of_file(weights), code, batch.content])
    with repeatable(threads), resumable_folder(folder, key) as draft:
        predictor = ready_predictor(options, weights, device=device, readers=readers)
        done = pass_on(tissue, draft) | pass_on(sections, draft)
        for sample, path in views.samples(images).items():
            table = draft / AREAS / f"{sample}.tsv"
            if sample not in done and not table.is_file():
                begun = time.perf_counter()
                with recorded(sample, read_reference(path).path, draft, may_fail=options["may_fail"]):
                    layout = _predict_slide(predictor, path, batch, table, views.place(draft, sample))
                    took = {"sample": sample, "seconds": round(time.perf_counter() - begun, 3)}
                    took |= {"tissue_mm2": layout.area / UM2_PER_MM2}
                    _note(draft / SECONDS_NAME, took | {"device": predictor.device, "threads": threads})


def predict_kept(
    options: Options,
    kept: Path,
    images: Path,
    tissue: Path,
    sections: Path,
    folder: Path,
    *,
    device: str,
    threads: int,
    readers: int = 1,
    code: str = "",
) -> None:
    """Measure what each kept epoch of a run finds in the sections of a batch, without keeping its maps.

    Args:
        options: See `predict_slides`.
        kept: Folder of the kept epochs, `kept.json` and `{epoch:04d}.safetensors`.
        images: Folder of references to slides.
        tissue: Folder of their masks of tissue.
        sections: Folder of the boxes of their sections.
        folder: Gets `{epoch:04d}/{sample}.tsv`.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
        readers: Threads that decode slides.
        code: See `predict_slides`.

    Raises:
        ImageError: A slide cannot be read.
    """
    batch, epochs = Batch(images, tissue, sections), kept_epochs(kept)
    weights_of = [sha256_of_file(path) for path in epochs.values()]
    key = digest_of_options([options, weights_of, code, batch.content])
    with repeatable(threads), resumable_folder(folder, key) as draft:
        for epoch, weights in epochs.items():
            predictor = ready_predictor(options, weights, device=device, readers=readers)
            for sample, path in views.samples(images).items():
                table = draft / f"{epoch:04d}" / f"{sample}.tsv"
                if not table.is_file():
                    _predict_slide(predictor, path, batch, table, None)


def kept_epochs(kept: Path) -> dict[int, Path]:
    """The epochs that training kept, and their weights.

    Raises:
        OSError: There is no list of them.
    """
    listed = read_json(kept / KEPT_NAME)
    return {entry["epoch"]: kept / kept_weights(entry["epoch"]) for entry in listed}


def _predict_slide(predictor: Predictor, path: Path, batch: Batch, table: Path, heat: Path | None) -> Layout:
    """Predict the slide of a reference: the table of areas in its sections, and its heat-map if wanted."""
    source, sample = open_reference(path), path.stem
    boxes = {box.section: box for box in read_table(batch.sections / f"{sample}.tsv")}
    with views.of_sample(sample):
        layout = lay_out(source, boxes, predictor.reduction)
        tissue = views.open_raster(views.place(batch.tissue, sample))
        opened = partial(heat_map, heat, predictor, layout)
        with WriteBehind() as behind, behind.file(opened) if heat else nullcontext() as put:
            found = predict_sections(predictor, layout, tissue, put)
    with finished_file(table) as draft:  # the last file of a slide: it says that the slide is done
        areas_table(found).to_csv(draft, sep="\t", index=False, lineterminator="\n")
    return layout


def _note(path: Path, row: Mapping[str, Any]) -> None:
    """Add a row to the table of seconds, which is whole at any time."""
    before = tsv.read(path, names=None) if path.is_file() else pd.DataFrame(columns=list(row))
    rows = [*before[before["sample"] != row["sample"]].to_dict("records"), row]
    with finished_file(path) as draft:
        pd.DataFrame(rows).to_csv(draft, sep="\t", index=False, lineterminator="\n")
