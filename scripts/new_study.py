# SPDX-License-Identifier: MIT
"""Make a study of a folder of images: study file and sample sheet."""

import sys
from pathlib import Path

from microtome.stages.new import asked_study

try:
    text = asked_study(**snakemake.params)
except (OSError, ValueError) as error:
    text = f"error: {error}\n"
Path(snakemake.log[0]).write_text(text, encoding="utf-8")
sys.stdout.write(text)
sys.exit(text.startswith("error: "))
