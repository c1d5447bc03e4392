# SPDX-License-Identifier: MIT
"""Look at the GPUs that a job gets, and train on each for a few steps; fails where a training would."""

import sys
from pathlib import Path

from microtome.workflow import doctor
from microtome.workflow.gpus import held

with held(snakemake.params.gpus):
    findings = doctor.check_gpus(snakemake.params.gpus)
text = doctor.render(findings)
Path(snakemake.log[0]).write_text(text, encoding="utf-8")
sys.stdout.write(text)
sys.exit(any(finding.status == "fail" for finding in findings))
