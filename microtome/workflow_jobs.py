# SPDX-License-Identifier: MIT
"""The jobs of the workflow, finished and still to do: `python -m microtome.workflow_jobs < config.json`.

Snakemake prints what a dry run would do, but neither what is done already nor the wildcards in a form to be
read, so its graph of jobs is asked. Nothing is run and nothing locked. No other module imports Snakemake.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from snakemake.api import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, SnakemakeApi
from snakemake.settings.enums import Quietness, RerunTrigger

from microtome.gpu_requests import count_gpus

PROFILE = Path("profiles/default/config.yaml")
CONSTRAINT = re.compile(r"\{(\w+),[^{}]*\}")
"""A wildcard with its regular expression."""


def list_jobs(config: dict[str, Any], *, snakefile: Path = Path("Snakefile")) -> list[dict[str, Any]]:
    """Every job behind the default target that makes something.

    Args:
        config: The configuration of the workflow.
        snakefile: The workflow; the current folder is where it runs.

    Returns:
        For each job its `rule`, `wildcards`, `to_do`, `threads`, `gpus`, `local`, the files `outputs` and
        `benchmark` (or None), the `patterns` of these, and `after`, the places of the jobs that it waits for.
    """
    with SnakemakeApi(OutputSettings(quiet={Quietness.ALL}, dryrun=True)) as api:
        flow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(config=config),
            snakefile=snakefile,
        )
        flow.dag(DAGSettings(rerun_triggers=_triggers(), force_incomplete=True))
        return _described(_graph(flow._workflow))


def _triggers() -> frozenset[RerunTrigger]:
    """What makes a job run again, as every run has it."""
    profile = yaml.safe_load(PROFILE.read_text(encoding="utf-8"))
    return frozenset(RerunTrigger.parse_choice(name) for name in profile["rerun-triggers"])


def _graph(workflow: Any) -> Any:
    """The graph, built as for a summary; the API has no other way to it."""
    workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True, nolock=True)
    workflow._build_dag()
    return workflow.dag


def _described(dag: Any) -> list[dict[str, Any]]:
    jobs = [job for job in dag.jobs if job.output]
    places = {job: place for place, job in enumerate(jobs)}
    return [
        {
            "rule": job.rule.name,
            "wildcards": dict(job.wildcards.items()),
            "to_do": bool(dag.needrun(job)),
            "threads": job.threads,
            "gpus": count_gpus(job.resources),
            "outputs": [str(path) for path in job.output],
            "benchmark": str(job.benchmark) if job.benchmark else None,
            "patterns": {
                "outputs": [_plain(path) for path in job.rule.output],
                "benchmark": _plain(job.rule.benchmark) if job.rule.benchmark else None,
            },
            "after": sorted(places[other] for other in dag.dependencies[job] if other in places),
        }
        for job in jobs
    ]


def _plain(pattern: object) -> str:
    """A pattern without the regular expressions of its wildcards.

    Example:
        >>> _plain("results/{study,[a-z]+}/{batch}")
        'results/{study}/{batch}'
    """
    return CONSTRAINT.sub(r"{\1}", str(pattern))


if __name__ == "__main__":
    json.dump(list_jobs(json.load(sys.stdin)), sys.stdout)
