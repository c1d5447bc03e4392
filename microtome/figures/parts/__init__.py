# SPDX-License-Identifier: MIT
"""What several kinds of figures share: style, panels, diagrams."""
