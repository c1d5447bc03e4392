# SPDX-License-Identifier: MIT
"""The results of a scale as an RO-Crate: what every file is, what made it from what, under which terms.

RO-Crate 1.1 with the profiles Workflow RO-Crate, Process Run Crate and Workflow Run Crate. The run of the
workflow is one action, and so is each training, table and figure.
"""

import mimetypes
import posixpath
import shutil
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote, unquote

from rocrate.model import ContextEntity, Dataset, Entity, File
from rocrate.rocrate import ROCrate

from microtome.config.yaml import read_values
from microtome.datasets.catalogue import DatasetEntry, load_catalogue
from microtome.files import finished_folder, sha256_of_file, write_json
from microtome.provenance import cards, code, environment, trace
from microtome.provenance.section_calls import SECTIONS_NAME, SELECTION_NAME
from microtome.provenance.sidecars import Sidecar
from microtome.report.links import link_studies

Options = Mapping[str, Any]
COPIED = ("Snakefile", "rules/*.smk", "scripts/*.py", "envs/*.yaml", "requirements.txt", "LICENSE")
"""What is copied of the workflow, beside configuration and plugins."""
RUN_FILES = {cards.WEIGHTS_NAME: "weights", cards.CARD_NAME: "card"}
RUN_FILES |= {cards.HISTORY_NAME: "training history", cards.METRICS_NAME: "metrics"}
RUN_FILES |= {SELECTION_NAME: "chosen epoch and thresholds", SECTIONS_NAME: "calls of sections"}
RUN_FILES |= {cards.TUNED_NAME: "options of segmentation chosen on held-out images"}
FOLDERS = {
    "raw": "simulated images and labels",
    "images": "images as networks see them",
    "targets": "targets",
    "cubes": "calibrated hyperspectral cubes",
    "bands": "chosen bands",
    "stains": "stain-normalized images",
    "stacked": "slices with their neighbours",
    "patches": "indices of windows",
    "tissue": "tissue of slides",
    "sections": "sections of slides",
}
"""Folders of a study that are named as a whole."""
RUN_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": {"name": "Process Run Crate", "version": "0.5"},
    "https://w3id.org/ro/wfrun/workflow/0.5": {"name": "Workflow Run Crate", "version": "0.5"},
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": {"name": "Workflow RO-Crate", "version": "1.0"},
}
MIT = "https://spdx.org/licenses/MIT"
DONE = "http://schema.org/CompletedActionStatus"
SIMULATED = "Simulated images (phantom), made by this software; no tissue of any patient"
MAIN = "workflow/Snakefile"
FORMATS = {".md": "text/markdown", ".safetensors": "application/octet-stream", ".yaml": "application/yaml"}
"""Those that Python does not know."""
KNOWN_FORMATS = mimetypes.MimeTypes()
"""Python's own, which do not differ between machines."""
CODE = (".smk", ".py")
KEYWORDS = "image segmentation, pathology, microscopy, deep learning"
SHA256 = 64
"""Characters of a whole digest."""


