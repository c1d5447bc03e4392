# SPDX-License-Identifier: MIT
"""A made-up slide with annotations, and heat-maps of two runs of it, as the workflow leaves them."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from microtome.figures.inputs import FigureInputs
from microtome.io import images
from tests.synthetic_sections import CALLS, record, sections
from tests.synthetic_study import metrics

MPP = 2.0
SHAPE = (160, 240)
PATCH = 96


def blobs(shape, seed, level):
    """A mask of round regions, (H, W) bool."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 9)
    return noise > np.quantile(noise, level)


def write_slide(folder, sample, seed=0):
    """The picture of a slide, its annotations, and its row of the patch index."""
    tumor = blobs(SHAPE, seed, 0.7)
    tint = np.where(tumor[..., None], (120, 60, 150), (230, 170, 200)).astype(float)
    noise = np.random.default_rng(seed).normal(0, 12, (*SHAPE, 1))
    picture = np.moveaxis(np.clip(tint + noise, 0, 255).astype(np.uint8), -1, 0)
    images.write(folder / f"images/val-0000/{sample}.tif", picture, mpp=MPP)
    images.write(folder / f"targets/val-0000/{sample}.tif", tumor.astype(np.uint8), mpp=MPP, labels=True)
    rows = [
        {"sample": sample, "y": y, "x": x, "size": PATCH, "level": 0}
        | {"fraction_tumor": tumor[y : y + PATCH, x : x + PATCH].mean()}
        for y in (0, 48)
        for x in (0, 72, 144)
    ]
    return tumor, pd.DataFrame(rows)


def write_heat(run, sample, tumor, *, blur=4.0, seed=0, factor=1):
    """A heat-map of a run that sees the annotated regions, and a small one elsewhere."""
    found = tumor | (np.hypot(*(np.indices(tumor.shape) - np.array(SHAPE)[:, None, None] / 2)) < 5)
    noise = np.random.default_rng(seed).normal(0, 0.05, tumor.shape)
    heat = np.clip(gaussian_filter(found.astype(float), blur) + noise, 0, 1)
    small = heat[::factor, ::factor]
    path = run.folder / f"predictions/val-0000/{sample}.tif"
    images.write(path, np.round(small * 255).astype(np.uint8), mpp=MPP * factor, channels=["tumor"])
    return heat


def write_slides(folder, *, names=("unet", "r34"), labels=("U-Net", "ResNet34-UNet"), samples=("a", "b")):
    """The inputs of figures: slides of part val, runs with sections, heat-maps; the second is coarser."""
    frame = sections({(sample, 1): "tp" for sample in samples}, part="val", least_area=1280.0)
    runs = [record(folder / "runs", n, frame, label=t) for n, t in zip(names, labels, strict=True)]
    index = []
    for number, sample in enumerate(samples):
        tumor, rows = write_slide(folder, sample, seed=number)
        index.append(rows)
        for place, run in enumerate(runs):
            write_heat(run, sample, tumor, blur=3.0 + 2 * place, seed=place, factor=1 if place == 0 else 4)
    path = folder / "patches/val-0000.parquet"
    path.parent.mkdir()
    pd.concat(index).to_parquet(path, index=False)
    rows = metrics("x", {(sample, "all", "section_accuracy"): 1.0 for sample in samples}, part="val")
    runs = [replace(run, metrics=rows.assign(run=run.run)) for run in runs]
    files = {"images": [folder / "images/val-0000"], "targets": [folder / "targets/val-0000"]}
    calls = {one.run: CALLS for one in runs}
    classes = {"classes": ("normal", "tumor"), "data_kind": "phantom"}
    return FigureInputs(runs=runs, calls=calls, files=files | {"patches": [path]}, **classes)
