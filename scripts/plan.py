# SPDX-License-Identifier: MIT
"""Estimate what is still to do: jobs, hours, disk."""

import sys
from pathlib import Path

from microtome.stages.plan import write_plan

try:
    text = write_plan(snakemake.config, python=snakemake.params.python)
except ValueError as error:
    sys.exit(f"error: {error}")
Path(snakemake.log[0]).write_text(text, encoding="utf-8")
sys.stdout.write(text)
