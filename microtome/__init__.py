# SPDX-License-Identifier: MIT
"""Microtome: from raw microscopy images to trained models, metrics, tables and figures."""

__version__ = "0.1.0"
