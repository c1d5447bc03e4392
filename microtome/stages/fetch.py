# SPDX-License-Identifier: MIT
"""Fetch a public data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microtome.datasets.catalogue import DatasetEntry
from microtome.datasets.fetch import fetch, mirror_folder


def fetch_dataset(options: Mapping[str, Any], resources: Path, config: Mapping[str, Any]) -> None:
    """Bring a data set to the resources folder and verify each file.

    Args:
        options: The rule's options: the entry of the data set table.
        resources: Folder of fetched data sets.
        config: `mirror` and `offline` of the workflow.
    """
    entry = DatasetEntry.model_validate(options)
    fetch(
        entry,
        resources / entry.name,
        mirror=mirror_folder(config.get("mirror")),
        offline=bool(config.get("offline")),
    )
