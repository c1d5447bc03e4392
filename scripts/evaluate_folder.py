# SPDX-License-Identifier: MIT
"""Say how good an applied run is, and which images were not measured."""

import sys
from pathlib import Path

from microtome.stages.applied import say_evaluated
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]):
    failed = say_evaluated(*map(Path, snakemake.input))
sys.exit(1 if failed else 0)
