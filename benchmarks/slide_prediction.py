# SPDX-License-Identifier: MIT
"""Prediction of a slide into a heat-map, against TIAToolbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.harness import Case, Comparison, Prepared
from benchmarks.slide_files import MPP, WINDOW, prediction, scratch, write_slide

SIDE, QUICK_SIDE = 8192, 1024


def slide(quick: bool) -> Path:
    """A slide of twice the resolution that networks see; it goes with the process."""
    side, folder = QUICK_SIDE if quick else SIDE, scratch()
    return write_slide(folder / "slide.svs", side, side, "svs", MPP / 2)


def microtome(quick: bool) -> Prepared:
    return Prepared(prediction(slide(quick)))


def tiatoolbox(quick: bool) -> Prepared:
    """The same windows and network; it writes its probabilities to Zarr."""
    import torch
    from tiatoolbox.models.engine.io_config import IOSegmentorConfig
    from tiatoolbox.models.engine.semantic_segmentor import SemanticSegmentor
    from tiatoolbox.models.models_abc import ModelABC

    class OneByOne(ModelABC):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Conv2d(3, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.layer(images)

        @staticmethod
        def infer_batch(model: torch.nn.Module, batch: torch.Tensor, *, device: str) -> Any:
            inputs = batch.to(device).float().permute(0, 3, 1, 2) / 127.5 - 1
            with torch.inference_mode():
                return model(inputs).softmax(1).permute(0, 2, 3, 1).cpu().numpy()

    path = slide(quick)
    resolution = {"units": "mpp", "resolution": MPP}
    config = IOSegmentorConfig(
        input_resolutions=[resolution],
        output_resolutions=[resolution],
        patch_input_shape=[WINDOW, WINDOW],
        patch_output_shape=[WINDOW, WINDOW],
        stride_shape=[WINDOW // 2, WINDOW // 2],
        save_resolution=resolution,
    )
    segmentor = SemanticSegmentor(OneByOne().eval(), batch_size=8, num_workers=0, device="cpu")
    options = {"ioconfig": config, "patch_mode": False, "output_type": "zarr", "auto_get_mask": False}
    return Prepared(lambda: segmentor.run([path], save_dir=path.parent / "out", overwrite=True, **options))


CASE = Case(
    name="slide_prediction",
    title=f"a network of 1x1 on {SIDE}² JPEG tiles at half their resolution, windows {WINDOW}, overlap 0.5",
    variants={"microtome": microtome, "tiatoolbox": tiatoolbox},
    needs={"tiatoolbox": "tiatoolbox"},
    comparisons=[
        Comparison("heat-map and areas against SemanticSegmentor", "microtome", "tiatoolbox", 3.0),
        Comparison("likewise: added memory", "microtome", "tiatoolbox", 2.0, metric="peak_mb"),
    ],
    note="TIAToolbox 2.1.3 where it is installed, with torchvision, in an environment of its own",
)
