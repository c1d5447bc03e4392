# SPDX-License-Identifier: MIT
"""Sets LaTeX with the TeX of the system, and reads what it says of boxes."""

import re
import shutil
import subprocess

import pytest

from microtome.report.paper import PREAMBLE

needs_tex = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="there is no pdflatex on this machine"
)
OVERFULL = re.compile(r"Overfull \\hbox \((\d+(?:\.\d+)?)pt too wide\)")
TALL = re.compile(r"(?:Overfull \\vbox \(|Float too large for page by )(\d+(?:\.\d+)?)pt")


def set_text(folder, body, *, preamble=PREAMBLE, runs=3):
    """Set a document in a folder, long tables in several runs; the log of the last."""
    (folder / "text.tex").write_text(f"{preamble}{body}\n\\end{{document}}\n", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "text.tex"]
    for _ in range(runs):
        done = subprocess.run(command, cwd=folder, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    log = (folder / "text.log").read_text(encoding="latin-1")
    assert done.returncode == 0, "\n".join(line for line in log.splitlines() if line.startswith(("!", "l.")))
    return log


def too_wide(log, tolerance=5.0):
    """By how many points boxes are too wide, beyond a tolerance."""
    return [float(found) for found in OVERFULL.findall(log) if float(found) > tolerance]


def too_tall(log, tolerance=5.0):
    """The same of pages and floats that are too tall."""
    return [float(found) for found in TALL.findall(log) if float(found) > tolerance]
