# SPDX-License-Identifier: MIT
"""Training: batches, the loop, checkpoints."""
