# SPDX-License-Identifier: MIT
"""A training that may be killed: `python -m benchmarks.gpu.victim DATA RUN FOLDER DEVICE`."""

import sys
from pathlib import Path

from benchmarks.gpu import tiny
from benchmarks.gpu.smoke import EPOCHS
from microtome.stages.train import TrainingFiles

if __name__ == "__main__":
    data, name, folder, device = sys.argv[1:]
    root = Path(data)
    files = TrainingFiles((root / "index.parquet",), (root / "images",), (root / "targets",))
    tiny.train(files, name, Path(folder), device=device, epochs=EPOCHS)
