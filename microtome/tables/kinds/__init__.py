# SPDX-License-Identifier: MIT
"""Kinds of tables: one module each, which exposes `tabulate`."""

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)
