# SPDX-License-Identifier: MIT
"""Load and check the configuration: every fault of a study file, listed together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from microtome.config import modalities, project, yaml
from microtome.config.checks import check_study
from microtome.config.outputs import resolved
from microtome.config.pydantic_faults import describe
from microtome.config.study import Study
from microtome.config.workflow import WHOLE, Workflow
from microtome.config.yaml import Keys, Node, Places, merge
from microtome.faults import ConfigurationError, Fault, nearest

STUDY_FOLDER = Path("config/studies")
SCALES = get_args(Workflow.model_fields["scale"].annotation)
OMIT = "omit"
"""Value by which a scale leaves out a run, a split, a table or a figure of the file."""
NAMED_SECTIONS = ("runs", "splits", "tables", "figures")
TOP_LEVEL = (*(name for name in Study.model_fields if name != "name"), "defaults", "scales")
"""Options of a study file."""
NOT_TRAINED = ("members", "classifier")
"""Options of a run that stand in the place of a network and its loss."""
OF_NETWORKS = ("network", "loss")


def load_workflow(
    options: Mapping[str, Any],
    *,
    file: str | Path = project.CONFIG,
    sheet_faults: "Callable[[Draft], list[Fault]]" = lambda _: [],
) -> Workflow:
    """Check the options of the workflow.

    Args:
        options: The merged content of `file` and the command line.
        file: The file that faults are reported against; the workflow's own where the project has none.
        sheet_faults: Finds what is wrong with the samples of a study, to be listed, too.

    Returns:
        The options; the study of a trained run that is asked for by name is one of `studies`.

    Raises:
        ConfigurationError: Any option is unknown or out of range. The faults of the studies that it names,
            as far as these can be known, are listed too.
    """
    folder = Path(file).parent / STUDY_FOLDER.name
    try:
        return _with_asked(Workflow.model_validate(dict(options)), folder)
    except ValidationError as error:
        faults = describe(error, Workflow, _option_places(options, project.find(file)))
    raise ConfigurationError(faults + _study_faults(options, folder, sheet_faults))


def _with_asked(workflow: Workflow, folder: Path) -> Workflow:
    """Add the study whose run is asked for to those that are loaded, if there is a file of it."""
    asked, studies = workflow.study, workflow.studies
    if asked is None or asked in studies or asked not in project.names_in(folder):
        return workflow
    return workflow.model_copy(update={"studies": (*studies, asked)})


def _option_places(options: Mapping[str, Any], file: Path) -> Places | Any:
    """Say where a workflow option was set: in the file if it has that value, else on the command line."""
    try:
        tree = yaml.read(file)
    except ConfigurationError:
        tree = Node({})
    places, given = Places(file, tree), yaml.mark(options)

    def locate(keys: Keys) -> str:
        here, there = tree.get(*keys), given.get(*keys)
        in_file = here is not None and there is not None and here.plain == there.plain
        return places(keys) if in_file or there is None else f"--config {'.'.join(keys)}"

    return locate


def _study_faults(
    options: Mapping[str, Any], folder: Path, sheet_faults: "Callable[[Draft], list[Fault]]"
) -> list[Fault]:
    """The faults of studies, named by options that are not right as a whole."""
    known = {key: options[key] for key in ("scale", "studies") if key in options}
    for leave_out in ((), ("studies",)):
        try:
            workflow = Workflow.model_validate({k: v for k, v in known.items() if k not in leave_out})
        except ValidationError:
            continue
        drafts = [read_draft(name, workflow.scale, folder) for name in dict.fromkeys(workflow.studies)]
        return [fault for draft in drafts for fault in (*draft.faults, *sheet_faults(draft))]
    return []


@dataclass(frozen=True)
class Draft:
    """A study file at one scale, perhaps with faults; `study` is None where an option is wrong."""

    places: Places
    study: Study | None
    faults: list[Fault]


def read_draft(name: str, scale: str, folder: Path = STUDY_FOLDER) -> Draft:
    """Read a study file, lay the scale over it and check it; the other scales are checked as well.

    Args:
        name: The file's name in `folder`, without its ending.
        scale: The overlay under `scales` that is laid over the file.
        folder: Where study files are.
    """
    path = project.find(folder / f"{name}.yaml")
    nowhere = Places(path, Node({}))
    if not path.is_file():
        place, found = project.find(folder.parent / "config.yaml"), f"'{name}'{project.searched(path)}"
        return Draft(
            nowhere, None, [Fault(f"{place} studies", found, nearest(name, project.names_in(folder)))]
        )
    try:
        tree = yaml.read(path)
    except ConfigurationError as error:
        return Draft(nowhere, None, list(error.faults))
    draft = _at_scale(tree, scale, name, path)
    faults = [*_scale_faults(tree, scale, path), *draft.faults]
    if not faults:
        others = [other for other in SCALES if _words(other)[0] == other != _words(scale)[0]]
        faults = [fault for other in others for fault in _at_scale(tree, other, name, path).faults]
    return replace(draft, faults=list(dict.fromkeys(faults)))


def _scale_faults(tree: Node, scale: str, path: Path) -> list[Fault]:
    """What is wrong with the list of scales itself."""
    scales, places = tree.get("scales") or Node({}, written=("scales",)), Places(path, tree)
    if not scales.is_mapping and scales.content is not None:
        return [Fault(places(("scales",)), repr(scales.plain), f"overlays by name ({', '.join(SCALES)})")]
    content = scales.content or {}
    unknown = [name for name in content if name not in SCALES]
    faults = [Fault(places(("scales", n)), f"unknown scale '{n}'", nearest(n, SCALES)) for n in unknown]
    faults += [
        Fault(places(("scales", name)), repr(node.plain), "options to change, or {} for none")
        for name, node in content.items()
        if not node.is_mapping and node.content is not None
    ]
    if scale not in content and scale not in WHOLE:
        listing = ", ".join(content) or "none"
        expected = f"an overlay of that name ({listing} there), or run with --config scale=full"
        faults.append(Fault(places(("scales",)), f"no '{scale}'", expected))
    if set(WHOLE) <= set(content):
        expected = "one of the two, as both are the file itself"
        faults.append(Fault(places(("scales", "paper")), "'full' and 'paper'", expected))
    if scale == "paper" and not (tree.get("paper") and tree.get("paper").content):
        expected = "the key of its paper, or run with --config scale=full, which is the file itself"
        faults.append(Fault(places(("paper",)), "nothing, at the scale 'paper'", expected))
    return faults


def _words(scale: str) -> Sequence[str]:
    """The words that mean a scale, the first of them the usual one."""
    return WHOLE if scale in WHOLE else (scale,)


def _at_scale(tree: Node, scale: str, name: str, path: Path) -> Draft:
    """Lay a scale over the file and validate what results."""
    merged = _merged(tree, scale)
    places = Places(path, merged)
    faults = _unused(merged, places)
    content = {key: value for key, value in merged.plain.items() if value is not None and key != "defaults"}
    try:
        study = Study.model_validate(content | {"name": name})
    except ValidationError as error:
        return Draft(places, None, faults + describe(error, Study, places, top=TOP_LEVEL))
    study = resolved(study)
    return Draft(places, study, [*faults, *check_study(study, places), *modalities.check(study, places)])


def _unused(merged: Node, places: Places) -> list[Fault]:
    """Options that the file itself may not set, and defaults that are no options."""
    faults = []
    if merged.get("name"):
        faults.append(Fault(places(("name",)), "'name'", "no such option; the file's name is the study's"))
    defaults = merged.get("defaults")
    if defaults and defaults.content is not None and not defaults.is_mapping:
        faults.append(Fault(places(("defaults",)), repr(defaults.plain), "options of a run (key: value)"))
    return faults


def _merged(tree: Node, scale: str) -> Node:
    """Lay the scale over the file and the defaults under every run."""
    base = Node({key: node for key, node in tree.content.items() if key != "scales"}, tree.line)
    overlay = next(filter(None, (tree.get("scales", word) for word in _words(scale))), None)
    content = dict((merge(base, overlay) if overlay and overlay.is_mapping else base).content)
    for section in NAMED_SECTIONS:
        entries = content.get(section)
        if entries and entries.is_mapping:
            kept = {key: node for key, node in entries.content.items() if node.content != OMIT}
            content[section] = replace(entries, content=kept)
    defaults, runs = content.get("defaults"), content.get("runs")
    if runs and runs.is_mapping:
        below = defaults if defaults and defaults.is_mapping else Node({})
        content["runs"] = replace(runs, content={key: _run(below, run) for key, run in runs.content.items()})
    return replace(base, content=content)


def _run(defaults: Node, run: Node) -> Node:
    """A run is the defaults with its own changes; ensembles and classifiers have no network and no loss."""
    if run.content is None:
        run = replace(run, content={})
    given = (run.get(option) for option in NOT_TRAINED)
    if any(option and option.content for option in given):
        kept = {key: node for key, node in defaults.content.items() if key not in OF_NETWORKS}
        defaults = replace(defaults, content=kept)
    merged = merge(defaults, run)
    return replace(merged, line=run.line, written=run.written)
