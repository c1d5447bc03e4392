# Paths, wildcards and input functions that the rules share. The plan of each study is made by the package.
import gc
import os
import sys
from functools import cache
from pathlib import Path

sys.path.insert(0, workflow.basedir)

from snakemake import sourcecache
from snakemake.exceptions import WorkflowError

from microtome import cluster, provenance
from microtome.config.base import ConfigurationError
from microtome.config.load import load_workflow
from microtome.datasets.catalogue import load_catalogue
from microtome.datasets.fetch import mirror_folder
from microtome.job import remedy, require_writable
from microtome.layout import Layout, make_importable
from microtome.run_options import run_kind
from microtome.planning import crate_state, load_plans, report_state
from microtome.requests import check_asked, list_images, pair_labels

make_importable(Path(workflow.basedir))
os.environ.setdefault(
    "SNAKEMAKE_SLURM_PARTITIONS", str(Path(workflow.basedir, "slurm/partitions.yaml"))
)

# Jobs and files live as long as Snakemake does: no cycles are looked for until all are made (see `onstart`).
gc.disable()
# Three times a job Snakemake parses the path of its script, which is a tenth of a large dry run.
if hasattr(sourcecache, "parse_uri"):
    sourcecache.parse_uri = cache(sourcecache.parse_uri)

try:
    OPTIONS = load_workflow(config)
    PLANS = load_plans(
        OPTIONS,
        mirror=mirror_folder(OPTIONS.mirror),
        look_at_files=workflow.is_main_process,
    )
except (ConfigurationError, OSError) as error:
    raise WorkflowError(str(error)) from None

at = Layout(OPTIONS.results, OPTIONS.scale)

if OPTIONS.container:

    container: OPTIONS.container


def require_results():
    """Make sure that results can be written, before any job."""
    try:
        require_writable(Path(at.root))
    except OSError as error:
        raise WorkflowError(" ".join([f"{error}.", *remedy(error)])) from None


def runs_of(*kinds):
    """A regular expression of the names of all runs of these kinds."""
    names = {
        name
        for plan in PLANS.values()
        for name, run in plan.study.runs.items()
        if run_kind(run) in kinds
    }
    return "|".join(sorted(names)) or "(?!)"


wildcard_constraints:
    study="|".join(PLANS),
    seed=r"\d+",
    split="[a-z0-9-]+",
    batch=r"[a-z0-9]+-\d+",
    run=runs_of("ensemble", "calibrated", "plain", "borrowed"),


def plan(wildcards):
    """The plan of the study a job belongs to."""
    return PLANS[wildcards.study]


def folders(kind, *parts):
    """An input function: the batch folders of `kind` that hold samples of these parts of the split."""

    def inputs(wildcards):
        found = plan(wildcards)
        batches = found.batches_of(wildcards.split, *parts)
        if kind == "targets":
            batches = found.labelled(batches)
        return expand(
            at.study(f"{kind}/{{batch}}"), study=wildcards.study, batch=batches
        )

    return inputs


def images_of(wildcards):
    """The folder name of the images that a run sees, with a {batch}."""
    return plan(wildcards).seen(wildcards.split, wildcards.run)


def seen_images(*parts):
    """An input function: the images that a run sees, of one batch or of all batches of these parts."""

    def inputs(wildcards):
        name = at.study(images_of(wildcards))
        if not parts:
            return name.format(study=wildcards.study, batch=wildcards.batch)
        batches = plan(wildcards).batches_of(wildcards.split, *parts)
        return expand(name, study=wildcards.study, batch=batches)

    return inputs


def of_run(name, *parts):
    """An input function: files of a run, one for each batch of these parts if the name has a {batch}."""

    def inputs(wildcards):
        parts_here = parts or plan(wildcards).study.evaluate.parts
        batches = plan(wildcards).batches_of(wildcards.split, *parts_here)
        return expand(at.run(name), **wildcards, batch=batches)

    return inputs


def members_of(name):
    """An input function: the same file of every member of an ensemble."""

    def inputs(wildcards):
        trained = plan(wildcards).trained(wildcards.run, int(wildcards.seed))
        keys = {
            key: value for key, value in wildcards.items() if key not in ("run", "seed")
        }
        return [
            at.run(name).format(run=run, seed=seed, **keys) for run, seed in trained
        ]

    return inputs


def raw_files(column):
    """An input function: the files of a batch, or the phantom's folder."""

    def inputs(wildcards):
        found = plan(wildcards)
        return (
            [str(found.root)]
            if found.data_kind == "phantom"
            else found.files(wildcards.batch, column)
        )

    return inputs


def outlined_images(wildcards):
    """The images whose sizes are those of outlines; a phantom's lie in its folder."""
    found = plan(wildcards)
    drawn = found.has_instances and found.data_kind != "phantom"
    return found.files(wildcards.batch, "image") if drawn else []


def borrowed(name):
    """An input function: a file of the run whose weights are borrowed."""

    def inputs(wildcards):
        source = plan(wildcards).study.runs[wildcards.run].weights_of
        keys = {key: wildcards[key] for key in ("study", "split", "seed")}
        return at.run(name).format(run=source, **keys)

    return inputs


def all_of(section):
    """Every table or figure of every study."""
    return [
        at.study(f"{section}/{name}.json").format(study=study)
        for study, found in PLANS.items()
        for name in getattr(found.study, section)
    ]


def grow(mem_mb):
    """Memory that grows with each attempt."""
    return cluster.growing_memory(mem_mb)


def lasting(minutes):
    """A walltime that grows with each attempt, up to what the cluster allows."""
    return cluster.growing_walltime(minutes, longest=OPTIONS.cluster.longest)


def on_gpu(count=1):
    """The resources of a rule whose jobs run networks."""
    return cluster.gpu_request(count, device=OPTIONS.device, cluster=OPTIONS.cluster)


def environment(otherwise, stains):
    """The environment of a job: StainTools has packages that nothing else needs."""

    def found(wildcards):
        known = plan(wildcards).study.stains
        methods = {known[name].method for name in stains(wildcards)}
        return "../envs/stain.yaml" if "staintools" in methods else otherwise

    return found
