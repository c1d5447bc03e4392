# SPDX-License-Identifier: MIT
"""The reference of the configuration, made from its models: a page for readers, JSON schemas for editors."""

import ast
import difflib
import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from microtome.config import entries, kinds
from microtome.config.kinds import Kind
from microtome.config.load import OMIT, SCALES, TOP_LEVEL
from microtome.config.study import Entry, Study
from microtome.config.workflow import Workflow
from microtome.registry import entry_file, plugin_names, search_path

COMMAND = "python -m microtome reference"
PAGE = "docs/reference/configuration.md"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
REQUIRED = ("title", "data", "runs")
ENTRIES = {"tables": "table", "figures": "figure"}
SHORT = 40
"""Characters of a default that the page quotes."""
HEADER = "| option | value | default | meaning |\n|---|---|---|---|"
INTRODUCTION = f"""# Configuration

Every option, made from the models in `microtome/config` by `{COMMAND}`; do not edit this page.
An unknown option, a wrong type or a value out of range stops `snakemake -n` with its file and line.

- [What to run](#workflow): `config/config.yaml`, or `snakemake --config option=value`.
- [A study](#study): `config/studies/<study>.yaml`. A run is `defaults` with the run's own changes.
- `scales` holds changes of the file by scale ({", ".join(SCALES)}); the file itself is `full`, or `paper`.
  Mappings merge key by key, lists and values are replaced, and a mapping whose `name` or `kind` changes is
  replaced whole. A key with dots reaches deeper: `network.width: 8`. `{OMIT}` instead of options leaves out a
  run, a table or a figure.
"""
ENTRY_TEXT = {
    "tables": "Tables come out as TSV, Markdown and LaTeX. Options of each kind:",
    "figures": "Figures come out as SVG, PDF and PNG, with their data as TSV. Options of each kind:",
}
PLUGINS = entries.NOUNS | {
    "microtome.metrics.families": "family of metrics",
    "microtome.datasets": "data set",
    "microtome.tables.kinds": "table",
    "microtome.figures.kinds": "figure",
}
"""Registry: what an entry of it is called."""


def outputs() -> dict[str, str]:
    """The generated files: path in the repository to content."""
    files = {PAGE: configuration_page()}
    for name, schema in {"config": config_schema(), "study": study_schema()}.items():
        text = json.dumps(schema, indent=1, ensure_ascii=False)
        files[f"config/schema/{name}.schema.json"] = f"{text}\n"
    return files


def write(root: Path) -> list[Path]:
    """Write the generated files of a repository; those that changed."""
    changed = {root / name: text for name, text in outputs().items() if _written(root / name) != text}
    for path, text in changed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(changed)


def differences(root: Path) -> str:
    """How the files in a repository differ from what the models say, as a diff; empty if they do not."""
    found = []
    for name, text in outputs().items():
        lines = (_written(root / name) or "").splitlines(), text.splitlines()
        found += difflib.unified_diff(*lines, name, f"{name} by the models", n=1, lineterm="")
    return "\n".join(found)


def _written(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def plugin_page() -> str:
    """The options of the plugins in the working directory, as the page has those of the built-in ones."""
    parts: list[str] = []
    for package, noun in PLUGINS.items():
        found = import_module(package)
        found.__path__ = search_path(package, found.__path__)
        for name in plugin_names(package):
            parts += [f"### {noun} {name}", "", *_plugin_part(package, name), ""]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(["## plugins", "", *parts])) if parts else ""


def _plugin_part(package: str, name: str) -> Iterator[str]:
    """What a plugin says of itself, and its options if it has a model of them."""
    if package.startswith("microtome.config."):
        schema = entries.model(package, name).model_json_schema()
        yield from (inspect.cleandoc(schema.get("description", "")), "", *_options(schema))
        return
    yield _summary(ast.parse(entry_file(package, name).read_text(encoding="utf-8")))


def config_schema() -> dict[str, Any]:
    """JSON schema of `config/config.yaml`."""
    return {"$schema": DRAFT, **_partial(Workflow.model_json_schema())}


