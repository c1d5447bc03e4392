# SPDX-License-Identifier: MIT
"""A miniature results folder, as the workflow leaves it."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageDraw

from microtome.report.inputs import Citation, ExpectedRun, StudyMeta

EVIL = "<script>alert(1)<!--"
SAMPLES = {"train": ["slice 00", "slice 01"], "val": ["slice 02"], "test": ["slice 03", EVIL, "slice 05"]}
RUNS = {"unet_bce": "U-Net, cross entropy", "unet_dice": "U-Net, Dice", "n4": "N4 (Ciresan)"}
SEEDS = (0, 1)
EPOCHS = 12
CHANGED = (("network.width", "17"),)
START = "ImageNet (unet-0123.pth)"
SIDE = 64
META = StudyMeta(
    name="membranes",
    title="Membranes in electron microscopy",
    data_source="phantom",
    runs=(
        *(ExpectedRun(run, "main", seed, label, CHANGED) for run, label in RUNS.items() for seed in SEEDS),
        ExpectedRun("ensemble", "main", 0, "Ensemble of two"),
        ExpectedRun("never", "main", 0, "U-Net, Tversky"),
    ),
    tables={
        "table_1": "Table 1: running time",
        "table_2": "Table 2: scores",
        "table_3": "Table 3: never made",
    },
    figures={"figure_1": "Figure 1: loss", "figure_2": "Figure 2: never drawn"},
    splits=("main",),
    group_by="block",
    case_metric="v_rand",
    colors={EVIL: "#000000", "cell": "#56B4E9", "gap": "#E69F00"},
    citations=(
        Citation("Ronneberger et al., U-Net, MICCAI 2015", "https://doi.org/10.1007/978-3-319-24574-4_28"),
        Citation("A bad address", "javascript:alert(1)"),
    ),
)


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1))


def write_tsv(path, header, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([header, *rows])


def make(root: Path) -> Path:
    """Make ``root/demo`` and return it."""
    folder = root / "demo"
    study = folder / META.name
    write_samples(study)
    for number, run in enumerate(RUNS):
        for seed in SEEDS:
            write_run(study, run, seed, difficulty=number)
    write_ensemble(study)
    write_tables(study / "tables")
    write_figure(study / "figures")
    write_benchmarks(folder / "benchmarks")
    return folder


def write_samples(study):
    parts = [(sample, part) for part, samples in SAMPLES.items() for sample in samples]
    units = {sample: f"block-{number // 2}" for number, (sample, _) in enumerate(parts)}
    header = ["sample", "image", "label", "unit", "group", "part", "page", "mpp"]
    rows = [[sample, f"raw/{sample}.png", "", units[sample], "", part, 0, ""] for sample, part in parts]
    write_tsv(study / "samples.tsv", header, rows)
    write_tsv(study / "splits" / "main.tsv", ["sample", "part"], parts)
    for sample, _ in parts:
        truth = cells(sample)
        noise = np.random.default_rng(0).normal(0, 20, truth.shape)
        write_tiff(
            study / "images" / "0" / f"{sample}.tif",
            np.clip(truth * 130 + 60 + noise, 0, 255).astype(np.uint8),
        )
        write_tiff(study / "targets" / "0" / f"{sample}.tif", truth)


def cells(sample):
    """A map of cells (1) between membranes (0)."""
    rng = np.random.default_rng(sum(map(ord, sample)))
    seeds = rng.uniform(0, SIDE, (14, 2))
    grid = np.stack(np.mgrid[:SIDE, :SIDE], -1)[:, :, None]
    near = np.sort(np.linalg.norm(grid - seeds, axis=-1), axis=-1)
    return (near[..., 1] - near[..., 0] > 4).astype(np.uint8)


def write_tiff(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, array, ome=False)


def card(run, seed, network, **more):
    return {
        "study": META.name,
        "run": run,
        "split": "main",
        "seed": seed,
        "scale": "demo",
        "data_source": "phantom",
        "network": network,
        "loss": {"name": "bce", "options": {}},
        "training": {"optimizer": {"name": "adam", "lr": 0.001}, "batch_size": 4, "patience": None},
        "epochs_run": EPOCHS,
        "best_epoch": EPOCHS - 2,
        "best_val_loss": 0.1234567,
        "seconds": {"train": 83.25, "validate": 4.5},
        "device": "cpu",
        "threads": 1,
        "precision": "fp32",
        "started": "2026-03-01T10:00:00+00:00",
        "finished": f"2026-03-01T10:0{seed}:30+00:00",
        "digests": {"config": "c" * 64, "data": "d" * 64, "code": "e" * 64, "weights": f"{seed}abc" * 16},
        "git_commit": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True},
        "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
        "resumed": seed,
        **more,
    }


def write_run(study, run, seed, difficulty):
    folder = study / "runs" / "main" / run / f"seed-{seed}"
    write_json(
        folder / "card.json",
        card(run, seed, {"name": "unet", "options": {"width": 8}, "parameters": 31030593, "weights": START}),
    )
    losses = [
        (epoch, math.exp(-epoch / 4) + 0.1 * difficulty, math.exp(-epoch / 5) + 0.02 * seed, 0.001, 7.0)
        for epoch in range(1, EPOCHS + 1)
    ]
    write_tsv(folder / "history.tsv", ["epoch", "train_loss", "val_loss", "learning_rate", "seconds"], losses)
    write_metrics(folder, run, seed, difficulty)
    write_maps(folder, difficulty, seed)


def write_maps(folder, difficulty, seed):
    for sample in SAMPLES["test"]:
        rng = np.random.default_rng(seed)
        blurred = cells(sample) * 0.45 + rng.uniform(0, 0.4 + 0.15 * difficulty, (SIDE, SIDE))
        write_tiff(folder / "predictions" / "0" / f"{sample}.tif", blurred.astype(np.float32))
        write_tiff(folder / "segmentations" / "0" / f"{sample}.tif", (blurred > 0.5).astype(np.uint8))


def score(sample, difficulty, seed):
    """The metric of a run on an image: EVIL is the hardest."""
    return 0.95 - 0.1 * difficulty - 0.01 * seed - (0.2 if sample == EVIL else 0.001 * len(sample))


def write_metrics(folder, run, seed, difficulty):
    header = ["study", "split", "run", "seed", "part", "sample", "class", "metric", "value"]
    rows = [
        [META.name, "main", run, seed, "test", sample, "all", metric, score(sample, difficulty, seed) - shift]
        for sample in SAMPLES["test"]
        for metric, shift in (("v_rand", 0), ("v_info", 0.01))
    ]
    write_tsv(folder / "metrics.tsv", header, rows)


def write_ensemble(study):
    folder = study / "runs" / "main" / "ensemble" / "seed-0"
    network = {"name": "ensemble", "members": ["unet_bce", "unet_dice"]}
    write_json(
        folder / "card.json",
        card("ensemble", 0, network, epochs_run=None, best_epoch=None, best_val_loss=None),
    )
    write_metrics(folder, "ensemble", 0, difficulty=-0.2)
    write_maps(folder, difficulty=1, seed=0)


def write_tables(folder):
    rows = [[f"{label} {EVIL}", 83.25 + number, 4.5] for number, label in enumerate(RUNS.values())]
    write_tsv(folder / "table_1.tsv", ["Model", "train", "validate"], rows)
    (folder / "table_1.md").write_text("| Model |")
    (folder / "table_1.tex").write_text(r"\begin{table}")
    write_json(
        folder / "table_1.json",
        {
            "caption": f"Seconds of twelve epochs {EVIL}.",
            "note": "Phantom data.",
            "units": "seconds",
        },
    )
    spread = [[label, 0.9 + 0.01 * number, 0.0123, 2] for number, label in enumerate(RUNS.values())]
    write_tsv(folder / "table_2.tsv", ["label", "v_rand", "v_rand_sd", "v_rand_n"], spread)
    columns = [
        {"key": "label", "label": "Model", "kind": "text"},
        {"key": "v_rand", "label": "Rand score", "unit": "fraction", "better": "high"},
    ]
    write_json(folder / "table_2.json", {"caption": "Mean over seeds.", "columns": columns})


def write_figure(folder):
    folder.mkdir(parents=True)
    image = Image.new("RGB", (1000, 500), "white")
    draw = ImageDraw.Draw(image)
    for shift, colour in ((0, "#0b6e7f"), (60, "#b3261e")):
        points = [(x, 450 - shift - 350 * (1 - math.exp(-x / 200))) for x in range(50, 950, 10)]
        draw.line(points, fill=colour, width=4)
    image.save(folder / "figure_1.png")
    (folder / "figure_1.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "figure_1.pdf").write_bytes(b"%PDF-1.4")
    (folder / "figure_1.tsv").write_text("x\ty\n1\t2\n")
    caption = {
        "caption": "Validation loss by epoch.",
        "kind": "curves",
        "title": "Figure 1: losses",
    }
    write_json(folder / "figure_1.json", caption)


def write_benchmarks(folder):
    header = [
        "s",
        "h:m:s",
        "max_rss",
        "max_vms",
        "max_uss",
        "max_pss",
        "io_in",
        "io_out",
        "mean_load",
        "cpu_time",
    ]
    rest = ["1000", "400", "450", "0.0", "1.0", "98", "80"]
    write_tsv(folder / META.name / "train" / "unet_bce.tsv", header, [["83.25", "0:01:23", "512.5", *rest]])
    write_tsv(folder / META.name / "train" / "unet_dice.tsv", header, [["90.75", "0:01:30", "640.0", *rest]])
    write_tsv(folder / META.name / "split.tsv", header, [["0.3", "0:00:00", "-", *["-"] * 7]])
