# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: calibration, choice of bands, rendering as RGB."""