def study_schema() -> dict[str, Any]:
    """JSON schema of a study file as users write it: defaults, runs that change some of them, scales."""
    schema = _partial(Study.model_json_schema())
    definitions = schema["$defs"]
    for section, noun in ENTRIES.items():
        definitions[noun] = _entry_schema(section, definitions["Entry"])
    del definitions["Entry"]
    properties = {key: value for key, value in schema["properties"].items() if key in TOP_LEVEL}
    text = "options that every run starts from"
    properties["defaults"] = {"anyOf": _references("Run"), "description": text}
    for section, noun in {"runs": "Run", "splits": "Split"}.items() | ENTRIES.items():
        properties[section] = {
            "type": "object",
            "description": schema["properties"][section].get("description", ""),
            "additionalProperties": {"anyOf": [*_references(noun), {"const": OMIT}]},
        }
    definitions["Overlay"] = _section(properties) | {"description": "changes of the file at this scale"}
    scales = {scale: {"anyOf": _references("Overlay")} for scale in SCALES}
    scales_schema = {"type": "object", "properties": scales, "additionalProperties": False}
    top = _section({**properties, "scales": scales_schema})
    return {"$schema": DRAFT, "title": "Study", **top, "required": list(REQUIRED), "$defs": definitions}


def _references(name: str) -> list[dict[str, str]]:
    return [{"$ref": f"#/$defs/{name}"}, {"type": "null"}]


