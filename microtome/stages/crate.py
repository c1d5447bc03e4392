# SPDX-License-Identifier: MIT
"""Describe the results of a scale as an RO-Crate, with a copy of the workflow."""

import posixpath
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from microtome.datasets.catalogue import load_catalogue
from microtome.files import finished_folder, sha256_of_file, write_json
from microtome.provenance import code, environment, trace
from microtome.provenance.cards import (
    CARD_NAME,
    ENSEMBLE,
    HISTORY_NAME,
    METRICS_NAME,
    WEIGHTS_NAME,
    read_card,
)
from microtome.report.crate import build_crate
from microtome.report.crate_inputs import CrateFile, CrateInputs, CrateProduct, CrateRun, CrateStudy

Options = Mapping[str, Any]
COPIED = (
    "Snakefile",
    "rules/*.smk",
    "scripts/*.py",
    "envs/*.yaml",
    "requirements.txt",
    "LICENSE",
)
"""What is copied of the workflow, beside configuration and plugins."""
RUN_FILES = {
    WEIGHTS_NAME: "weights",
    CARD_NAME: "card",
    HISTORY_NAME: "training history",
    METRICS_NAME: "metrics",
}
FOLDERS = {
    "raw": "simulated images and labels",
    "images": "images as networks see them",
    "targets": "targets",
    "cubes": "calibrated hyperspectral cubes",
    "bands": "chosen bands",
    "stains": "stain-normalized images",
    "patches": "indices of windows",
}
"""Folders of a study that are named as a whole."""


def write_crate(
    options: Options, metadata: Path, *, page: Path, workflow: Path, published: Path, catalogue: Path
) -> None:
    """Copy the workflow beside the results and write `ro-crate-metadata.json`.

    Args:
        options: The rule's options (see `microtome.workflow.states.products.crate`).
        metadata: Where it is written: in the folder of the report, which leads to all that it describes.
        page: The report; the crate is published when it was written.
        workflow: Gets the copy, in the same folder.
        published: Published values, which name the papers.
        catalogue: The data set table.

    Raises:
        FileNotFoundError: A result is missing.
        ValueError: A result cannot be read.
    """
    crate = metadata.parent  # where the report has put links to the folders of its studies
    _copy(workflow, tuple(options["studies"]))
    papers = yaml.safe_load(published.read_text(encoding="utf-8"))["papers"]
    known = load_catalogue(catalogue)
    studies = [
        _study(crate, name, study, papers, known.get(str(study["dataset"])))
        for name, study in options["studies"].items()
    ]
    machine, git = environment.machine(), environment.git_state(code.ROOT)
    inputs = CrateInputs(
        scale=options["scale"],
        command=options["command"],
        published=_written(page),
        report=_file(crate, page, "report"),
        studies=tuple(studies),
        workflow=tuple(
            _file(crate, path, path.relative_to(workflow).as_posix()) for path in _files(workflow)
        ),
        versions=environment.versions(),
        machine=f"{machine['os']}, {machine['cpu']}, {machine['threads']} threads",
        commit=f"git {git['commit']}{' with changes' if git['dirty'] else ''}" if git else "",
    )
    write_json(metadata, build_crate(inputs))


def _copy(workflow: Path, studies: Sequence[str]) -> None:
    """Copy the rules and environments, and the configuration and plugins as the project has them."""
    own = ("config/*.yaml", "plugins/**/*.py", *(f"config/studies/{name}.yaml" for name in studies))
    files = _found(code.ROOT, (*COPIED, *own)) | _found(Path(), own)
    with finished_folder(workflow) as partial:
        for name, path in sorted(files.items()):
            place = partial / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _found(root: Path, patterns: Sequence[str]) -> dict[Path, Path]:
    """The files below a folder that have one of these names."""
    return {path.relative_to(root): path for pattern in patterns for path in root.glob(pattern)}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _written(path: Path) -> str:
    """When a file was last written, ISO 8601."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _file(crate: Path, path: Path, name: str, sha256: str = "") -> CrateFile:
    """A file of the crate; its digest is computed unless it is known."""
    return CrateFile(
        path=path.relative_to(crate).as_posix(),
        size=path.stat().st_size,
        name=name,
        sha256=sha256 or sha256_of_file(path),
    )


def _study(crate: Path, name: str, study: Options, papers: Options, dataset: Any) -> CrateStudy:
    """Read what a study has produced."""
    folder = crate / name
    sheets = [folder / "samples.tsv", *(folder / f"splits/{split}.tsv" for split in study["splits"])]
    runs = tuple(_runs(crate, folder, study))
    told = {run.folder: f"{run.folder}/" for run in runs}
    told |= {path.relative_to(crate).as_posix(): path.relative_to(crate).as_posix() for path in sheets}
    entries = {"table": study["tables"], "figure": study["figures"]}
    return CrateStudy(
        name=name,
        title=study["title"],
        data_source=study["data_kind"],
        paper=papers[study["paper"]]["title"],
        dataset=dataset and dataset.model_dump(mode="json", exclude={"files", "archives"}),
        files=tuple(_file(crate, path, f"{name}: {path.relative_to(folder).as_posix()}") for path in sheets),
        folders={key: text for key, text in FOLDERS.items() if (folder / key).is_dir()},
        runs=runs,
        products=tuple(
            _product(crate, folder / f"{kind}s" / f"{entry}.json", kind, title, told)
            for kind, listed in entries.items()
            for entry, title in listed
        ),
    )


def _runs(crate: Path, folder: Path, study: Options) -> Iterator[CrateRun]:
    """The runs of a study."""
    for split, run, seed in study["evaluated"]:
        place = folder / f"runs/{split}/{run}/seed-{seed}"
        card, label = read_card(place / CARD_NAME), study["labels"].get(run, run)
        lender = [{"run": card["weights_of"], "seed": seed}] if card.get("weights_of") else []
        others = card["network"]["trained"] if card["network"]["name"] == ENSEMBLE else lender
        weights = {WEIGHTS_NAME: card["digests"].get("weights", "")}  # large, and the card knows
        yield CrateRun(
            folder=place.relative_to(crate).as_posix(),
            label=label,
            card=card,
            sources=tuple(
                (place.parent.parent / other["run"] / f"seed-{other['seed']}").relative_to(crate).as_posix()
                for other in others
            ),
            files=tuple(
                _file(crate, place / name, f"{label}: {text}", weights.get(name, ""))
                for name, text in RUN_FILES.items()
                if (place / name).is_file()
            ),
        )


def _product(crate: Path, sidecar: Path, kind: Any, title: str, told: Mapping[str, str]) -> CrateProduct:
    """A table or a figure, as its sidecar tells of it; `told` are the sources that the crate describes."""
    content = trace.read(sidecar)
    record, shown = content["provenance"], content.get("title") or title or sidecar.stem
    home = sidecar.parent.relative_to(crate).as_posix()
    paths = [run["folder"] for run in record["runs"]] + [item["path"] for item in record["inputs"]]
    places = [posixpath.normpath(f"{home}/{path}") for path in paths]
    names = [*record["files"], sidecar.name]
    return CrateProduct(
        kind=kind,
        name=sidecar.stem,
        caption=content["caption"],
        files=tuple(
            _file(crate, sidecar.parent / name, f"{shown} ({PurePosixPath(name).suffix[1:].upper()})")
            for name in names
        ),
        finished=_written(sidecar),
        sources=tuple(dict.fromkeys(told[place] for place in places if place in told)),
    )
