# SPDX-License-Identifier: MIT
"""Command line of the package: `python -m microtome COMMAND`; `--help` lists the commands."""

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from microtome.datasets import names
from microtome.registry import PLUGINS_VARIABLE

CALLED_HERE = {
    r"data\.classes": "--classes",
    r"data\.ignore": "--ignore",
    r", or targets\.features\.unclassified: skip": "",
    r"set targets\.features\.object_types: \[.*?\]": "export those",
    r" or targets\.features": "",
}
"""What `score` calls the options of a study that messages name; it has none for outlines."""
COLUMNS = ("id", "network", "options", "parameters", "GFLOP")


def list_networks(_: argparse.Namespace) -> None:
    """Print a tab-separated row for each published network; GFLOP of one sample, two per multiply-add."""
    from microtome.networks.catalogue import CATALOGUE, measure  # loads torch, which is slow

    print(*COLUMNS, sep="\t")
    for entry in CATALOGUE:
        size = measure(entry)
        options = json.dumps(dict(entry.options), sort_keys=True)
        print(entry.id, entry.network, options, size.parameters, f"{size.gflop:.4g}", sep="\t")


def make_reference(options: argparse.Namespace) -> None:
    """Write the pages and schemas of the built-in options, or check them; print the options of plugins."""
    mine = os.environ.get(PLUGINS_VARIABLE, "")
    os.environ[PLUGINS_VARIABLE] = os.devnull
    from microtome.config import reference  # needs no other command, and must see no plugin

    root = Path(__file__).resolve().parent.parent
    changed = [] if options.check else reference.write(root)
    found = reference.differences(root) if options.check else ""
    os.environ[PLUGINS_VARIABLE] = mine
    if found:
        sys.exit(f"{found}\n\nerror: not what the models say; run `{reference.COMMAND}`")
    if not options.check:
        print("\n".join(path.relative_to(root).as_posix() for path in changed) or "up to date")
        print(reference.plugin_page(), end="")


def scan_folder(options: argparse.Namespace) -> None:
    """Write the sample sheet of a public data set's folder."""
    from microtome.datasets.scan import make_sheet as list_images  # needs no other command
    from microtome.files import finished_file

    try:
        text = list_images(options.dataset, options.folder, options.labels)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    with finished_file(options.out) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"{options.out}: {text.count(chr(10)) - 1} images; the study's data.root is {options.folder}")


def count_labels(options: argparse.Namespace) -> None:
    """Fill the columns of labelled pixels of a sample sheet."""
    from microtome.stages.label_counts import count_sheet  # needs no other command
    from microtome.study.counting import labels_of
    from microtome.workflow.states.data import target_options

    try:
        plan = labels_of(options.sheet, options.study)
        changed = count_sheet(options.sheet, [*plan.samples.values()], plan.root, target_options(plan))
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print(f"{options.sheet}: labels of {len(plan.samples)} images, {changed} rows are new or changed")


def make_study(options: argparse.Namespace) -> None:
    """Look at a folder of images and write a study of it."""
    from microtome.stages.new import new_study, report  # needs no other command

    try:
        made = new_study(options.name, options.images, options.labels)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {_told(error)}")
    print(report(made), end="")


