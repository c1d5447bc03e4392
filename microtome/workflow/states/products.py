# SPDX-License-Identifier: MIT
"""State strings of tables, figures, the report and the RO-Crate."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_args

from microtome.config import entries, kinds
from microtome.config.changed import changed
from microtome.config.checks_products import runs_shown
from microtome.config.headline import explanations, headline
from microtome.config.run import Run
from microtome.config.stain import StainNormalization
from microtome.config.study import Entry, Study
from microtome.provenance import code
from microtome.registry import entry_names
from microtome.study import modalities
from microtome.study.modalities import cubes
from microtome.study.plan import StudyPlan
from microtome.workflow.needs import Shown
from microtome.workflow.states import state_of

NETWORKS, CLASSIFIERS = "microtome.config.networks", "microtome.config.classifiers"
METHOD = {"stain", "outputs", "sampler", "augment", "network", "loss", "segment"}
"""Options of a run that a drawing of the chain tells of."""
SEEN = {"view", "input", "predict"}
"""Further ones, of how its network sees an image."""


def entry(plan: StudyPlan, section: str, name: str) -> str:
    """State of `tabulate` or `draw`: the table or figure `name` of the section `tables` or `figures`."""
    shown = Shown(plan, section, name)
    entry, runs, labels = shown.entry, shown.runs, plan.labels()
    module = f"microtome.{section}.kinds.{entry.kind}"
    modules = (module, *networks_built(module, entry))
    options = {
        "name": name,
        "kind": entry.kind,
        "modules": modules,
        "title": entry.title,
        "options": entry.options,
        "runs": runs,
        "labels": {run: labels[run] for run in runs},
        "classes": plan.classes,
        "colors": plan.study.data.colors,
        "mean_classes": plan.study.evaluate.mean_classes,
        "paper": plan.study.paper,
        "data_kind": plan.data_kind,
    }
    if plan.study.splits:
        options["splits"] = shown.splits
    for need in sorted(shown.takes & set(TOLD)):
        options |= TOLD[need](shown)
    return state_of(kinds.MAKERS[section], options, modules)


def networks_built(module: str, entry: Entry) -> tuple[str, ...]:
    """The modules of the networks that a table or a figure may build: the one it names, or any."""
    package = code.module_files("microtome.networks")[-1]
    if package not in code.closure(code.module_files(module)):
        return ()
    known, network = entry_names(NETWORKS), entry.options.get("network")
    name = network.get("name") if isinstance(network, Mapping) else None
    return tuple(f"microtome.networks.{name}" for name in ((name,) if name in known else known))


def _method(shown: Shown) -> dict[str, Any]:
    """What a drawing of the chain tells of the runs."""
    study = shown.plan.study
    stains = {name: stain.model_dump(mode="json") for name, stain in study.stains.items()}
    return {"settings": {"stains": stains, "runs": {name: _told(study.runs[name]) for name in shown.runs}}}


def _told(run: Run) -> dict[str, Any]:
    """What a drawing of the chain tells of a run; null for what is tuned, as it is not what is configured."""
    told = run.model_dump(mode="json", include=METHOD)
    return told if run.tune is None else told | {"segment": told["segment"] | dict.fromkeys(run.tune.values)}


def _way(shown: Shown) -> dict[str, Any]:
    """What the way of a sample tells of the runs, and of images before them; an ensemble predicts nothing."""
    study = shown.plan.study
    settings = _method(shown)["settings"] | {"downsample": study.data.downsample}
    for name, told in settings["runs"].items():
        run = study.runs[name]
        if run.network is not None:
            told |= run.model_dump(mode="json", include=SEEN) | {"by_pixel": run.network.WINDOWS}
        elif run.classifier is not None:
            told["view"] = run.view
    return {"settings": settings}


def names() -> dict[str, dict[str, str]]:
    """What tables and figures call losses, networks and classifiers, encoders and stain normalizations."""
    networks = [entries.model(NETWORKS, name) for name in entry_names(NETWORKS)]
    stains = get_args(get_args(StainNormalization)[0])
    return {
        "loss": entries.labels("microtome.config.losses"),
        "network": entries.labels(NETWORKS) | entries.labels(CLASSIFIERS),
        "encoder": dict(pair for item in networks for pair in getattr(item, "ENCODERS", {}).items()),
        "stain": {item.model_fields["method"].default: item.LABEL for item in stains},
    }


def _names(shown: Shown) -> dict[str, dict[str, str]]:
    """The names that a table or a figure may print.

    A table names the losses of its runs; one that does not tell of trainings also those that are measured.
    """
    found, study = names(), shown.plan.study
    if shown.section == "figures":
        return found
    used = {run.loss.name for name in shown.runs if (run := study.runs[name]).loss}
    used |= set() if "trained" in shown.takes else set(study.evaluate.losses)
    return found | {"loss": {name: text for name, text in found["loss"].items() if name in used}}


def _calls(shown: Shown) -> dict[str, Any]:
    """How the runs call sections."""
    found = {name: shown.plan.study.runs[name].calls for name in shown.runs}
    return {"calls": {name: one.model_dump(mode="json") for name, one in found.items() if one}}


def _samplers(shown: Shown) -> dict[str, Any]:
    """The samplers of lists, which a table shows without runs; in pairs, whose order a state keeps.

    With them the class that is called, of runs that call one.
    """
    runs = {name: run for name, run in shown.plan.study.runs.items() if run.network is not None}
    runs = {name: run for name, run in runs.items() if run.sampler.kind == "lists"}
    told = {name: run.sampler.model_dump(mode="json") for name, run in runs.items()}
    samplers = [[name, one | {"lists": list(one["lists"].items())}] for name, one in told.items()]
    calls = {name: {"class": run.calls.of} for name, run in runs.items() if run.calls is not None}
    return {"samplers": samplers, "calls": calls}


def _units(shown: Shown) -> dict[str, Any]:
    """What a split keeps whole of each sample (its patient), and what that is.

    What shows runs asks for the samples that these are evaluated on, so that others leave it alone.
    """
    plan = shown.plan
    asked = {name for split in shown.splits for name in plan.evaluated_parts[split]} if shown.runs else None
    chosen = plan.samples if asked is None else {name: plan.samples[name] for name in sorted(asked)}
    units = {name: one.unit for name, one in chosen.items()}
    return {"units": units, "unit": shown.plan.study.data.group_by}


TOLD: Mapping[str, Callable[[Shown], dict[str, Any]]] = {
    "groups": lambda shown: {"groups": {name: one.group for name, one in shown.plan.samples.items()}},
    "patients": _units,
    "cubes": lambda shown: {"raw_cubes": cubes.raw_cubes(shown.plan)} if shown.plan.study.cubes else {},
    "calls": _calls,
    "annotations": lambda shown: {"regions": list(shown.plan.study.targets.regions.items())},
    "sampling_lists": _samplers,
    "method": _method,
    "way": _way,
    "names": lambda shown: {"names": _names(shown)},
}
"""Needs that are options, not files: what lies outside the results, or follows from the study alone."""


def report(plans: Mapping[str, StudyPlan]) -> str:
    """State of `report_page`: the title and paper of each study, settings, and the names of what is shown."""
    templates = sorted((code.ROOT / "microtome/report/templates").glob("*"))
    files = [path.relative_to(code.ROOT).as_posix() for path in templates if path.is_file()]
    cards = {name: _cards(plan) for name, plan in plans.items()}
    return state_of("report_page", _results(plans) | {"cards": cards}, files=files)


def _cards(plan: StudyPlan) -> dict[str, Any]:
    """The settings of each training that are not the defaults."""
    runs = plan.study.runs.items()
    return {run: changed(one) for run, one in runs if one.is_trained or one.classifier is not None}


def paper(plan: StudyPlan) -> str:
    """State of `write_document`: the titles of the study and of its tables and figures, in their order."""
    study, scale = plan.study, plan.scale
    shown = {
        section: [[name, entry.title] for name, entry in getattr(study, section).items()]
        for section in ("tables", "figures")
    }
    return state_of("write_document", {"title": study.title, "scale": scale, **shown})


def crate(plans: Mapping[str, StudyPlan]) -> str:
    """State of `crate`, which describes the same results as the report shows."""
    return state_of("crate", _results(plans))


def _results(plans: Mapping[str, StudyPlan]) -> dict[str, Any]:
    """What there is to show of all studies, and the command that makes it."""
    scale = min(plan.scale for plan in plans.values())  # of `full` and `paper` the one that suits all
    command = f"snakemake --cores 2 --config scale={scale} studies={','.join(plans)}"
    return {"scale": scale, "command": command, "studies": {name: _shown(p) for name, p in plans.items()}}


def _shown(plan: StudyPlan) -> dict[str, Any]:
    """What the report shows of a study; tables and figures in pairs, as a state sorts the keys of objects."""
    study = plan.study
    (group, splits), *others = plan.split_groups.items()
    cases = {"case_group": group, "case_splits": splits} if others else {}
    return (
        cases
        | _headline(plan)
        | {
            "title": study.title,
            "paper": study.paper,
            "data_kind": plan.data_kind,
            "dataset": study.data.dataset if plan.data_kind == "public" else None,
            "cited": {"citation": study.data.citation, "licence": study.data.licence},
            "named": sorted({*study.stains, *study.external, *_neighbours(study)}),
            "tables": [[name, entry.title] for name, entry in study.tables.items()],
            "figures": [[name, entry.title] for name, entry in study.figures.items()],
            "labels": plan.labels(),
            "evaluated": plan.evaluated(),
            "splits": list(plan.splits),
            "classes": plan.classes,
            "colors": study.data.colors,
            "case_metric": study.evaluate.rank_by,
        }
    )


def _neighbours(study: Study) -> set[str]:
    """The neighbours that runs see beside an image, as paths of their jobs have them."""
    return {run.input.stacked for run in study.runs.values() if run.input.stacked}


def _headline(plan: StudyPlan) -> dict[str, Any]:
    """What stands for a study in the overview, and what its verdict is about."""
    study, found = plan.study, headline(plan.study)
    entry = study.tables.get(found.table)
    kind = kinds.find("tables", entry.kind) if entry else None
    compared = runs_shown(study, kind, entry) if entry and kind else []
    splits = plan.split_groups.get(entry.split, ()) if entry else ()
    return {
        "what": study.report.what,
        "samples_are": study.report.samples or next(filter(None, _samples_are(study)), "images"),
        "unit": study.data.group_by,
        "main_table": found.table,
        "main_figure": found.figure,
        "metric": study.report.metric or study.evaluate.rank_by,
        "part": found.part,
        "pooled": study.report.pooled,
        "mean_classes": study.evaluate.mean_classes if study.report.pooled else (),
        "compared": [run for run in compared if run in study.runs],
        "compared_splits": splits,
        "explanations": [
            [section, name]
            for section in kinds.MAKERS
            for name in explanations(getattr(study, section), section)
        ],
    }


def _samples_are(study: Study) -> Iterator[str | None]:
    """What each modality calls the samples of a study."""
    return (name(study) for name in modalities.ask("samples_are"))
