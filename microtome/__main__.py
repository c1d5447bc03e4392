# SPDX-License-Identifier: MIT
"""Command line of the package: `python -m microtome networks | reference | scan | sheet | trace`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

PARTS = ("train", "val", "test")
DATASETS = ("ecnu_choledoch", "histology_hsi_gb", "isbi2012", "monuseg2018")
STUDIES = ("melanoma", "bcc", "rcm", "nuclei", "membranes")
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


def scan_folder(options: argparse.Namespace) -> None:
    """Write the sample sheet of a public data set's folder."""
    from microtome.datasets.scan import make_sheet as list_images  # needs no other command
    from microtome.job import finished_file

    try:
        text = list_images(options.dataset, options.folder, options.labels)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    with finished_file(options.out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"{options.out}: {text.count(chr(10)) - 1} images; the study's data.root is {options.folder}")


def make_sheet(options: argparse.Namespace) -> None:
    """Write a sample sheet of any size, with placeholder files if asked for."""
    from microtome.job import finished_file  # as below: only this command needs it
    from microtome.sheet_generator import FORMS, plan_cohorts, sheet_rows, sheet_text

    form = FORMS[options.study]
    if options.preset and (options.images or options.units or options.parts):
        sys.exit("error: found --preset with --images, --patients or --parts; expected the one or the others")
    if not options.preset and not options.images:
        sys.exit("error: found neither --preset nor --images; expected one of them")
    try:
        shares = None if options.parts is None else _shares(options.parts)
        cohorts = (
            form.published
            if options.preset
            else plan_cohorts(form, images=options.images, units=options.units, shares=shares)
        )
    except ValueError as error:
        sys.exit(f"error: {error}")
    rows = sheet_rows(form, cohorts, study=options.study, seed=options.seed)
    with finished_file(options.out) as partial:
        partial.write_text(sheet_text(rows), encoding="utf-8")
    counts = ", ".join(f"{sum(c.images for c in cohorts if c.part == part)} {part}" for part in PARTS)
    print(f"{options.out}: {len(rows)} images of {sum(c.units for c in cohorts)} {form.unit}s ({counts})")
    if options.files:
        from microtome.placeholders import write_placeholders

        print(f"{write_placeholders(rows, options.out.parent, form)} placeholder files beside it")


def _shares(texts: Sequence[str]) -> dict[str, float]:
    """Read `train=0.7 val=0.1 test=0.2`.

    Raises:
        ValueError: A text is not a name and a number.
    """
    pairs = [text.partition("=")[::2] for text in texts]
    try:
        return {name: float(number) for name, number in pairs}
    except ValueError:
        msg = f"found --parts {' '.join(texts)}, expected for example --parts train=0.7 val=0.1 test=0.2"
        raise ValueError(msg) from None


def trace_files(options: argparse.Namespace) -> None:
    """Print where tables and figures come from; the exit status is 1 if anything differs since."""
    from microtome import tracing  # needs no other command

    try:
        found = [tracing.trace(path) for path in options.paths]
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print("\n\n".join(map(tracing.describe, found)))
    sys.exit(any(one.differences for one in found))


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m microtome", description="Tools of the microtome package.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    listing = commands.add_parser("networks", help="published networks: options, parameters, GFLOP (TSV)")
    listing.set_defaults(run=list_networks)
    pages = commands.add_parser("reference", help="make docs/reference/configuration.md and config/schema")
    pages.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    pages.set_defaults(run=make_reference)
    scan = commands.add_parser("scan", help="the sample sheet of a public data set's folder")
    scan.add_argument("dataset", choices=DATASETS, help="which data set")
    scan.add_argument("folder", type=Path, metavar="FOLDER", help="its folder, as published")
    scan.add_argument("--out", required=True, type=Path, metavar="FILE", help="the sheet (TSV)")
    scan.add_argument(
        "--labels", type=Path, metavar="FOLDER", help="for labels that are drawn; FOLDER/labels"
    )
    scan.set_defaults(run=scan_folder)
    sheet = commands.add_parser("sheet", help="a sample sheet of any size, to plan and try a large study")
    sheet.add_argument("--study", required=True, choices=STUDIES, help="kind of data")
    sheet.add_argument("--out", required=True, type=Path, metavar="FILE", help="the sheet (TSV)")
    sheet.add_argument("--preset", choices=["published"], help="as many images as the paper has")
    sheet.add_argument("--images", type=int, metavar="N", help="number of images")
    sheet.add_argument(
        "--patients", "--blocks", dest="units", type=int, metavar="N", help="default: the paper's ratio"
    )
    sheet.add_argument(
        "--parts", nargs="+", metavar="PART=SHARE", help="train, val and test; default: as in the paper"
    )
    sheet.add_argument("--seed", type=int, default=0, help="who has how many images (default: 0)")
    sheet.add_argument("--files", action="store_true", help="also write tiny images and labels beside it")
    sheet.set_defaults(run=make_sheet)
    tracing = commands.add_parser("trace", help="where a table or figure comes from, and what changed since")
    tracing.add_argument("paths", nargs="+", metavar="PATH", help="a file of a table or figure (TSV, SVG, …)")
    tracing.set_defaults(run=trace_files)
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
