# SPDX-License-Identifier: MIT
"""Writes the folders of a small made-up study of cubes: pictures, cubes, bands, maps and weights of runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file
from scipy import ndimage

from microtome import networks
from microtome.figures.inputs import FigureInputs, find_sources
from microtome.files import write_json
from microtome.io import images
from microtome.io.envi import write_cube
from microtome.metrics import overlap
from microtome.provenance.runs import load_runs
from microtome.tables.parts.numbers import groups_of
from microtome.workflow.states.products import names
from tests.synthetic_study import card, history, write_run

CLASSES = ("normal", "melanoma")
BANDS, FIRST, WIDTH = 24, 8, 8
WAVELENGTHS = tuple(550 + 7.5 * band for band in range(BANDS))
LAMP = 900 + 2200 * np.exp(-(((np.arange(BANDS) - 9) / 8) ** 2))
DARK = 100
SAMPLES = {"m0": "10x", "m1": "20x", "m2": "10x", "m3": "20x", "m4": "20x"}
BATCH = "test-0"
MPP = {"10x": 1.1, "20x": 0.55}
RUNS = {
    "cnn2d_rgb": ("2D CNN (RGB)", "cross_entropy", "image", 1.0),
    "hypernet_lovasz": ("Hyper-net (Lovász-Softmax)", "lovasz", "bands", 1.4),
    "hypernet_ce": ("Hyper-net (cross entropy)", "cross_entropy", "bands", 1.7),
    "hypernet_compound": ("Hyper-net (compound)", "compound", "bands", 2.0),
    "hypernet_raw": ("Hyper-net, raw input", "compound", "raw", 0.4),
}
"""Label, loss, view and quality."""
RECORDED = ("dice", "iou", "sensitivity", "specificity", "precision", "false_positive_rate")


def tumour(size, seed):
    """Where melanoma is: smooth blobs."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, (size, size)), size / 10)
    return (field > np.quantile(field, 0.6)).astype(np.uint8)


def transmittance(label, seed):
    """(bands, H, W): melanoma absorbs more, least so at long wavelengths; texture, and noise at the ends."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(0, 1, label.shape), 2)
    density = 0.25 + 0.55 * ndimage.gaussian_filter(label.astype(float), 1) + 0.5 * texture
    bands = np.arange(BANDS)[:, None, None]
    noise = 0.004 + 0.12 * (np.abs(bands - 11) / 13) ** 4
    found = np.exp(-density * np.exp(-bands / 20)) + noise * rng.normal(0, 1, (BANDS, *label.shape))
    return np.clip(found, 0, 1.5).astype(np.float32)


def probability(label, quality, seed):
    """(2, H, W) softmax."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, label.shape), 2)
    smooth = ndimage.gaussian_filter(label.astype(float), 1.5)
    melanoma = 1 / (1 + np.exp(-(3 * quality * (smooth - 0.5) + 2 * noise / noise.std())))
    return np.stack([1 - melanoma, melanoma]).astype(np.float32)


def measured(run, truths, found):
    """Tidy metrics of a run, with the group of each image."""
    rows = []
    for sample, truth in truths.items():
        counts = overlap.confusion_counts(truth, found[sample], classes=CLASSES)
        values = {(c, n): getattr(overlap, n)(counts)[c] for n in RECORDED for c in CLASSES}
        values["all", "accuracy"] = 1 - overlap.pixel_error(counts)
        rows += [
            ("melanoma", "published", run, 0, "test", sample, c, n, v, SAMPLES[sample])
            for (c, n), v in values.items()
        ]
    names = ["study", "split", "run", "seed", "part", "sample", "class", "metric", "value", "group"]
    return pd.DataFrame(rows, columns=names)


def network(view):
    if view == "image":
        return "cnn2d", {"kernel": 3, "width": 4, "in_channels": 3}
    return "hypernet", {"width": 4, "bands": WIDTH}


def write_melanoma(folder, *, size=48):
    """Write five samples and five runs; all but the raw-input run have weights."""
    folder, truths = Path(folder), {}
    for seed, (sample, group) in enumerate(SAMPLES.items()):
        label = truths[sample] = tumour(size, seed)
        light = transmittance(label, seed)
        picture = np.clip(255 * light[[14, 4, 0]], 0, 255).astype(np.uint8)
        images.write(folder / f"images/{BATCH}/{sample}.tif", picture, mpp=MPP[group])
        images.write(folder / f"targets/{BATCH}/{sample}.tif", label)
        (folder / f"cubes/{BATCH}").mkdir(parents=True, exist_ok=True)
        (folder / "raw").mkdir(exist_ok=True)
        write_cube(folder / f"cubes/{BATCH}/{sample}.hdr", light, wavelengths=WAVELENGTHS)
        spectra = {"blank": (LAMP + DARK).tolist()}
        write_json(folder / f"cubes/{BATCH}/{sample}.json", {"sample": sample, "spectra": spectra})
        counts = np.rint(DARK + LAMP[:, None, None] * light).clip(0, 4095).astype(np.uint16)
        write_cube(folder / f"raw/{sample}.hdr", counts, wavelengths=WAVELENGTHS)
    write_bands(folder / "bands/published/bands.tsv")
    for index, (run, (_, loss, view, quality)) in enumerate(RUNS.items()):
        path, found = folder / "runs/published" / run / "seed-0", {}
        for seed, (sample, label) in enumerate(truths.items()):
            maps = probability(label, quality, 10 * index + seed)
            found[sample] = maps.argmax(0).astype(np.uint8)
            images.write(path / f"predictions/{BATCH}/{sample}.tif", maps)
            images.write(path / f"segmentations/{BATCH}/{sample}.tif", found[sample])
        name, options = network(view)
        scale = (
            {"scale": 255.0, "mean": 0.0, "std": 1.0}
            if view == "image"
            else {"scale": 1.0, "mean": 0.0, "std": 1.0}
        )
        own = card(
            run, study="melanoma", network={"name": name, "options": options, "parameters": 1}, loss=loss,
            view=view, training={"input": scale},
        )  # fmt: skip
        write_run(path, own, measured(run, truths, found), history())
        if view != "raw":
            torch.manual_seed(index)
            save_file(networks.build(name, **options).state_dict(), path / "model.safetensors")
    return read_melanoma(folder)


def write_bands(path, chosen=range(FIRST, FIRST + WIDTH)):
    """The table of bands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = np.arange(BANDS)
    mean = 0.2 + 1.4 * np.exp(-(((bands - 11.5) / 6) ** 2))
    frame = pd.DataFrame({"band": bands, "wavelength_nm": WAVELENGTHS, "mean": mean, "sd": 0.05 * mean})
    frame.assign(selected=np.isin(bands, chosen).astype(int)).to_csv(path, sep="\t", index=False)
    return path


def read_melanoma(folder):
    """Inputs of figures."""
    folder = Path(folder)
    runs = load_runs(
        [folder / "runs/published" / run / "seed-0" for run in RUNS],
        labels={run: label for run, (label, *_) in RUNS.items()},
    )
    pictures, targets = (sorted(folder.glob(f"{kind}/{BATCH}/*.tif")) for kind in ("images", "targets"))
    return FigureInputs(
        runs=runs,
        sources=find_sources(runs, pictures, targets),
        data_kind="phantom",
        classes=CLASSES,
        groups=groups_of(runs),
        names=names(),
        cubes={path.stem: path for path in sorted(folder.glob(f"cubes/{BATCH}/*.hdr"))},
        raw_cubes={path.stem: path for path in sorted(folder.glob("raw/*.hdr"))},
        bands=folder / "bands/published/bands.tsv",
    )
