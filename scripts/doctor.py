# SPDX-License-Identifier: MIT
"""Look at the machine: devices, memory, disk, packages."""

import sys
from pathlib import Path

from microtome.config.project import WORKFLOW
from microtome.workflow import doctor

diagnosis = doctor.examine(results=Path(snakemake.params.results), root=WORKFLOW)
text = doctor.render(diagnosis)
Path(snakemake.log[0]).write_text(text, encoding="utf-8")
sys.stdout.write(text)
