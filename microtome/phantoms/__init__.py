# SPDX-License-Identifier: MIT
"""Simulators with known truth, one per modality."""
