# SPDX-License-Identifier: MIT
"""Public data sets: where they come from, and how their folders become sample sheets."""
