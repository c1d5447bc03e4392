# SPDX-License-Identifier: MIT
"""Ratios of time and memory against named peers: `python -m benchmarks`."""
