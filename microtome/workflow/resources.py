# SPDX-License-Identifier: MIT
"""What a job asks a cluster for: memory and walltime that grow with each attempt, and GPUs."""

import math
from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a training job asks for its GPUs here, and options of clusters are none of its code
    from microtome.config.workflow import Cluster

BASE_MB = 3000
"""What a process that trains needs without images: libraries, network, batches."""
Resource = Callable[[Any, int], int]
"""A resource as Snakemake calls it: with the wildcards and the attempt."""


def growing(first: int, *, most: int | None = None) -> Resource:
    """An amount that doubles with each attempt, as far as the cluster lets a job have it.

    Args:
        first: MB of memory, or minutes, of the first attempt.
        most: What no attempt exceeds.

    Returns:
        A function of the wildcards and the attempt, from 1, with the signature that Snakemake asks for.

    Example:
        >>> [growing(480, most=1440)(None, attempt) for attempt in (1, 2, 3)]
        [480, 960, 1440]
    """

    def resource(wildcards: Any, attempt: int) -> int:
        amount = first * 2 ** (attempt - 1)
        return amount if most is None else min(amount, most)

    resource.__signature__ = signature(resource)  # type: ignore[attr-defined]
    return resource


def held_mb(mem_mb: float | None, processes: int, *, most: float = math.inf) -> float | None:
    """MB of images that each process of a training job with so much memory may hold; None: no limit is known.

    Args:
        mem_mb: MB of the job; None where nobody says it.
        processes: Of the job.
        most: What each may hold however much memory there is (`memory.images`), so that a job which is tried
            again with more has that to spare.

    Example:
        >>> held_mb(10_000, 2), held_mb(1000, 1), held_mb(20_000, 1, most=4000), held_mb(None, 1)
        (2000.0, 0.0, 4000, None)
    """
    allowed = math.inf if not mem_mb else max(0.0, mem_mb / processes - BASE_MB)
    found = min(allowed, most)
    return None if found == math.inf else found


def gpu_request(count: int, *, device: str, cluster: "Cluster") -> Mapping[str, int | str]:
    """The resources by which a job is given GPUs.

    SLURM takes a request for GPUs in two forms, and sites differ in which one they serve. A job must not make
    both.

    Args:
        count: GPUs of a job.
        device: The workflow's `device`; nothing is asked for where networks do not run on CUDA.
        cluster: The site's settings.

    Returns:
        Resources of a rule: `gpu` and `gpu_model` become `--gpus`, `gres` becomes `--gres`. Several GPUs are
        asked for on one node.

    Example:
        >>> from microtome.config.workflow import Cluster
        >>> gpu_request(1, device="auto", cluster=Cluster())
        {'gpu': 1}
        >>> gpu_request(1, device="cuda", cluster=Cluster(gpu_request="gres", gpu_model="a100"))
        {'gres': 'gpu:a100:1'}
        >>> gpu_request(1, device="cpu", cluster=Cluster())
        {}
    """
    if device not in ("auto", "cuda"):
        return {}
    if cluster.gpu_request == "gres":
        return {"gres": ":".join(part for part in ("gpu", cluster.gpu_model, str(count)) if part)}
    model = {"gpu_model": cluster.gpu_model} if cluster.gpu_model else {}
    together = {"nodes": 1} if count > 1 else {}
    return {"gpu": count} | model | together


def count_gpus(resources: Any) -> int:
    """How many GPUs a job asks for.

    Args:
        resources: A mapping, or those of a Snakemake job: `gpu` is their number, `gres` says it at its end
            (`gpu:2`, `gpu:a100:2`).

    Returns:
        The number; 0 if it asks for none.

    Example:
        >>> [count_gpus(found) for found in ({"gpu": 2}, {"gres": "gpu:a100:4"}, {"gres": "gpu"}, {})]
        [2, 4, 1, 0]
    """
    gres = str(resources.get("gres", None) or "")
    if gres.partition(":")[0] == "gpu":
        number = gres.rpartition(":")[2]
        return int(number) if number.isdigit() else 1
    return int(resources.get("gpu", None) or 0)