def _told(error: OSError | ValueError) -> str:
    """The message of an error; of one of the system with the file that it is about."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: found '{error.strerror}'; expected a place to read from, or to write to"
    return str(error)


def trace_files(options: argparse.Namespace) -> None:
    """Print where tables and figures come from; the exit status is 1 if anything differs since."""
    from microtome.provenance import trace  # needs no other command

    try:
        found = [trace.trace(path) for path in options.paths]
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    print("\n\n".join(map(trace.describe, found)))
    sys.exit(any(one.differences for one in found))


def score_maps(options: argparse.Namespace) -> None:
    """Score segmentations of other tools and print the table."""
    from pydantic import ValidationError  # needs no other command

    from microtome.config.scoring import Scoring
    from microtome.stages.score import score
    from microtome.tables.parts.render import to_markdown

    names = ("kind", "classes", "ignore", "metrics", "convention")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    try:
        scoring = Scoring.model_validate(given)
        found = dict(_named(text) for text in options.predictions)
        if len(found) < len(options.predictions):
            sys.exit("error: two predictions of one name; write NAME=FOLDER")
        table = score(options.truth, found, options.out, scoring=scoring, pictures=options.images)
    except ValidationError as error:
        sys.exit("error: " + "; ".join(f"expected {detail['msg']}" for detail in error.errors()))
    except (OSError, ValueError) as error:
        text = str(error)
        for study, here in CALLED_HERE.items():
            text = re.sub(study, here, text)
        sys.exit(f"error: {text}")
    print(to_markdown(table))
    print(f"{options.out}: metrics.tsv (each image), scores and paired tests (TSV, Markdown, LaTeX)")


def _named(text: str) -> tuple[str, Path]:
    """The name and the path of `NAME=PATH`, or a path and its own name."""
    name, equals, path = text.partition("=")
    return (name, Path(path)) if equals else (Path(text).stem, Path(text))


class _Classes(argparse.Action):
    """`NAME=VALUE …` as a mapping."""

    def __call__(self, parser, namespace, values, option_string=None):  # noqa: ANN001, ANN204
        pairs = [text.rpartition("=") for text in values]
        if not all(name and value.isdigit() for name, _, value in pairs):
            parser.error(f"argument --classes: found {' '.join(values)}, expected NAME=VALUE …")
        namespace.classes = {name: int(value) for name, _, value in pairs}


def _add_score(commands: "argparse._SubParsersAction") -> None:
    """The command `score`."""
    one = commands.add_parser(
        "score", help="measure segmentations that other tools made, as a run is measured"
    )
    one.set_defaults(run=score_maps)
    one.add_argument("truth", type=Path, metavar="TRUTH", help="label file or folder (images, GeoJSON, XML)")
    text = "file or folder, names as in TRUTH; of several, NAME=FOLDER names each"
    one.add_argument("predictions", nargs="+", metavar="PREDICTIONS", help=text)
    one.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="gets metrics and tables")
    one.add_argument("--kind", choices=("semantic", "instances"), help="classes (default), or objects")
    text = "class names and values of label images, in class order"
    one.add_argument("--classes", nargs="+", action=_Classes, metavar="NAME=VALUE", help=text)
    one.add_argument("--ignore", nargs="+", type=int, metavar="VALUE", help="values of TRUTH without a label")
    families = ("boundaries", "instances", "overlap")
    one.add_argument("--metrics", nargs="+", choices=families, help="default: by the kind")
    text = "which point of a pixel lies inside an outline; docs/how-to/own-data.md"
    one.add_argument("--convention", choices=("pixel_centre", "matlab", "first_pixel"), help=text)
    text = "the images, for their size, where TRUTH and PREDICTIONS are outlines"
    one.add_argument("--images", type=Path, metavar="FOLDER", help=text)


def _add_new(commands: "argparse._SubParsersAction") -> None:
    """The command `new`."""
    one = commands.add_parser("new", help="a study of your own images: study file and sample sheet")
    one.set_defaults(run=make_study)
    one.add_argument("name", metavar="NAME", help="of the study: config/studies/NAME.yaml")
    text = "folder of the images; slides, cubes, stacks and mosaics are told apart"
    one.add_argument("--images", required=True, type=Path, metavar="FOLDER", help=text)
    text = "folder of the labels; left out, they are looked for below that of the images, by their names"
    one.add_argument("--labels", type=Path, metavar="FOLDER", help=text)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="python -m microtome", description="Tools of the microtome package.")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")
    listing = commands.add_parser("networks", help="published networks: options, parameters, GFLOP (TSV)")
    listing.set_defaults(run=list_networks)
    _add_new(commands)
    pages = commands.add_parser("reference", help="make docs/reference/configuration.md and config/schema")
    pages.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of date")
    pages.set_defaults(run=make_reference)
    scan = commands.add_parser("scan", help="the sample sheet of a public data set's folder")
    scan.add_argument("dataset", choices=names(), help="which data set")
    scan.add_argument("folder", type=Path, metavar="FOLDER", help="its folder, as published")
    scan.add_argument("--out", required=True, type=Path, metavar="FILE", help="the sheet (TSV)")
    scan.add_argument(
        "--labels", type=Path, metavar="FOLDER", help="for labels that are drawn; FOLDER/labels"
    )
    scan.set_defaults(run=scan_folder)
    counting = commands.add_parser("count", help="labelled pixels of each class, into a sample sheet")
    counting.add_argument("sheet", type=Path, metavar="SHEET", help="gets the columns pixels_<class>")
    text = "a study in config/studies, for its classes; needed where not exactly one names the sheet"
    counting.add_argument("--study", metavar="NAME", help=text)
    counting.set_defaults(run=count_labels)
    _add_score(commands)
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
