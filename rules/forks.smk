# Jobs of one thread on this machine are forks of a process that has imported what their scripts import
# (microtome/workflow/forks): a start takes hundredths of a second in place of one or two. Every other job, and each
# that comes before the imports are done, is a program of its own as always.
import atexit
import json
import sys

from snakemake.script import PythonScript

from microtome.workflow.forks.client import Forks, environment_of
from microtome.workflow.forks.scripts import at_once

ENOUGH = 12
"""Jobs that make up for the imports."""
OFTEN = 3
"""Jobs of a rule that make up for the imports of its script."""
ALWAYS = ("filelock", "imagecodecs._deflate", "imagecodecs._zlib", "snakemake.io")
PDF = "matplotlib.backends.backend_pdf"
LATER = {
    "draw.py": (PDF, "matplotlib.backends.backend_svg"),
    "train.py": ("torch._dynamo",),  # optimizers ask it whether they are compiled
}
"""Modules that libraries import only as all scripts, or one, use them."""
STARTED = []
"""The process, once it is started."""


def prepare_forks():
    """Start the process that jobs are forks of, where enough are planned; it imports beside the first of them."""
    is_here = workflow.is_main_process and workflow.local_exec
    if not (OPTIONS.forks and is_here and sys.platform == "linux"):
        return
    if workflow.deployment_settings.deployment_method:
        return  # conda, containers: jobs have another Python
    planned = {}
    for job in workflow.dag.needrun_jobs():
        planned.setdefault(
            CLONE / "scripts" / Path(job.rule.script or "").name, []
        ).append(job)
    often = {
        script: jobs
        for script, jobs in planned.items()
        if len(jobs) >= OFTEN and script.is_file()
    }
    if often and sum(map(len, planned.values())) >= ENOUGH:
        first, *_ = next(iter(often.values()))
        modules = sorted(
            {
                name
                for script, jobs in often.items()
                for name in modules_of(script, jobs)
            }
        )
        STARTED.append(Forks(sorted(often), environment_of(first.resources), modules))
        atexit.register(STARTED[0].close)


def modules_of(script, jobs):
    """What jobs import by name: the kinds of their tables and figures, and what comes late."""
    states = (json.loads(job.params.get("state") or "{}") for job in jobs)
    chosen = [
        name
        for state in states
        for name in (state.get("options") or {}).get("modules", ())
    ]
    return [*chosen, *ALWAYS, *LATER.get(script.name, ())]


def can_be_forked(script):
    """Whether a script is one of the workflow's own and would run in this very Python, with one thread."""
    path = script.path.get_path_or_uri(secret_free=True)
    elsewhere = (
        script.conda_env,
        script.container_img,
        script.env_modules,
        script.shadow_dir,
    )
    is_own = Path(path).resolve().parent == CLONE / "scripts"
    return (
        is_own
        and not any(elsewhere)
        and script.threads == 1
        and not script.resources.get("shell_exec")
    )


def begun_at_once(execute_script):
    """`execute_script`, by a fork where that can be."""
    return at_once(execute_script, started=STARTED, may=can_be_forked)


remember(PythonScript, "execute_script", begun_at_once)