class Results(ROCrate):
    """A crate of what lies in a folder; files are named by their paths on disk."""

    def __init__(self, home: Path) -> None:
        super().__init__(version="1.1")
        self.home = home

    def add(self, *entities: Entity) -> Any:
        """Add entities; unlike in rocrate, one of an identifier that is taken must equal the first."""
        for entity in entities:
            if entity.id in self and self.get(entity.id) != entity:
                msg = f"two things in the crate have the identifier {entity.id}"
                raise ValueError(msg)
        return super().add(*entities)

    def thing(self, identifier: str, kind: str, /, **properties: Any) -> Entity:
        """Something that is no file: a licence, a paper, a program."""
        return self.add(ContextEntity(self, identifier, {"@type": kind} | properties))

    def file(self, path: Path, name: str, sha256: str = "", /, **properties: Any) -> File:
        """A file of the folder."""
        told = self.told(path, name, sha256) | properties
        return self.add(File(self, dest_path=path.relative_to(self.home), properties=told))

    def told(self, path: Path, name: str, sha256: str = "") -> dict[str, Any]:
        """Name, size, format and digest of a file; the digest is computed unless it is known."""
        digest = sha256 or sha256_of_file(path)
        kind = FORMATS.get(path.suffix) or KNOWN_FORMATS.guess_type(path.name)[0] or "text/plain"
        told = {"name": name, "contentSize": str(path.stat().st_size), "encodingFormat": kind}
        return told | ({"sha256": digest} if len(digest) == SHA256 else {"identifier": f"sha256:{digest}"})

    def folder(self, path: Path, name: str, parts: Iterable[Entity] = (), /, **properties: Any) -> Dataset:
        """A folder and what of it is told."""
        told = {"name": name} | ({"hasPart": found} if (found := [*parts]) else {}) | properties
        return self.add(Dataset(self, dest_path=path.relative_to(self.home), properties=told))

    def step(self, made_by: str, identifier: str, name: str, text: str, /, **properties: Any) -> None:
        """An action of a file of the workflow."""
        told = {"name": name, "description": text, "actionStatus": DONE} | properties
        self.add_action(self.get(f"workflow/{made_by}"), f"#{quote(identifier)}", properties=told)


def write_crate(
    options: Options, metadata: Path, *, page: Path, workflow: Path, published: Path, catalogue: Path
) -> None:
    """Copy the workflow beside the results and write `ro-crate-metadata.json`.

    Args:
        options: The rule's options (see `microtome.workflow.states.products.crate`).
        metadata: Where it is written: in the folder of the report, which leads to all that it describes. The
            same for the same results; no identifier dangles: all that is referred to is described.
        page: The report; the crate is published when it was written.
        workflow: Gets the copy, in the same folder.
        published: Published values, which name the papers.
        catalogue: The data set table.

    Raises:
        FileNotFoundError: A result, or the Snakefile, is missing.
        ValueError: A result cannot be read, or two things have the same identifier.
    """
    link_studies(metadata.parent, options["studies"])
    crate = Results(metadata.parent)
    crate.metadata.extra_contexts.append(RUN_TERMS)
    _copy(workflow, tuple(options["studies"]))
    crate.thing(MIT, "CreativeWork", name="MIT License", identifier="MIT")
    papers = read_values(published)["papers"]
    known = load_catalogue(catalogue)
    config = _add_workflow(crate, workflow)
    studies = [
        _study(crate, name, study, _title(papers, study["paper"]), known.get(str(study["dataset"])))
        for name, study in options["studies"].items()
    ]
    _describe(crate, options, page, config, studies)
    write_json(metadata, crate.metadata.generate())


def _title(papers: Options, paper: str | None) -> str:
    return papers[paper]["title"] if paper else ""


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


