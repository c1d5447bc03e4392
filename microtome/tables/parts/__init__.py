# SPDX-License-Identifier: MIT
"""What several kinds of tables share: rows, numbers, published values, rendering."""
