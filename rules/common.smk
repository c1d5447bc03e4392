# Paths, wildcards and resources that the rules share. The plan of each study is made by the package.
import gc
import os
import shutil
import sys
from functools import cache
from pathlib import Path


include: "clone.smk"
include: "quick.smk"


sys.path.insert(0, str(CLONE))

from snakemake.cli import get_argument_parser
from snakemake.exceptions import WorkflowError
from snakemake.io import local, sourcecache_entry
from snakemake.logging import logger

import microtome.workflow.states.applied
import microtome.workflow.states.data
import microtome.workflow.states.runs
from microtome.config import project
from microtome.config.load import load_workflow
from microtome.datasets.catalogue import load_catalogue
from microtome.faults import ConfigurationError
from microtome.files import mirror_folder, require_writable
from microtome.provenance import code
from microtome.registry import plugins_folder
from microtome.study import modalities
from microtome.study.load import load_plans, sheet_faults
from microtome.study.newcomers import stamps
from microtome.study.tuning import held_out_batches
from microtome.workflow import failures, needs, states
from microtome.workflow.memory import training_mb
from microtome.workflow.resources import count_gpus, gpu_request, growing
from microtome.workflow.asked import NEEDED, ask, check_unasked
from microtome.workflow.job import remedy
from microtome.workflow.paths import Layout, check_moved, make_importable, set_name
from microtome.workflow.states import products

paths = workflow.modifier.path_modifier
if paths.prefix or paths.modifies_prefixes:
    raise WorkflowError(
        "`prefix` (or `replace_prefix`) of the module would move files that jobs look for: leave it out, and set "
        "`results` and `resources` in the configuration of the module."
    )


make_importable(CLONE)
os.environ.setdefault(
    "SNAKEMAKE_SLURM_PARTITIONS", str(CLONE / "slurm/partitions.yaml")
)

# Jobs and files live as long as Snakemake does: no cycles are looked for until all are made (see `onstart`, which
# Snakemake asks of the outermost workflow alone).
if workflow.modifier.is_main_snakefile():
    gc.disable()
code.remember(Path(".snakemake/microtome-code.json"))

try:
    OPTIONS = load_workflow(config, sheet_faults=sheet_faults)
    PLANS = load_plans(
        OPTIONS,
        mirror=mirror_folder(OPTIONS.mirror),
        look_at_files=workflow.is_main_process,
    )
    if OPTIONS.place == "full":
        check_moved(OPTIONS.results)
except (ConfigurationError, OSError) as error:
    raise SystemExit(str(error)) from None

at = Layout(OPTIONS.results, OPTIONS.place, tuple(PLANS))
FAILED = failures.counts(at, PLANS)
IS_STORED = workflow.storage_settings.default_storage_provider is not None
"""Whether files lie in a store (`--default-storage-provider`), and each job has copies of its own."""
# A table or a figure that cannot be made does not stop the report where `end` can say so at the end; Snakemake asks
# that of the outermost workflow alone, which does not see what a job elsewhere leaves beside its outputs.
FAILS_ALONE = workflow.modifier.is_main_snakefile() and not IS_STORED

if OPTIONS.container:

    container: OPTIONS.container


SUBMITTING = {"slurm": "sbatch"}
"""What submits the jobs of an executor; its plugin would look for long, and guess, where there is none."""


def begin():
    """Make sure that results can be written, before any job; look for cycles among what is made from now on."""
    gc.freeze()
    gc.enable()
    executor = getattr(workflow.executor_plugin, "name", "")
    if (command := SUBMITTING.get(executor)) and shutil.which(command) is None:
        raise WorkflowError(
            f"Jobs are to be submitted by {command} (executor '{executor}', from --profile or --executor), and there "
            f"is no {command} on this machine: run on the login node of the cluster, or leave the profile out."
        )
    try:
        if not IS_STORED:
            require_writable(Path(at.root))
    except OSError as error:
        raise WorkflowError(" ".join([f"{error}.", *remedy(error)])) from None
    prepare_forks()
    if WATCH:
        WATCH.begin(planned_jobs(), is_local=workflow.local_exec)


def end():
    """Say what is done, and which tables and figures could not be made, with the exit status of a failure."""
    if WATCH:
        WATCH.end(is_complete=True)
    if told := failures.told(at, PLANS, FAILED):
        raise WorkflowError(told)


def runs_of(*kinds):
    """A regular expression of the names of all runs of these kinds."""
    names = {
        name
        for plan in PLANS.values()
        for name, run in plan.study.runs.items()
        if run.kind in kinds
    }
    return "|".join(sorted(names)) or "(?!)"


wildcard_constraints:
    study="|".join(PLANS),
    seed=r"\d+",
    split="[a-z0-9-]+",
    batch=r"[a-z0-9]+-\d+",
    external="|".join(
        sorted({name for plan in PLANS.values() for name in plan.study.external})
    )
    or "(?!)",
    run=runs_of(
        "ensemble",
        "classifier",
        "calibrated",
        "plain",
        "kept",
        "borrowed",
        "recalibrated",
    ),


def served(rule):
    """A regular expression of the studies that have this rule; a modality may have others in its place."""
    names = (
        name
        for name, found in PLANS.items()
        if rule not in modalities.replaced(found.study)
    )
    return "|".join(names) or "(?!)"


def shipped(name):
    """A file of the project; where it has none of that name, the workflow's. It goes with the sources to each job."""
    path = project.find(name).as_posix()
    return sourcecache_entry(path, path)


def own(paths):
    """The user's own files, which no store has; where there is one, jobs that read them run on this machine."""
    return local(paths) if IS_STORED else paths


def plan(wildcards):
    """The plan of the study a job belongs to."""
    return PLANS[wildcards.study]


def grow(mem_mb):
    """Memory that grows with each attempt."""
    return growing(mem_mb)


def lasting(minutes):
    """A walltime that grows with each attempt, up to what the cluster allows."""
    return growing(minutes, most=OPTIONS.cluster.longest)


def on_gpu(count=1):
    """The resources of a rule whose jobs run networks."""
    return gpu_request(count, device=OPTIONS.device, cluster=OPTIONS.cluster)


include: "batches.smk"


def training_memory(wildcards, attempt):
    """Memory by the images that training holds, its network and its batches, growing with each attempt."""
    job = plan(wildcards), wildcards.split, wildcards.run
    settings = {"on_cpu": trains_on_cpu(), "processes": OPTIONS.gpus}
    first = training_mb(*job, images=OPTIONS.memory.images, **settings) * OPTIONS.gpus
    return grow(first)(wildcards, attempt)
