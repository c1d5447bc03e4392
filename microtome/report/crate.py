# SPDX-License-Identifier: MIT
"""The results of a scale as an RO-Crate: what every file is, what made it from what, under which terms.

RO-Crate 1.1 with the profiles Workflow RO-Crate, Process Run Crate and Workflow Run Crate. The run of the
workflow is one action, and so is each training, table and figure. Everything here is a function of plain
values; `microtome.stages.crate` reads them from disk.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from microtome.provenance.runs import ENSEMBLE
from microtome.report.crate_inputs import CrateFile, CrateInputs, CrateProduct, CrateRun, CrateStudy

Entity = dict[str, Any]
METADATA = "ro-crate-metadata.json"
CONTEXT = ("https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context")
CRATE = "https://w3id.org/ro/crate/1.1"
WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
MIT = "https://spdx.org/licenses/MIT"
SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
DONE = "http://schema.org/CompletedActionStatus"
SIMULATED = "Simulated images (phantom), made by this software; no tissue of any patient"
WORKFLOW = "workflow"
"""Folder of the copy of the workflow and its configuration."""
MAIN = f"{WORKFLOW}/Snakefile"
STEPS = {
    "train": f"{WORKFLOW}/rules/train.smk",
    "ensemble": f"{WORKFLOW}/rules/predict.smk",
    "table": f"{WORKFLOW}/rules/evaluate.smk",
    "figure": f"{WORKFLOW}/rules/evaluate.smk",
}
"""The rule file that makes a thing."""
FORMATS = {
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".safetensors": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".tex": "application/x-tex",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}
KEYWORDS = ("image segmentation", "pathology", "microscopy", "deep learning")
CODE = (".smk", ".py")
SHA256 = 64
"""Characters of a whole digest."""


def build_crate(inputs: CrateInputs) -> dict[str, Any]:
    """Describe the results of a scale.

    Args:
        inputs: What the crate tells.

    Returns:
        The content of ``ro-crate-metadata.json``; the same for the same inputs. No identifier dangles: all
        that is referred to inside the crate is described in it.

    Raises:
        ValueError: The workflow lacks its Snakefile, or two things have the same identifier.
    """
    if all(file.path != MAIN for file in inputs.workflow):
        msg = f"the crate has no {MAIN}; copy the Snakefile and the rules there"
        raise ValueError(msg)
    actions = [*_actions(inputs)]
    graph = [
        _descriptor(),
        _root(inputs, actions),
        *_profiles(),
        *_terms(inputs),
        *_software(inputs),
        *(_workflow_file(file, inputs) for file in inputs.workflow),
        _file(inputs.report),
        *(entity for study in inputs.studies for entity in _study(study)),
        *actions,
    ]
    return {"@context": list(CONTEXT), "@graph": _unique(graph)}


def _unique(graph: Sequence[Entity]) -> list[Entity]:
    """One entity by identifier; equal ones (a paper of two studies) are told once."""
    found: dict[str, Entity] = {}
    for entity in graph:
        if found.setdefault(entity["@id"], entity) != entity:
            msg = f"two things in the crate have the identifier {entity['@id']}"
            raise ValueError(msg)
    return list(found.values())


def _ref(identifier: str) -> dict[str, str]:
    return {"@id": identifier}


def _refs(identifiers: Iterable[str]) -> dict[str, str] | list[dict[str, str]]:
    """References, each once; a single one stands alone, as RO-Crate recommends."""
    found = [_ref(identifier) for identifier in dict.fromkeys(identifiers)]
    return found[0] if len(found) == 1 else found


def _descriptor() -> Entity:
    return {
        "@id": METADATA,
        "@type": "CreativeWork",
        "about": _ref("./"),
        "conformsTo": _refs((CRATE, WORKFLOW_CRATE)),
    }


def _root(inputs: CrateInputs, actions: Sequence[Entity]) -> Entity:
    """The results as a whole."""
    simulated = [study.name for study in inputs.studies if study.data_source == "phantom"]
    note = f" {SIMULATED}: {', '.join(simulated)}." if simulated else ""
    titles = "; ".join(study.title for study in inputs.studies)
    parts = [file.path for file in (inputs.report, *inputs.workflow)]
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Microtome, {inputs.scale} scale: {titles}",
        "description": f"Trained models, metrics, tables and figures, and the report of them.{note}",
        "datePublished": inputs.published,
        "license": _refs([MIT, *(_licence(study) for study in inputs.studies if study.dataset)]),
        "keywords": ", ".join([*KEYWORDS, *(["phantom", "simulated"] if simulated else [])]),
        "conformsTo": _refs(PROFILES),
        "mainEntity": _ref(MAIN),
        "hasPart": _refs([*map(quote, parts), *(f"{quote(study.name)}/" for study in inputs.studies)]),
        "mentions": _refs(action["@id"] for action in actions),
    }


def _profiles() -> Iterator[Entity]:
    for identifier, (name, version) in PROFILES.items():
        yield {"@id": identifier, "@type": "CreativeWork", "name": name, "version": version}


def _terms(inputs: CrateInputs) -> Iterator[Entity]:
    """Licences, papers and sources of data."""
    yield {"@id": MIT, "@type": "CreativeWork", "name": "MIT License", "identifier": "MIT"}
    for study in inputs.studies:
        yield {"@id": _paper(study), "@type": "ScholarlyArticle", "name": study.paper}
        yield from _source(study)


def _source(study: CrateStudy) -> Iterator[Entity]:
    """Where the images of a study come from."""
    origin: Entity = {"@id": _origin(study), "@type": "Dataset"}
    if study.dataset is None:
        simulated = study.data_source == "phantom"
        name = f"Phantom of {study.name}" if simulated else f"The user's images of {study.name}"
        made = {
            "description": SIMULATED,
            "creator": _ref("#software-microtome"),
            "keywords": "phantom, simulated",
        }
        yield origin | {"name": name} | (made if simulated else {})
        return
    found = study.dataset
    articles = [f"https://doi.org/{doi}" for doi in found["doi"]]
    about = {"name": found["title"], "description": found["citation"], "license": _ref(_licence(study))}
    place = {"url": found["homepage"]} if found["homepage"] else {}
    yield origin | about | place | {"citation": _refs(articles)}
    yield {
        "@id": _licence(study),
        "@type": "CreativeWork",
        "name": f"Terms of {found['name']}",
        "description": found["licence"],
    }
    for article in articles:
        yield {"@id": article, "@type": "ScholarlyArticle", "name": article}


def _licence(study: CrateStudy) -> str:
    return f"#licence-{study.dataset['name']}" if study.dataset else MIT


def _origin(study: CrateStudy) -> str:
    return f"#data-{study.dataset['name'] if study.dataset else study.name}"


def _paper(study: CrateStudy) -> str:
    return f"#paper-{quote(study.paper, safe='')}"


def _software(inputs: CrateInputs) -> Iterator[Entity]:
    """Snakemake as the language of the workflow, and each package with its version."""
    version = inputs.versions.get("snakemake", "")
    yield {
        "@id": SNAKEMAKE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "identifier": "https://doi.org/10.1093/bioinformatics/bts480",
        "url": "https://snakemake.readthedocs.io",
    } | ({"version": version} if version else {})
    for name, number in inputs.versions.items():
        commit = f" ({inputs.commit})" if name == "microtome" and inputs.commit else ""
        yield {
            "@id": f"#software-{name}",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": f"{number}{commit}",
        } | ({"license": _ref(MIT)} if name == "microtome" else {})


def _workflow_file(file: CrateFile, inputs: CrateInputs) -> Entity:
    """A file of the workflow; the Snakefile is the workflow itself."""
    entity = _file(file)
    version = inputs.versions["microtome"] + (f" ({inputs.commit})" if inputs.commit else "")
    if file.path == MAIN:
        return entity | {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "license": _ref(MIT),
            "programmingLanguage": _ref(SNAKEMAKE),
            "softwareRequirements": _refs(f"#software-{name}" for name in inputs.versions),
            "version": version,
            "hasPart": _refs(
                quote(one.path) for one in inputs.workflow if PurePosixPath(one.path).suffix in CODE
            ),
        }
    code = {"@type": ["File", "SoftwareSourceCode"], "version": version}
    is_code = PurePosixPath(file.path).suffix in CODE
    return entity | {"license": _ref(MIT)} | (code if is_code else {})


def _file(file: CrateFile) -> Entity:
    """A file, its size, format and digest."""
    kind = FORMATS.get(PurePosixPath(file.path).suffix, "text/plain")
    entity = {"@id": quote(file.path), "@type": "File", "name": file.name}
    digest = {"sha256": file.sha256} if len(file.sha256) == SHA256 else {}
    start = {"identifier": f"sha256:{file.sha256}"} if file.sha256 and not digest else {}
    return entity | {"contentSize": str(file.size), "encodingFormat": kind} | digest | start


def _folder(path: str, name: str, parts: Iterable[str] = ()) -> Entity:
    """A folder and what of it is told."""
    found = _refs(map(quote, parts))
    entity = {"@id": f"{quote(path)}/", "@type": "Dataset", "name": name}
    return entity | ({"hasPart": found} if found else {})


def _study(study: CrateStudy) -> Iterator[Entity]:
    """A study: its folder, files, runs, tables and figures."""
    files = [*study.files, *(file for product in study.products for file in product.files)]
    folders = [f"{study.name}/{name}/" for name in study.folders] + [f"{run.folder}/" for run in study.runs]
    simulated = study.data_source == "phantom"
    yield _folder(study.name, study.title, [*(file.path for file in files), *folders]) | {
        "description": f"{SIMULATED}. {study.title}" if simulated else study.title,
        "keywords": "phantom, simulated" if simulated else study.data_source,
        "license": _ref(_licence(study)),
        "citation": _ref(_paper(study)),
        "isBasedOn": _ref(_origin(study)),
    }
    for name, text in study.folders.items():
        yield _folder(f"{study.name}/{name}", f"{study.name}: {text}")
    yield from map(_file, files)
    for run in study.runs:
        yield _run(run)
        yield from map(_file, run.files)


def _run(run: CrateRun) -> Entity:
    """The folder of a run, in words; its card tells the rest."""
    card, network = run.card, run.card["network"]
    data = f"{card['data_source']} data" + (" (simulated)" if card["data_source"] == "phantom" else "")
    loss = f", loss {card['loss']['name']}" if "loss" in card else ""
    return _folder(run.folder, f"{run.label} (split {card['split']}, seed {card['seed']})") | {
        "description": f"Network {network['name']}, {network['parameters']} parameters{loss}; {data}",
        "hasPart": _refs(quote(file.path) for file in run.files),
    }


def _actions(inputs: CrateInputs) -> Iterator[Entity]:
    """The run of the workflow, then each training, table and figure."""
    started = [run.card["started"] for study in inputs.studies for run in study.runs if "started" in run.card]
    config = [file.path for file in inputs.workflow if file.path.startswith(f"{WORKFLOW}/config/")]
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run of the workflow at {inputs.scale} scale",
        "description": f"`{inputs.command}`; {inputs.machine}",
        "instrument": _ref(MAIN),
        "object": _refs([*map(quote, config), *map(_origin, inputs.studies)]),
        "result": _refs([inputs.report.path, *(f"{quote(study.name)}/" for study in inputs.studies)]),
        "endTime": inputs.published,
        "actionStatus": DONE,
    } | ({"startTime": min(started)} if started else {})
    for study in inputs.studies:
        yield from (_training(run, study) for run in study.runs)
        yield from (_making(product, study) for product in study.products)


def _training(run: CrateRun, study: CrateStudy) -> Entity:
    """How a run came about: by training, or from other runs."""
    card = run.card
    step = "ensemble" if card["network"]["name"] == ENSEMBLE else "train"
    sources = [f"{quote(folder)}/" for folder in run.sources] or [quote(file.path) for file in study.files]
    times = {"startTime": "started", "endTime": "finished"}
    on = f" on {card['device']}" if "device" in card else ""
    return {
        "@id": f"#run-{quote(run.folder)}",
        "@type": "CreateAction",
        "name": f"{study.name}: {run.label}",
        "description": "Made from other runs" if run.sources else f"Trained{on}",
        "instrument": _ref(STEPS[step]),
        "object": _refs(sources),
        "result": _ref(f"{quote(run.folder)}/"),
        "actionStatus": DONE,
    } | {key: card[name] for key, name in times.items() if name in card and not run.sources}


def _making(product: CrateProduct, study: CrateStudy) -> Entity:
    """How a table or a figure came about."""
    return {
        "@id": f"#{product.kind}-{quote(study.name)}-{quote(product.name)}",
        "@type": "CreateAction",
        "name": f"{study.name}: {product.kind} {product.name}",
        "description": product.caption,
        "instrument": _ref(STEPS[product.kind]),
        "result": _refs(quote(file.path) for file in product.files),
        "endTime": product.finished,
        "actionStatus": DONE,
    } | ({"object": _refs(map(quote, product.sources))} if product.sources else {})
