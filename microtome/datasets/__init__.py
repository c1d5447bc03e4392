# SPDX-License-Identifier: MIT
"""Public data sets: where they come from, and how their folders become sample sheets."""

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)
