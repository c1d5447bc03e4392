# SPDX-License-Identifier: MIT
"""Bytes of a file to arrays and back."""
