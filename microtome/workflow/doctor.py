# SPDX-License-Identifier: MIT
"""A check of the machine before work starts: devices, memory, disk, packages, workflow."""

import importlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from packaging.requirements import InvalidRequirement, Requirement

from microtome.formats import size
from microtome.provenance import environment

Status = Literal["ok", "warn", "fail"]
ORDER: tuple[Status, ...] = ("ok", "warn", "fail")

GIB = 2**30
LITTLE_MEMORY = 8 * GIB
LITTLE_DISK = 20 * GIB
VERY_LITTLE_DISK = GIB
LITTLE_SHARED_MEMORY = GIB // 2
FEW_OPEN_FILES = 1024
SLOW_WRITING = 50 * 2**20
"""Bytes per second below which writing predictions takes longer than computing them."""
WRITE_BYTES = 32 * 2**20
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16")
FAST_BF16_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
SHARED_MEMORY = Path("/dev/shm")
PROFILES = {
    "profiles/default/config.yaml": "without it Snakemake reruns by the time of files",
    "slurm/config.yaml": "it is needed for `snakemake --profile slurm` only",
}
MATRIX = 64


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis.

    Attributes:
        topic: Group of the line.
        item: What was looked at.
        status: ``"ok"``, ``"warn"`` (work goes on, slower or with less) or ``"fail"`` (it does not).
        found: What was found.
        remedy: What to do; empty if nothing.
    """

    topic: str
    item: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All findings, in order of topic."""

    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """The worst status of all."""
        return max((finding.status for finding in self.findings), key=ORDER.index, default="ok")


def examine(*, results: Path, root: Path = Path()) -> Diagnosis:
    """Examine the machine.

    Args:
        results: Folder of results; a file of 32 MiB is written to it (or to the folder it will be made in)
            and removed.
        root: Folder of the workflow, with ``requirements.txt`` and the profiles.

    Returns:
        The findings. A probe that fails is a finding itself and stops no other.
    """
    probes: dict[str, Callable[[], Iterator[Finding]]] = {
        "cpu": probe_cpu,
        "threads": probe_threads,
        "gpu": probe_gpu,
        "memory": probe_memory,
        "disk": lambda: probe_disk(results),
        "packages": lambda: probe_packages(root / "requirements.txt"),
        "slides": probe_openslide,
        "workflow": lambda: probe_workflow(root),
    }
    return Diagnosis(tuple(finding for topic, probe in probes.items() for finding in _run(topic, probe)))


def render(diagnosis: Diagnosis) -> str:
    """Write a diagnosis as text.

    Args:
        diagnosis: The findings.

    Returns:
        One line per finding, its remedy below it, and a summary.

    Example:
        >>> print(render(Diagnosis((Finding("disk", "free", "warn", "1.0 GiB", "free some"),))), end="")
        disk
          warn  free  1.0 GiB
                → free some
        <BLANKLINE>
        0 ok, 1 warn, 0 fail
    """
    width = max((len(finding.item) for finding in diagnosis.findings), default=0)
    lines: list[str] = []
    topic = ""
    for finding in diagnosis.findings:
        lines += [finding.topic] if finding.topic != topic else []
        topic = finding.topic
        lines.append(f"  {finding.status:<4}  {finding.item:<{width}}  {finding.found}")
        lines += [f"        → {finding.remedy}"] if finding.remedy else []
    counts = [
        f"{sum(finding.status == status for finding in diagnosis.findings)} {status}" for status in ORDER
    ]
    return "\n".join([*lines, "", ", ".join(counts)]) + "\n"


def probe_cpu() -> Iterator[Finding]:
    """Look at the CPU and its instruction sets."""
    yield Finding("cpu", "model", "ok", environment.cpu_model())
    logical, usable = os.cpu_count() or 1, environment.usable_threads()
    cores = psutil.cpu_count(logical=False) or "unknown"
    yield Finding(
        "cpu", "cores", "ok", f"{cores} physical, {logical} threads, {usable} usable by this process"
    )
    flags = environment.cpu_flags()
    shown = [flag for flag in CPU_FLAGS if flag in flags]
    fast = (
        "; fast bfloat16" if FAST_BF16_FLAGS & flags else "; no fast bfloat16, so prediction stays in float32"
    )
    vector = bool(shown)
    remedy = "" if vector else "expect slow training; a CPU with AVX2 or NEON is several times faster"
    yield Finding(
        "cpu", "vector", "ok" if vector else "warn", (", ".join(shown) or "none known") + fast, remedy
    )


