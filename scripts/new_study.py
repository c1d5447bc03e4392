# SPDX-License-Identifier: MIT
"""Make a study of a folder of images: study file and sample sheet."""

import sys
from pathlib import Path

from microtome.stages.new import asked_study

text = asked_study(**snakemake.params)
Path(snakemake.log[0]).write_text(text, encoding="utf-8")
sys.stdout.write(text)
