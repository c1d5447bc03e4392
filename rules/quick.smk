# What Snakemake works out again for each job or input while it makes a DAG, remembered (docs/benchmarks.md).
# None of it depends on more than what it is remembered by. A version that lacks one of these functions is as right.
from functools import cache

from snakemake import common, output_index, script as script_source, sourcecache
from snakemake.scheduling import job_scheduler


def once_for_each_script(get_source):
    """`get_source`, remembered by the path of the script, which is no pattern: once a job it is read and parsed."""
    known = {}

    def found(path, sourcecache, basedir=None, wildcards=None, params=None):
        key = (str(path), str(basedir))
        if key not in known:
            known[key] = get_source(path, sourcecache, basedir, wildcards, params)
        return known[key]

    return found


def once_for_each_file(match_producers):
    """`match_producers`, remembered by the file: an image is the input of every training and prediction."""

    def found(self, targetfile):
        known = self.__dict__.setdefault("known", {})
        if (key := str(targetfile)) not in known:
            known[key] = match_producers(self, targetfile)
        return known[key]

    return found


MOST_SIZES = 10_000
"""Files whose sizes the scheduler keeps; beyond it forgets those of other jobs than it is given."""


def once_for_each_job(update_input_sizes):
    """`update_input_sizes` for the jobs that became ready: each round of scheduling it asks for all files of all."""

    async def found(self, jobs):
        asked = self.__dict__.setdefault("asked", set())
        new = [job for job in jobs if job not in asked]
        amount = len(self._input_sizes) + sum(len(job.input) for job in new)
        if amount > MOST_SIZES:
            asked.clear()
            new = jobs
        await update_input_sizes(self, new)
        asked.update(new)

    return found


IMPORTED = (
    "from snakemake.logging import logger;from snakemake.iocontainers import Snakemake;"
)
"""What the head of a script imports below its object `snakemake`, whose own module needs the standard library alone."""
HOLLOW = (
    "import importlib.util,pickle;"
    "sys.modules['snakemake'] = importlib.util.module_from_spec(importlib.util.find_spec('snakemake'));"
)
"""Lets that module be imported without the package around it."""


def without_the_package(get_preamble):
    """`get_preamble` of the workflow's own scripts, which use the object alone: most jobs take less than the import."""

    def found(self):
        head = get_preamble(self)
        path = self.path.get_path_or_uri(secret_free=True)
        if Path(path).resolve().parent != CLONE / "scripts" or IMPORTED not in head:
            return head
        lean = head.replace(IMPORTED, "del sys.modules['snakemake'];", 1)
        return lean.replace("import pickle;", HOLLOW, 1)

    return found


def remember(owner, name, remembered):
    """Put the remembered function in the place of the one that there is, once a process."""
    known = getattr(owner, name, None)
    if known is not None and not hasattr(known, "plain"):
        quick = remembered(known)
        quick.plain = known
        setattr(owner, name, quick)


remember(sourcecache, "parse_uri", cache)
remember(script_source, "get_source", once_for_each_script)
remember(common, "get_function_params", cache)
remember(output_index.OutputIndex, "match_producers", once_for_each_file)
remember(script_source.PythonScript, "get_preamble", without_the_package)
remember(job_scheduler.JobScheduler, "update_input_sizes", once_for_each_job)