def probe_threads() -> Iterator[Finding]:
    """Look at the threads that torch and BLAS use."""
    torch = importlib.import_module("torch")
    pools = importlib.import_module("threadpoolctl").threadpool_info()
    usable, used = environment.usable_threads(), torch.get_num_threads()
    many = used > usable
    remedy = f"set OMP_NUM_THREADS={usable}: more threads than cores slow each other down" if many else ""
    yield Finding("threads", "torch", "warn" if many else "ok", f"{used} of {usable} usable", remedy)
    for pool in pools:
        name = f"{pool['internal_api']} {pool.get('version') or ''}".strip()
        yield Finding("threads", str(pool["user_api"]), "ok", f"{name}, {pool['num_threads']} threads")


def probe_gpu() -> Iterator[Finding]:
    """Look for GPUs, and multiply matrices on the one that would be used."""
    torch = importlib.import_module("torch")
    shown = environment.nvidia_gpus()
    for gpu in shown:
        yield Finding(
            "gpu", "driver", "ok", f"{gpu['name']}, {size(gpu['memory_bytes'])}, driver {gpu['driver']}"
        )
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield _try_device(torch, f"cuda:{number}", torch.cuda.get_device_name(number))
    elif torch.backends.mps.is_available():
        yield _try_device(torch, "mps", "Apple GPU")
    elif shown:
        yield _unused_gpu(torch)
    else:
        yield Finding(
            "gpu", "device", "warn", "none; training runs on the CPU", "use a GPU for the paper scale"
        )


def probe_memory() -> Iterator[Finding]:
    """Look at memory, its limit in a container, and shared memory."""
    memory = psutil.virtual_memory()
    limit = min([memory.total, *container_limits()])
    little = limit < LITTLE_MEMORY
    remedy = "lower data.batch_size and patches.size, or use a machine with more memory" if little else ""
    found = f"{size(limit)} usable, {size(memory.available)} free now"
    yield Finding("memory", "RAM", "warn" if little else "ok", found, remedy)
    if SHARED_MEMORY.is_dir():
        total = shutil.disk_usage(SHARED_MEMORY).total
        little = total < LITTLE_SHARED_MEMORY
        remedy = "start the container with --shm-size=2g, or loader processes may be killed" if little else ""
        yield Finding("memory", "shared", "warn" if little else "ok", size(total), remedy)


def container_limits() -> list[int]:
    """Read the memory limits a container or a scheduler sets, in bytes."""
    texts = [path.read_text().strip() for path in CGROUP_LIMITS if path.is_file()]
    return [int(text) for text in texts if text.isdigit()]


def probe_disk(results: Path) -> Iterator[Finding]:
    """Look at free disk space, and measure writing."""
    place = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    status: Status = "fail" if free < VERY_LITTLE_DISK else "warn" if free < LITTLE_DISK else "ok"
    remedy = (
        "" if status == "ok" else f"free space, or set `results` to a disk with more than {size(LITTLE_DISK)}"
    )
    yield Finding("disk", "free", status, f"{size(free)} at {place}", remedy)
    speed = write_speed(place)
    slow = speed < SLOW_WRITING
    remedy = "set `results` to a local disk: writing will take longer than computing" if slow else ""
    yield Finding(
        "disk", "writing", "warn" if slow else "ok", f"{size(speed)}/s, flushed to the disk", remedy
    )


def write_speed(folder: Path, *, count: int = WRITE_BYTES) -> float:
    """Measure how fast a folder is written, flush to the disk included.

    Args:
        folder: An existing folder; the file is removed again.
        count: Bytes to write.

    Returns:
        Bytes per second.

    Raises:
        OSError: The folder cannot be written, or is full.
    """
    content = os.urandom(count)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".microtome-doctor-") as file:
        start = time.perf_counter()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return count / (time.perf_counter() - start)


def probe_packages(pins: Path) -> Iterator[Finding]:
    """Compare installed packages with the pins."""
    if not pins.is_file():
        yield Finding(
            "packages", "pins", "warn", f"{pins} does not exist", "run this in a clone of the project"
        )
        return
    wanted = list(read_pins(pins.read_text(encoding="utf-8")))
    wrong = [finding for finding in map(_compare, wanted) if finding is not None]
    yield from wrong
    remedy = f"install them with `pip install -r {pins.name}`" if wrong else ""
    found = f"{len(wanted) - len(wrong)} of {len(wanted)} as pinned in {pins.name}"
    yield Finding("packages", "pins", "warn" if wrong else "ok", found, remedy)


