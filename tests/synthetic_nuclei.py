# SPDX-License-Identifier: MIT
"""Writes the folders of a small made-up nuclei study: stained images, objects, markers, two runs' outputs."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from microtome import stain
from microtome.figures.inputs import FigureInputs, find_sources
from microtome.files import write_json
from microtome.io import images
from microtome.metrics.instances import aji, score
from microtome.provenance.runs import load_runs
from microtome.tables.parts.numbers import groups_of
from microtome.workflow.states.products import names
from tests.synthetic_study import card, history, write_run

ORGANS = ("liver", "kidney", "brain")
STAINS = (((0.65, 0.70, 0.29), (0.07, 0.99, 0.11)), ((0.60, 0.72, 0.35), (0.15, 0.95, 0.28)))
"""Haematoxylin and eosin of two clinics."""
MPP = 0.25
STAIN = "spcn"
BATCH = "test-0"
SETTINGS = {
    "stains": {STAIN: {"method": "spcn", "target": "n00"}},
    "runs": {
        "shape": {
            "stain": STAIN,
            "outputs": ["mask", "shape_marker"],
            "sampler": {"kind": "patches", "copies": 12},
            "augment": {"horizontal_flip": 0.5, "rotation": 25.0, "translate": 0.2},
            "segment": {"kind": "watershed", "mask_threshold": 0.1, "marker_threshold": 0.1},
        }
    },
}


def nuclei(size=96, seed=0):
    """Ellipses, some of them touching; where two overlap the first keeps the pixel."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number in range(1, size * size // 500 + 2):
        y, x = rng.uniform(0, size, 2)
        long, short, turn = rng.uniform(7, 10), rng.uniform(5, 7), rng.uniform(0, np.pi)
        along = (columns - x) * np.cos(turn) + (rows - y) * np.sin(turn)
        across = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
        labels[((along / long) ** 2 + (across / short) ** 2 < 1) & (labels == 0)] = number
    return labels


def stained(labels, seed=0):
    """The image (3, H, W) of nuclei in haematoxylin on a background of eosin."""
    rng = np.random.default_rng(seed)
    texture = ndimage.gaussian_filter(rng.normal(0, 1, labels.shape), 3)
    texture /= np.abs(texture).max()
    blue = 0.9 * ndimage.gaussian_filter((labels > 0).astype(float), 0.7) + 0.08 * rng.uniform(
        0, 1, labels.shape
    )
    red = 0.35 + 0.25 * texture
    density = np.einsum("khw,kc->chw", np.stack([blue, red]), np.asarray(STAINS[seed % 2]))
    return np.clip(np.round(255 * np.exp(-density)), 0, 255).astype(np.uint8)


def markers(labels, *, centre):
    """Eroded objects, or disks at their centres."""
    mask = np.zeros(labels.shape, bool)
    for number in np.unique(labels[labels > 0]):
        one = labels == number
        mask |= _disk(one) if centre else ndimage.binary_erosion(one, iterations=2)
    return mask.astype(np.uint8)


def _disk(one, radius=3):
    rows, columns = np.nonzero(one)
    y, x = np.mgrid[: one.shape[0], : one.shape[1]]
    return (y - rows.mean()) ** 2 + (x - columns.mean()) ** 2 <= radius**2


def found_objects(labels, *, faults, seed):
    """The objects, some left out, some shrunken, and some that are not there."""
    rng = np.random.default_rng(seed)
    found = np.zeros_like(labels)
    for number in np.unique(labels[labels > 0]):
        if rng.uniform() < faults:
            continue
        one = labels == number
        found[ndimage.binary_erosion(one) if rng.uniform() < faults * 2 else one] = number
    for number in range(round(faults * 8)):
        y, x = rng.integers(0, labels.shape[0]), rng.integers(0, labels.shape[1])
        patch = found[y : y + 7, x : x + 6]
        patch[patch == 0] = labels.max() + 1 + number
    return found


