# SPDX-License-Identifier: MIT
"""Make a table or a figure from what the workflow left: run folders, batch folders, files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.config import kinds
from microtome.config.yaml import read_values
from microtome.files import finished_file
from microtome.provenance.record import record
from microtome.provenance.runs import external_records, load_runs, read_metrics
from microtome.provenance.sidecars import Failure
from microtome.tables.inputs import Inputs
from microtome.tables.parts.numbers import groups_of
from microtome.workflow.paths import failure_count

Options = Mapping[str, Any]
UNTOLD = frozenset({"raw_cubes", "referred"})
"""Inputs without a digest in the record: gigabytes, of which what was made of them is told."""


def by_name(inputs: Any) -> dict[str, list[Path]]:
    """The input files of a rule by the name of the input.

    Args:
        inputs: ``snakemake.input``.
    """
    return {
        name: [Path(path) for path in ([paths] if isinstance(paths, str) else paths)]
        for name, paths in inputs.items()
    }


def make(
    section: str,
    options: Options,
    files: Mapping[str, Sequence[Path]],
    *,
    stem: Path,
    save: Callable[..., object],
    gather: Callable[[Inputs, Options], Inputs] = lambda inputs, _: inputs,
    script: str = "",
    code: str = "",
) -> None:
    """Make a table or a figure and write it.

    Each section hands in what is its own, so that the code of figures is no part of what made a table.

    Args:
        section: `tables` or `figures`.
        options: The rule's options (see `microtome.workflow.states.products.entry`). `groups`, where given,
            is the group (organ, clinic) of each sample; else that of the runs' metrics is taken.
        files: Everything that the rule reads, by the name of the input; ``published`` among them. The folders
            of ``cards`` are the runs, in their order.
        stem: Path of the table or figure without suffix.
        save: Writes it.
        gather: What the section makes of its inputs.
        script: The rule's script, for the record in the sidecar.
        code: Digest of the code behind the rule, for the same.
    """
    folders = [card.parent for card in files.get("cards", ())]
    learnt = "histories" in files
    runs = load_runs(folders, labels=options["labels"], with_history=learnt) if folders else []
    for path in files.get("external", ()):
        name, rows = path.parent.name, read_metrics(path)
        told = {"data_source": options["data_kind"], "label": options["labels"][name]}
        every = external_records(name, rows, path.parent, **told)
        runs += [one for one in every if one.split in options.get("splits", [one.split])]
    inputs = Inputs(
        runs=runs,
        published=read_values(files["published"][0]),
        paper=options["paper"] or "",
        data_kind=options["data_kind"],
        classes=tuple(options["classes"]),
        mean_classes=tuple(options.get("mean_classes", ())),
        colors=options.get("colors", {}),
        groups=options.get("groups") or groups_of(runs),
        units=options.get("units", {}),
        unit=options.get("unit", "patient"),
        calls=options.get("calls", {}),
        samplers={name: one | {"lists": dict(one["lists"])} for name, one in options.get("samplers", ())},
        regions=dict(options.get("regions", ())),
        files=files,
        names=options.get("names", {}),
    )
    kind = options["kind"]
    chosen = dict(options["options"]) | _given(options, kinds.find(section, kind).options)
    result = kinds.make(section, kind, gather(inputs, options), chosen)
    read = [path for name, paths in files.items() if name not in UNTOLD for path in paths]
    origin = record(options, script=script, code=code, runs=runs, inputs=read, home=stem.parent)
    save(result, stem, title=options["title"], provenance=origin)


def instead(stem: Path, save: Callable[[Failure, Path], object], *, log: str) -> Callable[[str], None]:
    """What is left in the place of a table or a figure that cannot be made, for `workflow.job.job`.

    Args:
        stem: Path of the table or figure without suffix.
        save: Writes the failure to its files.
        log: The rule's log.

    Returns:
        A function of the message, which also counts how often this has failed (`workflow.failures`).
    """

    def leave(message: str) -> None:
        save(Failure(message=message, log=log), stem)
        count = failure_count(stem)
        before = int(count.read_text(encoding="utf-8")) if count.is_file() else 0
        with finished_file(count) as partial:
            partial.write_text(str(before + 1), encoding="utf-8")

    return leave


def _given(options: Options, known: Sequence[str]) -> dict[str, Any]:
    """The options of a kind that the workflow fills in, where the study says something of them."""
    runs = options["runs"]
    given = {"title": options["title"], "rows": runs, "runs": runs, "run": runs[0] if runs else ""}
    return {name: value for name, value in given.items() if value and name in known}
