# SPDX-License-Identifier: MIT
"""Kinds of tables: one module each, which exposes `tabulate`."""
