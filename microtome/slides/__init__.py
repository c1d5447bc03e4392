# SPDX-License-Identifier: MIT
"""Whole slides: where tissue is, what a section is, and how sections are called."""
