# SPDX-License-Identifier: MIT
"""Kinds of figures: one module each, which exposes `draw`."""

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)
