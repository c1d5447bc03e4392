# SPDX-License-Identifier: MIT
"""Look at the machine: processor, GPU, memory, disk, packages, git."""

import sys
from pathlib import Path

from microtome.config.project import WORKFLOW
from microtome.workflow import doctor

findings = doctor.examine(results=Path(snakemake.params.results), root=WORKFLOW)
text = doctor.render(findings)
Path(snakemake.log[0]).write_text(text, encoding="utf-8")
sys.stdout.write(text)