def read_pins(text: str) -> Iterator[Requirement]:
    r"""Read the pins of a requirements file that apply to this machine.

    Args:
        text: The file; options (``-r``, ``--hash``), comments and addresses are passed over.

    Yields:
        The pins.

    Example:
        >>> text = "# a\nnumpy==2.4.6 \\\n    --hash=x\n-r b.txt\nw==1; os_name=='none'\n"
        >>> [str(pin) for pin in read_pins(text)]
        ['numpy==2.4.6']
    """
    for line in text.splitlines():
        bare = line.split(" #")[0].split(" --")[0].rstrip("\\ ").strip()
        if not bare or bare.startswith(("#", "-")):
            continue
        try:
            pin = Requirement(bare)
        except InvalidRequirement:
            continue
        if pin.specifier and (pin.marker is None or pin.marker.evaluate()):
            yield pin


def probe_openslide() -> Iterator[Finding]:
    """Load OpenSlide."""
    try:
        openslide = importlib.import_module("openslide")
    except (ImportError, OSError) as error:
        remedy = "pip install openslide-python openslide-bin; only whole slides (the bcc study) need it"
        yield Finding("slides", "OpenSlide", "warn", f"does not load: {error}", remedy)
        return
    yield Finding("slides", "OpenSlide", "ok", f"{openslide.__library_version__} loads")


def probe_workflow(root: Path) -> Iterator[Finding]:
    """Look for Snakemake, its profiles and git."""
    version = environment.installed_version("snakemake")
    remedy = "" if version else "pip install -r requirements.txt"
    yield Finding("workflow", "Snakemake", "ok" if version else "fail", version or "not installed", remedy)
    for name, reason in PROFILES.items():
        there = (root / name).is_file()
        remedy = "" if there else f"run in a clone of the project; {reason}"
        yield Finding("workflow", name, "ok" if there else "warn", "there" if there else "missing", remedy)
    state = environment.git_state(root)
    found = (
        f"commit {state['commit'][:10]}{', with changes' if state['dirty'] else ''}"
        if state
        else "no commit known"
    )
    remedy = "" if state else "work in a git clone, or results cannot name the code that made them"
    yield Finding("workflow", "git", "ok" if state else "warn", found, remedy)
    yield from _open_files()


def _open_files() -> Iterator[Finding]:
    """Look at the limit of open files, where the system has one."""
    try:
        resource = importlib.import_module("resource")
    except ImportError:
        return
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    few = 0 <= limit < FEW_OPEN_FILES
    remedy = f"raise it with `ulimit -n {FEW_OPEN_FILES}`" if few else ""
    yield Finding("workflow", "open files", "warn" if few else "ok", str(limit), remedy)


def _run(topic: str, probe: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Run one probe; what it found until it failed is kept, and the failure is a finding."""
    found: list[Finding] = []
    try:
        for finding in probe():
            found.append(finding)
    except (ImportError, OSError, RuntimeError, ValueError, AttributeError, LookupError) as error:
        text = f"{type(error).__name__}: {error}"
        remedy = "repair this first; see the message"
        found.append(Finding(topic, "probe", "fail", text, remedy))
    return found


def _try_device(torch: object, device: str, name: str) -> Finding:
    """Multiply two matrices on a device and compare with the known product."""
    try:
        ones = torch.ones(MATRIX, MATRIX, device=device)
        right = float((ones @ ones).sum().item()) == float(MATRIX**3)
    except RuntimeError as error:
        return Finding(
            "gpu",
            device,
            "fail",
            f"{name} does not compute: {error}",
            "update the driver, or set device: cpu",
        )
    if not right:
        return Finding("gpu", device, "fail", f"{name} computes wrong products", "set device: cpu")
    return Finding("gpu", device, "ok", f"{name} computes")


def _unused_gpu(torch: object) -> Finding:
    """A GPU that torch cannot use."""
    built = torch.version.cuda
    found = f"the driver shows a GPU, but torch {torch.__version__} does not use it"
    remedy = (
        f"this torch is built for CUDA {built}: update the driver, or check CUDA_VISIBLE_DEVICES"
        if built
        else "this torch is built for the CPU: install the CUDA build (see https://pytorch.org/get-started)"
    )
    return Finding("gpu", "device", "fail", found, remedy)


def _compare(pin: Requirement) -> Finding | None:
    """Compare one pin with what is installed; None if it fits."""
    version = environment.installed_version(pin.name)
    if version is None:
        return Finding(
            "packages", pin.name, "fail", f"not installed; pinned {pin.specifier}", f"pip install '{pin}'"
        )
    if pin.specifier.contains(version, prereleases=True):
        return None
    found = f"{version} installed; pinned {pin.specifier}"
    return Finding("packages", pin.name, "warn", found, f"pip install '{pin}', or results may differ")
