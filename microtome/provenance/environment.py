# SPDX-License-Identifier: MIT
"""What a result was computed with: package versions, the machine, and the state of the repository."""

import os
import platform
import subprocess
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from microtome import __version__

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "scikit-image",
    "tifffile",
    "imagecodecs",
    "openslide-python",
    "spectral",
    "safetensors",
    "pydantic",
    "matplotlib",
    "snakemake",
)
"""Packages that can change a result."""

CPU_INFO = Path("/proc/cpuinfo")
COMMAND_SECONDS = 20
HERE = Path(__file__).resolve().parent
GPU_FIELDS = ("name", "driver_version", "memory.total")


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Tell the versions of Python, of Microtome and of the installed ones of some packages, in order.

    Example:
        >>> versions(["numpy", "no-such-package"]).keys()
        dict_keys(['python', 'microtome', 'numpy'])
    """
    found = {package: version for package in packages if (version := installed_version(package))}
    return {"python": platform.python_version(), "microtome": __version__} | found


def installed_version(package: str) -> str | None:
    """Tell the version of a distribution, None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def system() -> dict[str, str]:
    """Name the operating system, the architecture and the processor."""
    kernel = f"{platform.system()} {platform.release()}"
    return {"os": kernel, "architecture": platform.machine(), "cpu": cpu_model()}


def machine() -> dict[str, Any]:
    """Describe the machine, without importing torch.

    Returns:
        ``os``, ``architecture``, ``cpu`` (model), ``cores`` (physical), ``threads`` (logical),
        ``usable_threads`` (this process may use), ``memory_bytes`` and ``gpus`` (list of ``name``,
        ``driver`` and ``memory_bytes``; only those the NVIDIA driver shows). JSON-serialisable.

    Example:
        >>> machine()["threads"] >= 1
        True
    """
    return system() | {
        "cores": psutil.cpu_count(logical=False),
        "threads": os.cpu_count(),
        "usable_threads": usable_threads(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": nvidia_gpus(),
    }


def usable_threads() -> int:
    """Count the CPU threads this process may run on (a scheduler may give fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_model() -> str:
    """Name the CPU as the system does, or else by its architecture."""
    if CPU_INFO.is_file():
        pairs = (line.partition(":") for line in CPU_INFO.read_text(errors="replace").splitlines())
        names = [value.strip() for name, _, value in pairs if name.strip().lower() == "model name"]
    else:
        names = _lines(["sysctl", "-n", "machdep.cpu.brand_string"])
    return next(iter(names), "") or platform.processor() or platform.machine()


def nvidia_gpus() -> list[dict[str, Any]]:
    """List ``name``, ``driver`` and ``memory_bytes`` of the GPUs that the NVIDIA driver shows."""
    query = ["nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    return [gpu for gpu in map(_parse_gpu, _lines(query)) if gpu is not None]


def git_state(folder: str | Path = HERE) -> dict[str, Any] | None:
    """Tell the commit of a repository, and whether it has changes.

    Args:
        folder: A folder that the repository has committed; this package's, wherever a job runs.

    Returns:
        ``{"commit": str, "dirty": bool}``; dirty counts changed and new files that git does not
        ignore. None outside a repository, in a folder that it does not know (a module's files, unpacked in
        somebody's project), without git, or before the first commit.
    """
    commit = _lines(["git", "-C", str(folder), "rev-parse", "HEAD", "HEAD:./"])
    if not commit:
        return None
    changes = _output(["git", "-C", str(folder), "status", "--porcelain"])
    return {"commit": commit[0], "dirty": changes is None or bool(changes.strip())}


def _parse_gpu(line: str) -> dict[str, Any] | None:
    """Read one line of nvidia-smi: name, driver, memory in MiB (``[N/A]`` where it is shared)."""
    fields = [field.strip() for field in line.split(",")]
    if len(fields) != len(GPU_FIELDS):
        return None
    name, driver, mebibytes = fields
    memory = int(mebibytes) * 2**20 if mebibytes.isdigit() else None
    return {"name": name, "driver": driver, "memory_bytes": memory}


def _lines(command: Sequence[str]) -> list[str]:
    """Lines a command prints; none if it fails or does not exist."""
    return (_output(command) or "").strip().splitlines()


def _output(command: Sequence[str]) -> str | None:
    """Run a command that only reads; None if it fails, hangs or does not exist."""
    quiet = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS, env=quiet
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return done.stdout
