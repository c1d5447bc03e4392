# SPDX-License-Identifier: MIT
"""What only a GPU can show: `make gpu`, or `python -m benchmarks.gpu`; `--dry` does the same on a CPU."""