def soft(mask, seed):
    """A probability map of a mask."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(0, 1, mask.shape), 2)
    smooth = ndimage.gaussian_filter((mask > 0).astype(float), 1.0)
    return (1 / (1 + np.exp(-8 * (smooth - 0.5 + 0.4 * noise)))).astype(np.float32)


def write_nuclei(folder, *, pictures=None, size=96, data_source="phantom") -> FigureInputs:
    """Write images, targets, normalized images with their reports, and two runs; give a figure's inputs."""
    folder = Path(folder)
    if pictures is None:
        labels = {f"n{k:02d}": nuclei(size, seed=k) for k in range(4)}
        pictures = {name: (stained(label, seed=k), label) for k, (name, label) in enumerate(labels.items())}
    groups = {name: ORGANS[k % len(ORGANS)] for k, name in enumerate(pictures)}
    name, (image, _) = next(iter(pictures.items()))
    target = stain.fit_target(np.moveaxis(image, 0, -1)).as_json()
    write_json(folder / f"stains/{STAIN}/target.json", {"target": name, "profile": target})
    for name, (image, labels) in pictures.items():
        write_sample(folder, name, image, labels, target)
    runs = [
        write_output(folder, run, pictures, groups, data_source=data_source, faults=faults)
        for run, faults in (("centre", 0.2), ("shape", 0.1))
    ]
    return inputs_of(folder, runs, data_source=data_source)


def inputs_of(folder, runs, *, data_source="phantom"):
    records = load_runs(runs, labels={"centre": "USE-Net, centre marker", "shape": "USE-Net, shape marker"})
    sources = find_sources(
        records,
        sorted(folder.glob("images/*/*.tif")),
        sorted(folder.glob("targets/*/*.tif")),
        stains={STAIN: sorted(folder.glob(f"stains/{STAIN}/images/*/*.tif"))},
    )
    return FigureInputs(
        runs=records,
        sources=sources,
        data_kind=data_source,
        classes=("background", "nucleus"),
        groups=groups_of(records),
        settings=SETTINGS,
        names=names(),
        stain_targets={STAIN: folder / f"stains/{STAIN}/target.json"},
    )


def write_sample(folder, name, image, labels, target_stain):
    images.write(folder / f"images/{BATCH}/{name}.tif", image, mpp=MPP)
    target = folder / "targets" / BATCH
    images.write(target / f"{name}.tif", (labels > 0).astype(np.uint8))
    images.write(target / f"instances/{name}.tif", labels.astype(np.int32))
    images.write(target / f"shape_markers/{name}.tif", markers(labels, centre=False))
    images.write(target / f"centre_markers/{name}.tif", markers(labels, centre=True))
    normal = folder / f"stains/{STAIN}/images/{BATCH}"
    result, report = stain.apply(np.moveaxis(image, 0, -1), target_stain)
    images.write(normal / f"{name}.tif", np.moveaxis(result, -1, 0), mpp=MPP)
    write_json(normal / f"{name}.json", {"sample": name, **report})


def write_output(folder, run, pictures, groups, *, data_source, faults):
    path = folder / "runs/published" / run / "seed-0"
    rows = []
    for k, (name, (_, labels)) in enumerate(pictures.items()):
        found = found_objects(labels, faults=faults * (1 + 0.5 * k), seed=k)
        marker = markers(labels, centre=run == "centre")
        maps = np.stack([soft(labels, k), soft(marker, 50 + k)])
        images.write(path / f"predictions/{BATCH}/{name}.tif", maps)
        images.write(path / f"segmentations/{BATCH}/{name}.tif", (found > 0).astype(np.uint8))
        images.write(path / f"segmentations/{BATCH}/instances/{name}.tif", found)
        scores = {"aji": aji(labels, found), "pq": score(labels, found).panoptic.pq}
        base = {"study": "nuclei", "split": "published", "run": run, "seed": 0, "part": "test"}
        base |= {"sample": name, "group": groups[name]}
        rows += [{**base, "class": "all", "metric": m, "value": v} for m, v in scores.items()]
        dice = 2 * ((labels > 0) & (found > 0)).sum() / max((labels > 0).sum() + (found > 0).sum(), 1)
        rows.append({**base, "class": "nucleus", "metric": "dice", "value": float(dice)})
    own = card(
        run,
        data_source=data_source,
        network={"name": "usenet", "options": {"encoder": "seresnet50"}, "parameters": 35_037_186},
        loss="bce_dice",
        study="nuclei",
        stain=STAIN,
        outputs=["mask", f"{run}_marker"],
        training={"sampler": {"kind": "patches", "copies": 12, "holdout": 0.1}},
        samples={"train": 9, "val": 1, "test": 4},
    )
    return write_run(path, own, pd.DataFrame(rows), history())
