# SPDX-License-Identifier: MIT
"""Load and check the configuration: every fault of every file, listed together."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from microtome.config import yaml_lines
from microtome.config.base import ConfigurationError, Fault, nearest
from microtome.config.checks import check_study
from microtome.config.run import Run
from microtome.config.study import Study
from microtome.config.workflow import Workflow
from microtome.config.yaml_lines import Keys, merge

STUDY_FOLDER = Path("config/studies")


def load_workflow(options: Mapping[str, Any], *, file: str = "config/config.yaml") -> Workflow:
    """Check the options of the workflow.

    Args:
        options: The merged content of `file` and the command line.
        file: The file that faults are reported against.

    Returns:
        The checked options.

    Raises:
        ConfigurationError: Any option is unknown or out of range.
    """
    try:
        return Workflow.model_validate(dict(options))
    except ValidationError as error:
        raise ConfigurationError(_faults(error, Workflow, lambda keys: f"{file} {'.'.join(keys)}")) from error


def load_study(name: str, scale: str, *, folder: Path = STUDY_FOLDER) -> Study:
    """Load one study at one scale.

    Args:
        name: The file's name in `folder`, without its ending.
        scale: The overlay under `scales` that is laid over the file.
        folder: Where study files are.

    Returns:
        The study, each run being the defaults with the run's changes.

    Raises:
        ConfigurationError: With all faults of the file.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = nearest(name, (file.stem for file in folder.glob("*.yaml")))
        raise ConfigurationError([Fault("config/config.yaml studies", f"'{name}'", known)])
    raw, lines = yaml_lines.read(path)
    merged, faults = _at_scale(raw, scale, path)
    locate = _locator(path, scale, lines)
    try:
        study = Study.model_validate(merged | {"name": name})
    except ValidationError as error:
        faults += _faults(error, Study, locate)
    else:
        faults += check_study(study, locate)
    if faults:
        raise ConfigurationError(faults)
    return study


def load_studies(names: Iterable[str], scale: str, *, folder: Path = STUDY_FOLDER) -> dict[str, Study]:
    """Load several studies; the faults of all of them are raised together."""
    studies, faults = {}, []
    for name in names:
        try:
            studies[name] = load_study(name, scale, folder=folder)
        except ConfigurationError as error:
            faults += error.faults
    if faults:
        raise ConfigurationError(faults)
    return studies


def _at_scale(raw: dict[str, Any], scale: str, path: Path) -> tuple[dict[str, Any], list[Fault]]:
    """Lay the scale over the file and the defaults under every run."""
    scales = raw.get("scales") or {}
    content = {key: value for key, value in raw.items() if key != "scales"}
    faults = []
    if scale not in scales and scale != "paper":
        faults.append(
            Fault(
                f"{path} scales",
                f"no '{scale}'",
                f"an overlay of that name ({', '.join(scales) or 'none'} there)",
            )
        )
    content = merge(content, scales.get(scale) or {})
    defaults = content.pop("defaults", None) or {}
    runs = content.get("runs")
    if isinstance(runs, dict):
        content["runs"] = {name: _run(defaults, run) for name, run in runs.items() if run != "omit"}
    return content, faults


def _run(defaults: dict[str, Any], run: Any) -> Any:
    """A run is the defaults with its own changes; an ensemble has no network and no loss."""
    if isinstance(run, dict) and run.get("members"):
        defaults = {key: value for key, value in defaults.items() if key not in ("network", "loss")}
    return merge(defaults, run or {})


def _locator(path: Path, scale: str, lines: dict[Keys, int]) -> Any:
    """Return a function that names the file and line where a merged option really stands."""

    def locate(keys: Keys) -> str:
        candidates = [("scales", scale, *keys), keys]
        if keys[:1] == ("runs",) and len(keys) > 2:
            candidates += [("scales", scale, "defaults", *keys[2:]), ("defaults", *keys[2:])]
        for length in range(len(keys), 0, -1):
            for candidate in candidates:
                short = candidate[: len(candidate) - (len(keys) - length)]
                if short in lines and short not in (
                    ("scales", scale),
                    ("defaults",),
                    ("scales", scale, "defaults"),
                ):
                    return f"{path}:{lines[short]} {'.'.join(keys)}"
        return f"{path} {'.'.join(keys)}"

    return locate


def _faults(error: ValidationError, model: type[BaseModel], locate: Any) -> list[Fault]:
    """Turn pydantic's errors into faults a reader can act on."""
    faults: dict[str, Fault] = {}
    for detail in error.errors():
        keys = tuple(str(key) for key in detail["loc"])
        keys = tuple(key for key in keys if not _is_tag(key, keys, detail))
        where = locate(keys)
        if detail["type"] == "extra_forbidden":
            fault = Fault(
                where, f"unknown option '{keys[-1]}'", nearest(keys[-1], _known(model, keys[:-1], error))
            )
        elif detail["type"] == "missing":
            fault = Fault(where, "nothing", "a value; this option is required")
        else:
            fault = Fault(where, repr(detail.get("input")), detail["msg"].removeprefix("Input should be "))
        faults.setdefault(f"{where}{fault.found}", fault)
    return list(faults.values())


def _is_tag(key: str, keys: Keys, detail: Any) -> bool:
    """Whether a key of pydantic's location is the tag of a discriminated union, not a key of the file."""
    return (
        key in _tags() and keys.index(key) > 0 and keys[keys.index(key) - 1] in ("network", "loss", "sampler")
    )


def _tags() -> dict[str, type[BaseModel]]:
    """The discriminated models by tag."""
    tags = {}
    for field in ("network", "loss", "sampler"):
        for model in _models(Run.model_fields[field].annotation):
            tag = model.model_fields.get("name") or model.model_fields["kind"]
            tags[str(tag.default)] = model
    return tags


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The models in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _known(model: type[BaseModel], keys: Keys, error: ValidationError) -> list[str]:
    """The options known at a place of the configuration."""
    current = [model]
    for key in keys:
        step = [m.model_fields[key].annotation for m in current if key in m.model_fields]
        current = [found for annotation in step for found in _models(annotation)] or current
    return sorted({field for found in current for field in found.model_fields})
