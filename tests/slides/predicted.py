# SPDX-License-Identifier: MIT
"""Slides on disk with tissue and sections, and networks whose maps are known without any window."""

from pathlib import Path

import numpy as np
import tifffile
import torch
from scipy import ndimage
from torch import nn

from microtome.io import images
from microtome.io.section_boxes import Box, write_boxes
from microtome.io.slides import describe, open_reference
from microtome.stages.slides.heatmaps import Predictor, lay_out, predict_sections

MPP = 0.5
MASK = 16
"""Slide pixels in a pixel of a tissue mask."""
CALLS = {"class": "tumor", "thresholds": [0.2, 0.5, 0.8], "connectivity": 8}
OPTIONS = {
    "predict": {"window": 64, "overlap": 0.5, "weights": "constant", "batch_size": 4},
    "input": {"scale": 255.0, "mean": 0.0, "std": 1.0},
    "network": {"name": "dark"},
    "classes": ["normal", "tumor"],
    "outputs": ["mask"],
    "activation": "softmax",
    "calls": CALLS,
    "may_fail": False,
}


class Darkness(nn.Module):
    """Logits whose softmax is the darkness of a pixel, or of a square of them."""

    def __init__(self, reduction=1):
        super().__init__()
        self.reduction, self.windows = reduction, 0
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, windows):
        self.windows += len(windows)
        mean = nn.functional.avg_pool2d(windows.mean(1, keepdim=True), self.reduction)
        dark = (1 - mean).clamp(1e-6, 1 - 1e-6)
        return torch.cat([torch.zeros_like(dark), torch.log(dark / (1 - dark))], dim=1)


def blobs(height, width, seed=0):
    """A white slide (H, W, 3) with spots of all darknesses."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.random((height, width)), 6)
    grey = np.interp(noise, (noise.min(), noise.max()), (0, 255)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def darkness(pixels, reduction=1):
    """What `Darkness` says of a slide, pixel by pixel, whatever the windows."""
    grey = pixels[..., 0].astype(np.float64) / 255
    height, width = (-(-side // reduction) * reduction for side in grey.shape)
    grey = np.pad(grey, ((0, height - grey.shape[0]), (0, width - grey.shape[1])), mode="reflect")
    cells = grey.reshape(height // reduction, reduction, width // reduction, reduction)
    return 1 - cells.mean((1, 3))


class Made:
    """A batch of slides in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images, self.tissue, self.sections = (root / name for name in ("images", "tissue", "sections"))

    def add(self, sample, pixels, boxes, tissue=None):
        """Write a slide, the boxes of its sections (y, x, height, width) and its tissue (all, if None)."""
        path = self.root / f"{sample}.tif"
        resolution = {"resolution": (1e4 / MPP, 1e4 / MPP), "resolutionunit": "CENTIMETER"}
        options = {"tile": (128, 128), "compression": "zlib", "photometric": "rgb"}
        tifffile.imwrite(path, pixels, **options, **resolution)
        self.images.mkdir(parents=True, exist_ok=True)
        describe(path, mpp=MPP).write(self.images / f"{sample}.slide")
        if tissue is None:
            tissue = np.ones([-(-side // MASK) for side in pixels.shape[:2]], np.uint8)
        images.write(self.tissue / f"{sample}.tif", tissue, mpp=MPP * MASK)
        named = [Box(y=y, x=x, height=h, width=w, section=n) for n, (y, x, h, w) in enumerate(boxes, 1)]
        self.sections.mkdir(parents=True, exist_ok=True)
        write_boxes(self.sections, sample, named, {})
        return path

    def layout(self, sample, boxes, reduction=1):
        source = open_reference(self.images / f"{sample}.slide")
        named = {n: Box(y=y, x=x, height=h, width=w) for n, (y, x, h, w) in enumerate(boxes, 1)}
        return lay_out(source, named, reduction)

    def predict(self, sample, boxes, network, options=OPTIONS):
        """The map (K, H, W) of a slide, -1 where nothing was put, and the areas of its sections."""
        layout = self.layout(sample, boxes, network.reduction)
        whole = np.full((2, *layout.size), -1.0, np.float32)

        def put(y, x, band):
            place = whole[:, y : y + band.shape[1], x : x + band.shape[2]]
            assert (place == -1).all(), "a part was put twice"
            place[:] = band

        tissue = images.open_source(self.tissue / f"{sample}.tif")
        found = predict_sections(Predictor(network.eval(), options), layout, tissue, put)
        return whole, found


def largest(probability, threshold):
    """Pixels of the largest 8-connected region, by labelling."""
    labels, _ = ndimage.label(probability >= threshold, np.ones((3, 3)))
    return int(np.bincount(labels.ravel())[1:].max(initial=0))
