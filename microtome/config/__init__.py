# SPDX-License-Identifier: MIT
"""Configuration: one file of pydantic models per section; see `docs/reference/configuration.md`."""
