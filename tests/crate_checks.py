# SPDX-License-Identifier: MIT
"""What a valid crate is, by the rocrate library and by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from rocrate.rocrate import ROCrate

OUTSIDE = ("https://w3id.org/ro/crate/",)
"""Identifiers that are the specification's."""


def check_crate(folder: Path) -> dict[str, dict[str, Any]]:
    """Check a crate on disk; returns its entities by identifier."""
    crate = ROCrate(folder)
    assert crate.mainEntity.id == "workflow/Snakefile"
    missing = [entity.id for entity in crate.data_entities if not (folder / unquote(entity.id)).exists()]
    assert missing == []
    entities = check_graph(json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8")))
    files = {name: entity for name, entity in entities.items() if "File" in entity["@type"]}
    assert {entity.id for entity in crate.data_entities} >= set(files)
    assert {name: (folder / unquote(name)).stat().st_size for name in files} == {
        name: int(entity["contentSize"]) for name, entity in files.items()
    }
    return entities


def check_graph(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Check a crate as it is written; returns its entities by identifier."""
    graph = content["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    dangling = {name for name in references(graph) if name not in entities and not name.startswith(OUTSIDE)}
    assert dangling == set()
    root = entities["./"]
    for key in ("name", "description", "datePublished", "license", "hasPart", "mentions", "mainEntity"):
        assert root[key], key
    return entities


def references(value: Any) -> Iterator[str]:
    """Every identifier that is referred to, below the entities themselves."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict) and set(value) == {"@id"}:
        yield value["@id"]
    elif isinstance(value, dict):
        for item in value.values():
            yield from references(item)
