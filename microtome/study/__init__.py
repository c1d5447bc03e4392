# SPDX-License-Identifier: MIT
"""The sample sheet and what follows from it, before any job."""
