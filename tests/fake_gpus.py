# SPDX-License-Identifier: MIT
"""A machine with GPUs, as far as its driver's command tells: `nvidia-smi` as a shell script."""

import os
from collections.abc import Sequence
from pathlib import Path

MIG = "  MIG 3g.20gb     Device  {number}: (UUID: MIG-{number:04d})"


def write(folder: Path, count: int, *, slices: Sequence[str] = (), memory_mib: int = 40_960) -> Path:
    """Write an `nvidia-smi` that tells of so many GPUs, `slices` below the first; its folder, for PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"GPU {n}: NVIDIA A100-SXM4-40GB (UUID: GPU-{n:04d})" for n in range(count)]
    lines[1:1] = slices
    queried = "\n".join([f"NVIDIA A100-SXM4-40GB, 570.86, {memory_mib}"] * count)
    listing = "\n".join(lines)
    script = f"""#!/bin/sh
case "$1" in
-L) cat <<'END'
{listing}
END
;;
*) cat <<'END'
{queried}
END
;;
esac
"""
    path = folder / "nvidia-smi"
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)
    return folder


def path_with(folder: Path) -> str:
    """PATH with a folder in front."""
    return os.pathsep.join([str(folder), os.environ.get("PATH", "")])
