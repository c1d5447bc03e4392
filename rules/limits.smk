# Where jobs run, and what training jobs ask for against what there is, said whenever they are to be made.
from microtome.workflow import limits
from microtome.workflow.gpus import devices

HERE = (None, "local", "dryrun", "touch")
"""Executors that submit nothing."""


@cache
def arguments():
    """The arguments of Snakemake, with those of its profiles."""
    given = get_argument_parser().parse_known_args(sys.argv[1:])[0]
    profiles = [name for name in given.profile or () if name != "none"]
    if not profiles:
        return given
    return get_argument_parser(profiles=profiles).parse_known_args(sys.argv[1:])[0]


def is_local():
    """Whether jobs run on this machine, also where they are only counted."""
    return not workflow.remote_exec and (
        not workflow.is_main_process or arguments().executor in HERE
    )


@cache
def trains_on_cpu():
    """Whether the CPU trains; a job that is submitted somewhere asks for a GPU there."""
    if OPTIONS.device != "auto":
        return OPTIONS.device != "cuda"
    return is_local() and not devices()


def trained():
    """The (split, run) of each study that are trained already, with some seed."""
    return {
        study: [
            (split, run)
            for split, run, seed in found.evaluated()
            if any(
                Path(
                    at.run(name).format(study=study, split=split, run=run, seed=seed)
                ).exists()
                for name in ("card.json", "kept")
            )
        ]
        for study, found in PLANS.items()
    }


def rooms():
    """What a job may have: on this machine, or in the partitions of a SLURM cluster; nothing is known of others."""
    if is_local():
        allowed = workflow.global_resources.get("mem_mb")
        return [limits.this_machine(getattr(allowed, "value", None))]
    if arguments().executor != "slurm":
        return []
    file = getattr(arguments(), "slurm_partition_config", None)
    named = Path(file) if isinstance(file, str | Path) and file else None
    return limits.partitions(named)


def say_what_lacks():
    """Warn of training jobs that ask for more than there is."""
    on_gpus = OPTIONS.device == "cuda" or (
        OPTIONS.device == "auto" and (OPTIONS.gpus > 1 or not is_local())
    )
    settings = {"gpus": OPTIONS.gpus, "on_cpu": trains_on_cpu(), "needs_gpus": on_gpus}
    jobs = limits.asked(PLANS, trained(), images=OPTIONS.memory.images, **settings)
    if text := limits.message(limits.lacking(jobs, rooms())):
        logger.warning(text)


if workflow.is_main_process and workflow.modifier.is_main_snakefile():
    say_what_lacks()
