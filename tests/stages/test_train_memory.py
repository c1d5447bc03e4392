# SPDX-License-Identifier: MIT
"""Training on images that do not fit into memory takes no more than it may hold, as the system counts."""

import subprocess
import sys

from safetensors.numpy import load_file

from benchmarks.training_memory import BANDS, stand_in
from tests.workflow.workspace import REPOSITORY

COUNTS, SIDE, WINDOW = {"train": 28, "val": 4}, 256, 64
IMAGES_MB = 32 * BANDS * SIDE**2 * 4 / 2**20
"""128 MB: all images of bands; they lie in sparse files."""
HELD_MB = 16
SCRIPT = """
import sys
from pathlib import Path
from benchmarks.training_memory import train
from microtome.stages.training_data import TrainingFiles
folder, held = Path(sys.argv[1]), float(sys.argv[2])
files = TrainingFiles((folder / "index.parquet",), (folder / "images",), (folder / "targets",))
train(folder / sys.argv[2], files, {counts}, held)
# `getrusage` would tell the peak of the process that began this one, where that is higher
told = Path("/proc/self/status").read_text().partition("VmHWM:")[2]
print(int(told.split()[0]) / 1024)
"""


def peak_mb(folder, held):
    """MB that a process took, at most, that trains there."""
    command = [sys.executable, "-c", SCRIPT.format(counts=COUNTS), str(folder), str(held)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def test_images_that_do_not_fit_are_read_by_window(tmp_path):
    """The sparse files take no room on the disk, either."""
    stand_in(tmp_path, COUNTS, side=SIDE, window=WINDOW)
    taken = sum(path.stat().st_blocks for path in tmp_path.glob("images/*.tif")) * 512
    assert taken < 2 * IMAGES_MB / 32 * 2**20
    some, all_ = (peak_mb(tmp_path, held) for held in (HELD_MB, 10 * IMAGES_MB))
    assert all_ - some > 0.8 * (IMAGES_MB - HELD_MB)
    weights = [load_file(tmp_path / f"{held}/run/model.safetensors") for held in (HELD_MB, 10 * IMAGES_MB)]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
