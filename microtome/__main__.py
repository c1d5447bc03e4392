# SPDX-License-Identifier: MIT
"""Command line of the package: `python -m microtome networks | reference`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

COLUMNS = ("id", "network", "options", "parameters", "GFLOP")


def list_networks(_: argparse.Namespace) -> None:
    """Print a tab-separated row for each published network; GFLOP of one sample, two per multiply-add."""
    from microtome.networks._catalogue import CATALOGUE, measure  # loads torch, which is slow

    print(*COLUMNS, sep="\t")
    for entry in CATALOGUE:
        size = measure(entry)
        options = json.dumps(dict(entry.options), sort_keys=True)
        print(entry.id, entry.network, options, size.parameters, f"{size.gflop:.4g}", sep="\t")


def make_reference(options: argparse.Namespace) -> None:
    """Write the pages and schemas that are made from the configuration models, or check them."""
    from microtome.config import reference  # needs no other command

    root = Path(__file__).resolve().parent.parent
    if not options.check:
        changed = [path.relative_to(root).as_posix() for path in reference.write(root)]
        print("\n".join(changed) or "up to date")
    elif found := reference.differences(root):
        sys.exit(f"{found}\n\nerror: not what the models say; run `{reference.COMMAND}`")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m microtome", description="Tools of the microtome package.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    listing = commands.add_parser("networks", help="published networks: options, parameters, GFLOP (TSV)")
    listing.set_defaults(run=list_networks)
    pages = commands.add_parser("reference", help="make docs/reference/configuration.md and config/schema")
    pages.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    pages.set_defaults(run=make_reference)
    return top


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command.

    Args:
        arguments: command line without the program's name; None: that of the process.
    """
    options = parser().parse_args(arguments)
    options.run(options)


if __name__ == "__main__":
    main()
