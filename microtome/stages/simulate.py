# SPDX-License-Identifier: MIT
"""Simulate a phantom study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microtome import images
from microtome.job import finished_folder
from microtome.phantoms.em import EMPhantom, simulate


def simulate_em(options: Mapping[str, Any], folder: Path) -> None:
    """Write the slices of an EM phantom and their labels.

    Args:
        options: `config.study.EMPhantomData` as a mapping.
        folder: Gets `images/NNN.tif`, `labels/NNN.tif` and the instance truth `cells/NNN.tif`.
    """
    size = options["size"]
    settings = EMPhantom(
        slices=sum(options["slices"].values()),
        size=(size, size),
        seed=options["seed"],
        difficulty=options["difficulty"],
    )
    volume = simulate(settings)
    with finished_folder(folder) as partial:
        for kind, stack in (("images", volume.images), ("labels", volume.labels), ("cells", volume.cells)):
            (partial / kind).mkdir()
            for number, array in enumerate(stack):
                images.write(partial / kind / f"{number:03d}.tif", array)
