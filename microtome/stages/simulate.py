# SPDX-License-Identifier: MIT
"""Simulate a phantom study."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microtome import images
from microtome.job import finished_folder

PHANTOMS = "microtome.phantoms"


def simulate(options: Mapping[str, Any], folder: Path) -> None:
    """Write what a phantom simulates: images, labels and further truth.

    Args:
        options: A model of `microtome.config.phantoms` as a mapping. Its `kind` is the module of
            `microtome.phantoms` whose `files` yields the name and content of each file.
        folder: Gets these files: arrays as OME-TIFF, mappings as JSON, text and bytes as they are.
    """
    phantom = importlib.import_module(f"{PHANTOMS}.{options['kind']}")
    with finished_folder(folder) as partial:
        for name, content in phantom.files(options):
            path = partial / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            elif isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            elif isinstance(content, Mapping):
                path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            else:
                images.write(path, content)
