# SPDX-License-Identifier: MIT
"""Answers requests for dry runs: imports Snakemake once and forks for each, as the import takes longest.

A request is one line of JSON on standard input: `{"root": …, "arguments": […], "log": …}`. The answer is the
exit status.
"""

import json
import logging
import os
import sys

import pydantic  # noqa: F401 (imported before the fork, as the workflow needs it)
import snakemake.cli
import tifffile  # noqa: F401
import yaml  # noqa: F401


def run(root: str, arguments: list[str], log: str) -> int:
    """Run Snakemake in this process; returns its exit status."""
    stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 1)
    os.dup2(stream, 2)
    os.chdir(root)
    sys.path.insert(0, root)
    sys.argv = ["snakemake", *arguments]
    try:
        snakemake.cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = run(**request)
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
