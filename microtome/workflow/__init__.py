# SPDX-License-Identifier: MIT
"""The jobs of the workflow: their paths, states, resources, and what the user asks for."""
