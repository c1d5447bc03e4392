# What a person sees while the workflow runs (microtome/workflow/progress). A workflow that has this one as a module
# keeps its own output; `--verbose` shows what Snakemake itself says, too, with the reasons of jobs in full.
from snakemake import persistence
from snakemake.logging import is_quiet_about

from microtome.workflow.progress.jobs import Planned, TRAININGS
from microtome.workflow.progress.reasons import difference
from microtome.workflow.progress.watch import attach

LOOKED_AT = {".html": "The report", ".pdf": "The appendix"}
"""What a person opens first, by the suffix of the file."""


def to_look_at():
    """What a person looks at first, as far as it is asked for and there: a line each."""
    made = [
        file
        for job in workflow.dag.jobs
        if job.rule.name in ("report_page", "typeset")
        for file in job.output
    ]
    found = [(Path(file).suffix, place_of(file)) for file in sorted(made)]
    return [
        f"{LOOKED_AT[suffix]}: {place}"
        for suffix, place in found
        if suffix in LOOKED_AT and place
    ]


def place_of(file):
    """Where a person finds a file: in the store, if there is one; nowhere if it is not made yet."""
    if file.is_storage:
        return file.storage_object.print_query if file.storage_object.exists() else ""
    return str(Path(file).absolute()) if Path(file).is_file() else ""


def planned_jobs():
    """The jobs that are to be done, by their ids."""
    return {job.jobid: planned_job(job) for job in workflow.dag.needrun_jobs()}


def planned_job(job):
    """A job, as the line about them knows it."""
    study = job.wildcards_dict.get("study", "")
    times = Path(job.benchmark) if job.benchmark else None
    epochs = 0
    if job.rule.name in TRAININGS:
        epochs = PLANS[study].study.runs[job.wildcards_dict["run"]].training.epochs
    return Planned(job.rule.name, study, times, epochs)


def watch_jobs():
    """Let jobs be told of as people say it; None where a module's workflow, a plugin or nobody is to speak."""
    settings = workflow.output_settings
    if not (workflow.is_main_process and workflow.modifier.is_main_snakefile()):
        return None
    if not settings.verbose:
        persistence.ParamsChange.__str__ = lambda change: difference(
            change.only_old, change.only_new
        )
    if settings.dryrun:
        return None
    return attach(
        logger,
        verbose=settings.verbose,
        products=to_look_at,
        says=not is_quiet_about(settings.quiet or (), "progress"),
    )


WATCH = watch_jobs()
