# SPDX-License-Identifier: MIT
"""The device that computes, and computing the same twice."""

import ctypes
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from microtome.machine import machine_memory

__all__ = [
    "choose_device",
    "device_memory",
    "keep_freed_memory",
    "machine_memory",
    "map_large_blocks",
    "release_memory",
    "repeatable",
    "require_devices",
    "supports_fast_bf16",
]

logger = logging.getLogger(__name__)
AMPERE = 8, 0
"""Compute capability of the first GPUs that have TF32 and bf16."""
FAST_BF16 = ("amx_bf16", "avx512_bf16")
"""x86 instruction sets that compute products of bfloat16 numbers."""
MMAP_THRESHOLD = -3
"""`M_MMAP_THRESHOLD` of mallopt(3)."""
TRIM_THRESHOLD = -1
"""`M_TRIM_THRESHOLD` of mallopt(3)."""
LARGE_BLOCK = 8 * 2**20
"""Bytes: below are what networks of windows make in a batch, above the bands of a slide."""
LARGEST_KEPT = 32 * 2**20
"""Bytes: the most that `M_MMAP_THRESHOLD` may be."""


def choose_device(name: str) -> torch.device:
    """Find the device of that name.

    Args:
        name: `auto` takes CUDA, then MPS, then the CPU, and says which in the log.

    Raises:
        ValueError: The device asked for is not there.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(key for key in ("cuda", "mps", "cpu") if available[key])
    if not available.get(name, False):
        there = ", ".join(key for key, value in available.items() if value)
        msg = (
            f"device '{name}' is not available here (available: {there}); set `device: auto`, or run "
            "`snakemake doctor`"
        )
        raise ValueError(msg)
    logger.info("device: %s", name)
    return torch.device(name)


def supports_fast_bf16(device: torch.device | str = "cpu") -> bool:
    """Whether bfloat16 is computed in hardware: AMX or AVX-512 BF16 on a CPU, Ampere or later on CUDA."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in FAST_BF16)


def device_memory(device: torch.device) -> int:
    """Bytes of memory of a GPU; 0 for what has no memory of its own.

    Example:
        >>> device_memory(torch.device("cpu"))
        0
    """
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0


def require_devices(device: torch.device, name: str, count: int) -> None:
    """Make sure that each of several processes finds a device of its own.

    Args:
        device: What `choose_device` found.
        name: What it was asked for; only by its name is a CPU shared by several processes.
        count: Processes.

    Raises:
        ValueError: There are fewer GPUs.

    Example:
        >>> require_devices(torch.device("cpu"), "cpu", 2)
    """
    if count == 1 or device.type == name == "cpu":
        return
    found = {"cuda": torch.cuda.device_count, "mps": lambda: 1}.get(device.type, lambda: 0)()
    if found < count:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hidden = "" if visible is None else f" (CUDA_VISIBLE_DEVICES is '{visible}')"
        msg = (
            f"a training job of {count} GPUs sees {found} of them here{hidden}; set `gpus` in "
            "config/config.yaml to that number, or ask the scheduler for more (resources: gpu). "
            "`device: cpu` trains with as many processes on the CPU."
        )
        raise ValueError(msg)


def number_format(device: torch.device, precision: str) -> str:
    """What the factors of a network's products are rounded to: TF32 (10 bits) where a GPU does so with fp32.

    Args:
        device: Where it computes.
        precision: What was asked for: `fp32`, `bf16`, `fp16`.

    Returns:
        `precision`, or `tf32`. PyTorch takes TF32 for the convolutions of fp32 networks on GPUs that have it,
        from Ampere on.

    Example:
        >>> number_format(torch.device("cpu"), "fp32")
        'fp32'
    """
    if precision != "fp32" or device.type != "cuda" or torch.version.hip:
        return precision
    is_rounded = torch.backends.cudnn.allow_tf32 or torch.backends.cuda.matmul.allow_tf32
    return "tf32" if is_rounded and torch.cuda.get_device_capability(device) >= AMPERE else precision


@contextmanager
def repeatable(threads: int, *, deterministic: bool = True) -> Iterator[None]:
    """Compute with a fixed number of CPU threads and, where PyTorch has them, with deterministic kernels.

    Operations that have none warn. Memory is not filled before use, as PyTorch would do for the sake of
    programs that read what they never wrote. Afterwards everything is as it was.

    Args:
        threads: CPU threads of torch; results can differ in the last bit between numbers of threads.
        deterministic: False: on a GPU, the kernels that are the fastest, convolutions by measuring them;
            CPUs compute the same all the same.
    """
    # without it, matrix products on CUDA are not deterministic; read when CUDA starts
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    count, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    fill, measures = torch.utils.deterministic.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    torch.set_num_threads(threads)
    # use_deterministic_algorithms would import the compiler
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.backends.cudnn.benchmark = not deterministic
    torch.utils.deterministic.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.set_num_threads(count)
        torch.set_deterministic_debug_mode(mode)
        torch.backends.cudnn.benchmark = measures
        torch.utils.deterministic.fill_uninitialized_memory = fill


def release_memory() -> None:
    """Give freed memory back to the system, as far as the C library can (glibc).

    Where arrays of many sizes come and go for long, freed memory lies in pieces too small for the next, and
    a process grows although it holds no more.

    Example:
        >>> release_memory()
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def keep_freed_memory() -> None:
    """Keep freed memory in the heap from now on (glibc), for where the same blocks come and go all the time.

    By default the C library gives the end of its heap back once 64 MB of it are free, so that each step of a
    training gets thousands of new pages, which the system clears first. Blocks above 32 MB are mapped apart.
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        change(MMAP_THRESHOLD, LARGEST_KEPT)  # stays at 128 kB otherwise, once one of the two is set
        change(TRIM_THRESHOLD, -1)


def map_large_blocks() -> None:
    """Have the system hold each large block of memory by itself from now on (glibc): freed, it is given back.

    By default the C library keeps blocks up to 32 MB in one heap once such a block was freed. Where bands,
    batches and maps of different sizes come and go, the heap grows to about twice what they need together.
    New pages cost time in return, which shows only beside the smallest networks.

    Example:
        >>> map_large_blocks()
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        change(MMAP_THRESHOLD, LARGE_BLOCK)
