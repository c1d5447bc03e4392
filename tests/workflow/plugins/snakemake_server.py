# SPDX-License-Identifier: MIT
"""Answers requests for runs of Snakemake: imports it once and forks for each, as the import takes longest.

A request is one line of JSON on standard input: `root`, `arguments`, `environment`, and `said`, the files of
standard output and error. The answer is the exit status.
"""

import json
import os
import sys

import pydantic  # noqa: F401 (imported before the fork, as the workflow needs it)
import snakemake.cli
import tifffile  # noqa: F401
import yaml  # noqa: F401


def become(root: str, environment: dict[str, str], said: list[str]) -> None:
    """Give this process the folder, the environment and the streams of one that was just started."""
    os.chdir(root)
    sys.path.insert(0, root)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for stream, file in enumerate(said, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream)


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            arguments = request.pop("arguments")
            become(**request)
            sys.argv = ["snakemake", *arguments]
            snakemake.cli.main()
            return
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