def _section(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Schema of a mapping of options, of which any may be given, also by keys with dots."""
    deeper = "|".join(sorted(properties))
    return {
        "type": "object",
        "properties": dict(properties),
        "patternProperties": {rf"^({deeper})\..+$": {}},
        "additionalProperties": False,
    }


def _partial(schema: Any) -> Any:
    """A schema without what is required, as changes name some options only."""
    if isinstance(schema, list):
        return [_partial(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = schema.keys() - {"required", "discriminator"}
    found = {key: _partial(value) for key, value in schema.items() if key in kept}
    if "oneOf" in found:
        found["anyOf"] = found.pop("oneOf")
    properties = found.get("properties")
    if isinstance(properties, dict) and found.get("type") == "object":
        found |= _section(properties)
    return found


def _entry_schema(section: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Schema of a table or a figure: one alternative for each kind, with the options of the kind."""
    alternatives = []
    for kind in _kinds(section):
        texts = _arguments(kind)
        own = {name: {"description": texts.get(name, "")} for name in kind.own_options}
        name = {"kind": {"const": kind.name, "description": _summary(kind.function)}}
        alternatives.append({"title": kind.name, **_section(entry["properties"] | name | own)})
    return {"anyOf": alternatives}


def _kinds(section: str) -> Iterator[Kind]:
    return (kind for name in kinds.names(section) if (kind := kinds.find(section, name)))


def _summary(documented: ast.FunctionDef | ast.Module) -> str:
    """The first line of what a kind says of itself."""
    return (ast.get_docstring(documented) or "").split("\n", maxsplit=1)[0]


def _arguments(kind: Kind) -> dict[str, str]:
    """The meaning of each option, from the docstring's `Args`."""
    documentation = ast.get_docstring(kind.function) or ""
    listing = re.search(r"\nArgs:\n(.*?)(?:\n\S|\Z)", documentation, re.DOTALL)
    text = listing[1] if listing else ""
    found = re.findall(r"^    (\w+): (.*?)(?=^    \w|\Z)", text, re.DOTALL | re.MULTILINE)
    return {name: " ".join(text.split()).rstrip(".").replace("``", "`") for name, text in found}


def configuration_page() -> str:
    """The page of every option of every section."""
    parts = [INTRODUCTION, *_model_parts("workflow", Workflow, "What to run: `config/config.yaml`."), ""]
    intro = "A study file has these options, and `defaults` and `scales`."
    parts += _model_parts("study", Study, intro, ("name", *ENTRIES))
    for section, noun in ENTRIES.items():
        parts += [f"## {section}", "", *_options(Entry.model_json_schema()), "", ENTRY_TEXT[section], ""]
        for kind in _kinds(section):
            parts += _kind_part(kind, noun)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _model_parts(title: str, model: type[BaseModel], intro: str, leave_out: Sequence[str] = ()) -> list[str]:
    """The sections of a model and of all models below it."""
    schema = model.model_json_schema()
    shown = {key: value for key, value in schema["properties"].items() if key not in leave_out}
    options = _options({**schema, "properties": shown})
    return [f"## {title}", "", intro, "", *options, "", *_sections_below("", shown, schema.get("$defs", {}))]


def _sections_below(
    path: str, properties: Mapping[str, Any], definitions: Mapping[str, Any]
) -> Iterator[str]:
    for name, value in properties.items():
        references = re.findall(r"#/\$defs/(\w+)", json.dumps(value))
        for model in dict.fromkeys(references):
            schema = definitions[model]
            if schema.get("type") != "object":
                continue
            below = schema["properties"]
            choice = next((key for key in ("name", "kind") if len(references) > 1 and key in below), None)
            here = ".".join(filter(None, (path, name))) if name != "runs" else "each run"
            heading = f"{here}, {choice} {below[choice]['const']}" if choice else here
            yield from (f"### {heading}", "", inspect.cleandoc(schema.get("description", "")), "")
            yield from (*_options(schema), "")
            yield from _sections_below("" if name == "runs" else here, below, definitions)


def _options(schema: Mapping[str, Any]) -> Iterator[str]:
    """A table row for each option of a section."""
    yield HEADER
    for name, value in schema["properties"].items():
        default = "**required**" if name in schema.get("required", ()) else _default(value)
        meaning = value.get("description", "")
        yield f"| `{name}` | {_value(value)} | {default} | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _default(value: Mapping[str, Any]) -> str:
    default = value.get("default")
    if isinstance(default, dict) and default and "#/$defs" in json.dumps(value):
        return "see there"
    text = "nothing" if default in ("", [], {}) else json.dumps(default, ensure_ascii=False)
    return f"`{text}`" if text != "nothing" else text


def _value(schema: Mapping[str, Any]) -> str:
    """What may stand there, in words."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " \\| ".join(f"`{choice}`" for choice in schema["enum"])
    if "$ref" in schema:
        return "options"
    if branches := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(map(_value, branches)))
    kind = schema.get("type")
    if kind == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(_value(item) for item in schema['prefixItems'])}]"
        return f"list of {_value(schema.get('items', {}))}"
    if kind == "object":
        return f"name: {_value(schema.get('additionalProperties') or {})}"
    words = {"integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
    return words.get(kind, "text") + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return f" {', '.join(limits)}" if limits else ""


def _written_default(kind: Kind, node: ast.expr) -> str:
    """A default as the code has it; a constant by its value if that is short."""
    is_known = isinstance(node, ast.Name) and node.id in kind.constants
    text = repr(kind.constants[node.id]) if is_known else ast.unparse(node)
    return f"`{text}`" if len(text) <= SHORT and not text.isupper() else "built in"


def _kind_part(kind: Kind, noun: str) -> Iterator[str]:
    """What a kind of table or figure needs, and its options."""
    yield from (f"### {noun} {kind.name}", "", _summary(kind.function), "")
    yield from _needs_part(kind)
    texts = _arguments(kind)
    if not kind.own_options:
        yield from ("No options of its own.", "")
        return
    yield HEADER
    for name in kind.own_options:
        node = kind.defaults[name]
        default = "**required**" if node is None else _written_default(kind, node)
        yield f"| `{name}` | `{_cell(kind.annotations[name])}` | {default} | {_cell(texts.get(name, ''))} |"
    yield ""


def _needs_part(kind: Kind) -> Iterator[str]:
    """A line that says what a kind is made of."""
    found = [("needs", kind.declared("NEEDS"), ""), ("uses", kind.declared("USES"), "")]
    for (option, value), needs in kind.declared("NEEDS_WHEN").items():
        found.append(("needs", needs, f" with `{option}: {value}`" if value else f" without `{option}`"))
    said = "; ".join(f"{verb} {', '.join(sorted(needs))}{when}" for verb, needs, when in found if needs)
    if said:
        yield from (f"{said[0].upper()}{said[1:]}.", "")