def _written(path: Path) -> str:
    """When a file was last written, ISO 8601."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")


def _add_workflow(crate: Results, folder: Path) -> list[Entity]:
    """The Snakefile, the software it needs and the files beside it; returns the configuration."""
    git, versions = environment.git_state(code.ROOT), environment.versions()
    if git:
        versions["microtome"] += f" (git {git['commit']}{' with changes' if git['dirty'] else ''})"
    software = [
        crate.thing(f"#software-{name}", "SoftwareApplication", name=name, softwareVersion=number)
        for name, number in versions.items()
    ]
    crate.get("#software-microtome")["license"] = crate.get(MIT)
    data = {"license": crate.get(MIT)}
    about = data | {"version": versions["microtome"]}
    source = about | {"@type": ["File", "SoftwareSourceCode"]}
    files = [
        crate.file(path, path.relative_to(folder).as_posix(), **(source if path.suffix in CODE else data))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != crate.home / MAIN
    ]
    told = crate.told(crate.home / MAIN, "Snakefile") | about | {"softwareRequirements": software}
    language = {"lang": "snakemake", "lang_version": versions.get("snakemake")}
    main = crate.add_workflow(dest_path=MAIN, main=True, **language, properties=told)
    main["hasPart"] = [file for file in files if "SoftwareSourceCode" in file.type]
    for key in ("identifier", "url"):  # addresses, which the crate does not describe
        main.lang[key] = main.lang[key]
    return [file for file in files if file.id.startswith("workflow/config/")]


def _study(crate: Results, name: str, study: Options, paper: str, dataset: DatasetEntry | None) -> Dataset:
    """What a study has produced: its folder, files, runs, tables and figures."""
    folder, simulated = crate.home / name, study["data_kind"] == "phantom"
    sheets = [folder / "samples.tsv", *(folder / f"splits/{split}.tsv" for split in study["splits"])]
    files = [crate.file(path, f"{name}: {path.relative_to(folder).as_posix()}") for path in sheets]
    runs = [
        _run(crate, folder / f"runs/{split}/{run}/seed-{seed}", study["labels"].get(run, run), files)
        for split, run, seed in study["evaluated"]
    ]
    told = {_path(entity): entity for entity in (*files, *runs)}
    products = [
        file
        for kind in ("table", "figure")
        for entry, title in study[f"{kind}s"]
        if not _has_failed(folder / f"{kind}s" / f"{entry}.json")
        for file in _product(crate, folder / f"{kind}s" / f"{entry}.json", kind, title, told)
    ]
    article = {"name": paper}
    cited = crate.thing(f"#paper-{quote(paper, safe='')}", "ScholarlyArticle", **article) if paper else None
    there = {key: text for key, text in FOLDERS.items() if (folder / key).is_dir()}
    folders = [crate.folder(folder / key, f"{name}: {text}") for key, text in there.items()]
    return crate.folder(
        folder,
        study["title"],
        [*files, *products, *folders, *runs],
        description=f"{SIMULATED}. {study['title']}" if simulated else study["title"],
        keywords="phantom, simulated" if simulated else study["data_kind"],
        **({"citation": cited} if cited else {}),
        **_origin(crate, name, study["data_kind"], dataset),
    )


def _path(entity: Entity) -> str:
    return unquote(entity.id).rstrip("/")


def _origin(crate: Results, name: str, kind: str, dataset: DatasetEntry | None) -> dict[str, Entity]:
    """Where the images of a study come from, and under which terms."""
    if dataset is None:
        made: dict[str, Any] = {"name": f"The user's images of {name}"}
        if kind == "phantom":
            made = {"name": f"Phantom of {name}", "description": SIMULATED, "keywords": "phantom, simulated"}
            made["creator"] = crate.get("#software-microtome")
        return {"isBasedOn": crate.thing(f"#data-{name}", "Dataset", **made), "license": crate.get(MIT)}
    about: dict[str, Any] = {"name": f"Terms of {dataset.name}", "description": dataset.licence}
    terms = crate.thing(f"#licence-{dataset.name}", "CreativeWork", **about)
    addresses = [f"https://doi.org/{doi}" for doi in dataset.doi]
    articles = [crate.thing(address, "ScholarlyArticle", name=address) for address in addresses]
    about = {"name": dataset.title, "description": dataset.citation, "license": terms, "citation": articles}
    about |= {"url": str(dataset.homepage)} if dataset.homepage else {}
    images = crate.thing(f"#data-{dataset.name}", "Dataset", **about)
    return {"isBasedOn": images, "license": terms}


def _run(crate: Results, place: Path, label: str, files: Sequence[Entity]) -> Dataset:
    """The folder of a run, in words (its card tells the rest), and how it came about."""
    card = cards.read_card(place / cards.CARD_NAME)
    network, simulated = card["network"], card["data_source"] == "phantom"
    weights = {cards.WEIGHTS_NAME: card["digests"].get("weights", "")}  # large, and the card knows
    loss = f", loss {card['loss']['name']}" if "loss" in card else ""
    what = "Pixel classifier" if cards.CLASSIFIER in card else "Network"
    there = {name: text for name, text in RUN_FILES.items() if (place / name).is_file()}
    folder = crate.folder(
        place,
        f"{label} (split {card['split']}, seed {card['seed']})",
        [crate.file(place / name, f"{label}: {text}", weights.get(name, "")) for name, text in there.items()],
        description=f"{what} {network['name']}, {network['parameters']} parameters{loss}; "
        f"{card['data_source']} data{' (simulated)' if simulated else ''}",
    )
    is_ensemble = network["name"] == cards.ENSEMBLE
    home = place.parents[1].relative_to(crate.home).as_posix()
    lender = [{"run": card["weights_of"], "seed": card["seed"]}] if card.get("weights_of") else []
    lenders = network["trained"] if is_ensemble else lender
    others = [{"@id": quote(f"{home}/{one['run']}/seed-{one['seed']}/")} for one in lenders]
    on = f" on {card['device']}" if "device" in card else ""
    times = {"startTime": "started", "endTime": "finished"}
    crate.step(
        "rules/predict.smk" if is_ensemble else "rules/train.smk",
        f"run-{_path(folder)}",
        f"{PurePosixPath(home).parts[0]}: {label}",
        "Made from other runs" if others else f"Trained{on}",
        object=others or [*files],
        result=folder,
        **{key: card[name] for key, name in times.items() if name in card and not others},
    )
    return folder


def _has_failed(sidecar: Path) -> bool:
    """Whether a table or a figure could not be made, so that there is nothing to describe."""
    return Sidecar.parse(sidecar.read_text(encoding="utf-8")).failed is not None


def _product(
    crate: Results, sidecar: Path, kind: str, title: str, told: Mapping[str, Entity]
) -> list[Entity]:
    """The files of a table or a figure, and how it came about; `told` are the sources that are described."""
    content = trace.read(sidecar)
    record, shown = content["provenance"], content.get("title") or title or sidecar.stem
    home = sidecar.parent.relative_to(crate.home).as_posix()
    paths = [run["folder"] for run in record["runs"]] + [item["path"] for item in record["inputs"]]
    places = dict.fromkeys(posixpath.normpath(f"{home}/{path}") for path in paths)
    files = [
        crate.file(sidecar.parent / name, f"{shown} ({PurePosixPath(name).suffix[1:].upper()})")
        for name in (*record["files"], sidecar.name)
    ]
    study = PurePosixPath(home).parts[0]
    sources = [told[place] for place in places if place in told]
    crate.step(
        "rules/evaluate.smk",
        f"{kind}-{study}-{sidecar.stem}",
        f"{study}: {kind} {sidecar.stem}",
        content["caption"],
        result=files,
        endTime=_written(sidecar),
        **({"object": sources} if sources else {}),
    )
    return files


def _describe(
    crate: Results, options: Options, page: Path, config: Sequence[Entity], studies: Sequence[Dataset]
) -> None:
    """The results as a whole, and the run of the workflow that made them."""
    machine, published = environment.machine(), _written(page)
    trainings = [action["startTime"] for action in crate.get_by_type("CreateAction") if "startTime" in action]
    crate.step(
        "Snakefile",
        "run",
        f"Run of the workflow at {options['scale']} scale",
        f"`{options['command']}`; {machine['os']}, {machine['cpu']}, {machine['threads']} threads",
        object=[*config, *(study["isBasedOn"] for study in studies)],
        result=[crate.file(page, "report"), *studies],
        endTime=published,
        **({"startTime": min(trainings)} if trainings else {}),
    )
    simulated = [name for name, study in options["studies"].items() if study["data_kind"] == "phantom"]
    note = f" {SIMULATED}: {', '.join(simulated)}." if simulated else ""
    titles = "; ".join(study["title"] for study in options["studies"].values())
    about = {
        "name": f"Microtome, {options['scale']} scale: {titles}",
        "description": f"Trained models, metrics, tables and figures, and the report of them.{note}",
        "datePublished": published,
        "license": [*dict.fromkeys([crate.get(MIT), *(study["license"] for study in studies)])],
        "keywords": f"{KEYWORDS}, phantom, simulated" if simulated else KEYWORDS,
        "conformsTo": [crate.thing(key, "CreativeWork", **told) for key, told in PROFILES.items()],
        "mentions": crate.get_by_type("CreateAction"),
    }
    for key, value in about.items():
        crate.root_dataset[key] = value
