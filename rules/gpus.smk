# On a machine without a scheduler no more jobs run networks at a time than there are GPUs, unless `--resources gpu=N`
# says how many; which of them is whose the jobs settle among themselves (microtome/workflow/gpus.py).
from snakemake.scheduling import job_scheduler

from microtome.workflow.gpus import at_a_time


def within_the_machine(begin):
    """The start of the scheduler, which by then knows who runs the jobs, with the machine's GPUs as a resource."""

    def found(self, flow, *others, **options):
        if flow.local_exec and "gpu" not in flow.global_resources:
            limit = at_a_time(device=OPTIONS.device, asked=OPTIONS.gpus)
            if limit is not None:
                flow.global_resources["gpu"] = limit
        begin(self, flow, *others, **options)

    return found


if workflow.is_main_process:
    remember(job_scheduler.JobScheduler, "__init__", within_the_machine)
