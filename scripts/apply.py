# SPDX-License-Identifier: MIT
"""Say where the results of an applied run are, and which images failed."""

import sys
from pathlib import Path

from microtome.stages.applied import say_applied
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    failed = say_applied(options, Path(snakemake.input[0]))
sys.exit(1 if failed else 0)
