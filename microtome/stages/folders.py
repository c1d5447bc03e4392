# SPDX-License-Identifier: MIT
"""Batch folders: each holds one file a sample."""

from microtome.io.views import find_sample, read_map

__all__ = ["INSTANCES", "find_sample", "read_map"]

INSTANCES = "instances"
"""Folder of the maps of objects, beside the class maps."""
