# SPDX-License-Identifier: MIT
"""Kinds of figures: one module each, which exposes `draw`."""
