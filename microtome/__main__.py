# SPDX-License-Identifier: MIT
"""Command line of the package: `python -m microtome networks`."""

import argparse
import json
from collections.abc import Sequence

COLUMNS = ("id", "network", "options", "parameters", "GFLOP")


def list_networks(_: argparse.Namespace) -> None:
    """Print a tab-separated row for each published network; GFLOP of one sample, two per multiply-add."""
    from microtome.networks._catalogue import CATALOGUE, measure  # loads torch, which is slow

    print(*COLUMNS, sep="\t")
    for entry in CATALOGUE:
        size = measure(entry)
        options = json.dumps(dict(entry.options), sort_keys=True)
        print(entry.id, entry.network, options, size.parameters, f"{size.gflop:.4g}", sep="\t")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m microtome", description="Tools of the microtome package.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    listing = commands.add_parser("networks", help="published networks: options, parameters, GFLOP (TSV)")
    listing.set_defaults(run=list_networks)
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
