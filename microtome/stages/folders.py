# SPDX-License-Identifier: MIT
"""Batch folders: each holds one file a sample."""

from microtome.io.views import find_sample, read_map

__all__ = ["INSTANCES", "PROFILES", "find_sample", "read_map"]

INSTANCES = "instances"
"""Folder of the maps of objects, beside the class maps."""
PROFILES = "profiles"
"""Folder of the images' own stain profiles, `{sample}.json`, beside the normalized images."""
