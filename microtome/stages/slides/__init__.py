# SPDX-License-Identifier: MIT
"""Stages of whole slides, one module for each step of `rules/slides.smk`."""
