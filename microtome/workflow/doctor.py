# SPDX-License-Identifier: MIT
"""A check of the machine before work starts: processor, GPU, training, memory, disk, packages, git."""

import importlib
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import psutil

from microtome.formats import size
from microtome.machine import CGROUP_LIMITS, machine_memory
from microtome.provenance import environment

Status = Literal["ok", "warn", "fail"]
GIB = 2**30
LITTLE_MEMORY, LITTLE_DISK, VERY_LITTLE_DISK = 8 * GIB, 20 * GIB, GIB
SLOW_WRITING = 50 * 2**20
"""Bytes per second below which writing predictions takes longer than computing them."""
WRITE_BYTES = 32 * 2**20
MATRIX = 64
TRAINING_STEPS = 10
PIN = re.compile(r"^([\w.-]+)==([\w.]+)", re.MULTILINE)


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis: what was looked at, what was found, and what to do, if anything.

    The status is ``"ok"``, ``"warn"`` (work goes on, slower or with less) or ``"fail"`` (it does not).
    """

    topic: str
    item: str
    found: str
    status: Status = "ok"
    remedy: str = ""


def examine(*, results: Path, root: Path = Path()) -> tuple[Finding, ...]:
    """Examine the machine; a probe that fails is a finding itself and stops no other.

    Args:
        results: Folder of results; a file of 32 MiB is written to it (or to the folder it will be made in)
            and removed.
        root: Folder of the workflow, with ``requirements.txt`` and ``requirements-extra.txt``.
    """
    probes: dict[str, Iterator[Finding]] = {
        "cpu": probe_cpu(),
        "gpu": probe_gpu(),
        "training": probe_training(),
        "memory": probe_memory(),
        "disk": probe_disk(results),
        "packages": chain(
            probe_packages(root / "requirements.txt"), probe_extras(root / "requirements-extra.txt")
        ),
        "git": probe_git(root),
    }
    return tuple(finding for topic, probe in probes.items() for finding in _kept(topic, probe))


def render(findings: Sequence[Finding]) -> str:
    """Write findings as text: one line each, its remedy below it, and a summary.

    Example:
        >>> print(render([Finding("disk", "free", "1.0 GiB", "warn", "free some")]), end="")
        disk
          warn  free  1.0 GiB
                → free some
        <BLANKLINE>
        0 ok, 1 warn, 0 fail
    """
    width = max((len(finding.item) for finding in findings), default=0)
    lines: list[str] = []
    for topic, group in groupby(findings, attrgetter("topic")):
        lines.append(topic)
        for finding in group:
            lines.append(f"  {finding.status:<4}  {finding.item:<{width}}  {finding.found}")
            lines += [f"        → {finding.remedy}"] if finding.remedy else []
    counts = Counter(finding.status for finding in findings)
    return "\n".join([*lines, "", ", ".join(f"{counts[one]} {one}" for one in ("ok", "warn", "fail"))]) + "\n"


def _kept(topic: str, probe: Iterator[Finding]) -> Iterator[Finding]:
    """What a probe finds until it fails, and its failure."""
    try:
        yield from probe
    except (ImportError, OSError, RuntimeError, ValueError, AttributeError, LookupError) as error:
        yield Finding(topic, "probe", f"{type(error).__name__}: {error}", "fail", "repair this first")


def _judge(
    topic: str, item: str, found: str, remedy: str, *, is_wrong: bool, status: Status = "warn"
) -> Finding:
    """A finding with its remedy if it is wrong."""
    return Finding(topic, item, found, status, remedy) if is_wrong else Finding(topic, item, found)


def probe_cpu() -> Iterator[Finding]:
    """Look at the CPU, and at the threads that torch uses."""
    used, usable = importlib.import_module("torch").get_num_threads(), environment.usable_threads()
    cores = psutil.cpu_count(logical=False) or "unknown"
    is_fast = importlib.import_module("microtome.devices").supports_fast_bf16()
    bf16 = "fast bfloat16" if is_fast else "no fast bfloat16, so prediction stays in float32"
    yield Finding("cpu", "model", f"{environment.cpu_model()}; {bf16}")
    yield Finding("cpu", "cores", f"{cores} physical, {os.cpu_count()} threads, {usable} usable")
    remedy = f"set OMP_NUM_THREADS={usable}: more threads than cores slow each other down"
    yield _judge("cpu", "torch", f"{used} of {usable} usable threads", remedy, is_wrong=used > usable)


def probe_gpu() -> Iterator[Finding]:
    """Look for GPUs, and multiply matrices on those that torch would use."""
    torch, shown = importlib.import_module("torch"), environment.nvidia_gpus()
    for gpu in shown:
        yield Finding("gpu", gpu["name"], f"{size(gpu['memory_bytes'])}, driver {gpu['driver']}")
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            yield _try_device(torch, f"cuda:{number}", torch.cuda.get_device_name(number))
    elif torch.backends.mps.is_available():
        yield _try_device(torch, "mps", "Apple GPU")
    elif shown:
        found = f"the driver shows a GPU, but torch {torch.__version__} does not use it"
        built, remedy = "the CPU", "install the CUDA build (see https://pytorch.org/get-started)"
        if torch.version.cuda:
            built, remedy = f"CUDA {torch.version.cuda}", "update the driver, or check CUDA_VISIBLE_DEVICES"
        yield Finding("gpu", "device", found, "fail", f"this torch is built for {built}: {remedy}")
    else:
        found, remedy = "none; training runs on the CPU", "use a GPU for the paper scale"
        yield Finding("gpu", "device", found, "warn", remedy)


def _try_device(torch: Any, device: str, name: str) -> Finding:
    """Multiply two matrices on a device and compare with the known product."""
    try:
        ones = torch.ones(MATRIX, MATRIX, device=device)
        is_right = float((ones @ ones).sum().item()) == float(MATRIX**3)
        found = f"{name} computes" if is_right else f"{name} computes wrong products"
    except RuntimeError as error:
        is_right, found = False, f"{name} does not compute: {error}"
    remedy = "update the driver, or set device: cpu"
    return _judge("gpu", device, found, remedy, is_wrong=not is_right, status="fail")


def probe_training() -> Iterator[Finding]:
    """Train the largest published network for a few steps on each CUDA device; nothing without one."""
    torch = importlib.import_module("torch")
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield _train_on(torch, f"cuda:{number}")


def _train_on(torch: Any, device: str) -> Finding:
    """Ten training steps of V-net as published, and the memory that is left beside them."""
    pace = importlib.import_module("microtome.training.pace")
    free, total = torch.cuda.mem_get_info(torch.device(device))
    batch = " x ".join(map(str, pace.LARGEST.batch))
    try:
        found = pace.measure(pace.LARGEST, torch.device(device), steps=TRAINING_STEPS)
    except torch.OutOfMemoryError:
        text = f"a batch of {batch} of V-net does not fit into {size(free)} free of {size(total)}"
        remedy = "end what else uses the GPU; or lower training.batch_size or sampler.crop of such a study"
        return Finding("training", device, text, "warn", remedy)
    text = (
        f"V-net, batches of {batch}, {found.precision}: {1 / found.seconds:.2g} steps/s, forward pass "
        f"{found.forward / found.seconds:.0%} of a step; {size(free - found.peak_bytes)} of {size(total)} "
        "free beside it"
    )
    return Finding("training", device, text)


def check_gpus(count: int) -> tuple[Finding, ...]:
    """Look at the GPUs alone, as a training job of `count` of them would find them.

    A driver without a card, a build of torch for CPUs, or fewer cards than asked for is a failure here.
    """
    findings = [*_kept("gpu", probe_gpu()), *_kept("training", probe_training())]
    there = sum(finding.item.startswith("cuda:") for finding in findings if finding.topic == "gpu")
    seen = f"{there}; CUDA_VISIBLE_DEVICES is {os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}"
    remedy = "ask for them (resources: gpu), set `gpus` in config/config.yaml to what is there, or look at "
    remedy += "`scontrol show job`"
    last = _judge("gpu", f"{count} asked for", seen, remedy, is_wrong=there < count, status="fail")
    return (
        *(one for one in findings if one.topic == "gpu"),
        last,
        *(f for f in findings if f.topic != "gpu"),
    )


def probe_memory() -> Iterator[Finding]:
    """Look at memory, and at its limit in a container or a job of a scheduler."""
    memory = psutil.virtual_memory()
    limit = min(memory.total, machine_memory(CGROUP_LIMITS))
    found = f"{size(limit)} usable, {size(memory.available)} free now"
    remedy = "lower data.batch_size and patches.size, or use a machine with more memory"
    yield _judge("memory", "RAM", found, remedy, is_wrong=limit < LITTLE_MEMORY)


def probe_disk(results: Path) -> Iterator[Finding]:
    """Look at free disk space, and measure writing."""
    place = next(folder for folder in (results.absolute(), *results.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    remedy = f"free space, or set `results` to a disk with more than {size(LITTLE_DISK)}"
    status: Status = "fail" if free < VERY_LITTLE_DISK else "warn"
    found = f"{size(free)} at {place}"
    yield _judge("disk", "free", found, remedy, is_wrong=free < LITTLE_DISK, status=status)
    speed = write_speed(place)
    remedy = "set `results` to a local disk: writing will take longer than computing"
    found = f"{size(speed)}/s, flushed to the disk"
    yield _judge("disk", "writing", found, remedy, is_wrong=speed < SLOW_WRITING)


def write_speed(folder: Path, *, count: int | None = None) -> float:
    """Measure how fast a folder is written, in bytes per second, flush to the disk included.

    Raises:
        OSError: The folder cannot be written, or is full.
    """
    content = os.urandom(count or WRITE_BYTES)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".microtome-doctor-") as file:
        start = time.perf_counter()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return len(content) / (time.perf_counter() - start)


def probe_packages(pins: Path) -> Iterator[Finding]:
    """Compare installed packages with the pins; `pip check` would accept any that fit each other."""
    if not pins.is_file():
        remedy = "run this in a clone of the project"
        yield Finding("packages", "pins", f"{pins} does not exist", "warn", remedy)
        return
    wanted = PIN.findall(pins.read_text(encoding="utf-8"))
    installed = {name: environment.installed_version(name) for name, _ in wanted}
    fits = {name for name, pin in wanted if (installed[name] or "").partition("+")[0] == pin}
    for name, pin in wanted:
        if name not in fits:
            found = f"{installed[name] or 'none'} installed; pinned {pin}"
            remedy = f"pip install '{name}=={pin}', or results may differ"
            yield Finding("packages", name, found, "warn" if installed[name] else "fail", remedy)
    remedy = f"install them with `pip install -r {pins.name}`"
    found = f"{len(fits)} of {len(wanted)} as pinned in {pins.name}"
    yield _judge("packages", "pins", found, remedy, is_wrong=len(fits) < len(wanted))


def probe_extras(pins: Path) -> Iterator[Finding]:
    """Tell which optional packages are installed; nothing fails without them but what asks for them."""
    for name, pin in PIN.findall(pins.read_text(encoding="utf-8")) if pins.is_file() else ():
        installed = environment.installed_version(name)
        remedy = f"`pip install -r {pins.name}`, if a study asks for it"
        found = f"optional: {installed or 'not'} installed"
        fits = installed == pin
        yield Finding("packages", name, found, remedy="" if fits else remedy)


def probe_git(root: Path) -> Iterator[Finding]:
    """Look for the commit that results are told to come from."""
    state = environment.git_state(root) or {"commit": "none known", "dirty": False}
    remedy = "work in a git clone, or results cannot name the code that made them"
    found = state["commit"][:10] + (", with changes" if state["dirty"] else "")
    yield _judge("git", "commit", found, remedy, is_wrong=state["commit"] == "none known")
