# SPDX-License-Identifier: MIT
"""Trace a table or a figure: from its files to runs, weights, training data, code and environment.

Every digest that was recorded when it was made (`record`, and the run cards) is compared with what lies on
disk now. Nothing is computed again: whether the workflow would make it anew, `snakemake -n` says.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from microtome.files import sha256_of_file
from microtome.provenance import code as provenance
from microtome.provenance.cards import CARD_NAME, CLASSIFIER, ENSEMBLE, WEIGHTS_NAME, read_card
from microtome.provenance.record import of_folder, relative

State = Literal["", "unchanged", "changed", "missing"]
KEYS = ("files", "config", "code", "runs", "inputs", "environment")
SHOWN = 12
"""Characters of a digest that are printed."""
TRAINING, FITTING = "scripts/train.py", "scripts/fit_classifier.py"
WORDS = {"changed": "CHANGED SINCE", "missing": "MISSING"}


@dataclass(frozen=True)
class Step:
    """One line of a trace: what was recorded, and how it compares with what is on disk (empty: only told)."""

    depth: int
    name: str
    text: str = ""
    state: State = ""


@dataclass(frozen=True)
class Trace:
    """Where a table or a figure comes from: what is known, from its file down to the environment."""

    path: Path
    steps: tuple[Step, ...]

    @property
    def differences(self) -> tuple[Step, ...]:
        """What is not as it was when the table or figure was made."""
        return tuple(step for step in self.steps if step.state in ("changed", "missing"))


def trace(path: str | Path) -> Trace:
    """Trace a table or a figure, and check every recorded digest against the files on disk.

    Args:
        path: One of its files (``.tsv``, ``.svg``, …, or the sidecar).

    Returns:
        The chain, and what has changed since.

    Raises:
        FileNotFoundError: There is no sidecar beside it.
        ValueError: The sidecar cannot be read, or does not tell where the files come from.
    """
    path = Path(path)
    sidecar = path.with_suffix(".json")
    content = read(sidecar)
    record, home = content["provenance"], sidecar.parent
    try:
        told = frozenset(_place(home, run["folder"]) for run in record["runs"])
        runs = _Runs(home, told, record["environment"]["versions"])
        steps = (
            Step(0, str(content.get("title") or sidecar.stem)),
            *(_file(1, name, home / name, digest) for name, digest in record["files"].items()),
            _code(record["code"]),
            Step(0, "options", f"digest {record['config']}"),
            *_environment(record["environment"]),
            *(step for run in record["runs"] for step in runs.of(run)),
            *(_input(item, home) for item in record["inputs"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"{sidecar}: its provenance is not complete ({error!r}); run its rule again"
        raise ValueError(msg) from error
    return Trace(path, steps)


def read(sidecar: Path) -> dict[str, Any]:
    """Read the sidecar of a table or a figure, whose ``provenance`` tells where its files come from.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not JSON, or holds no provenance.
    """
    if not sidecar.is_file():
        msg = f"{sidecar} does not exist; name a file of a table or a figure, as results/demo/…/tables/….tsv"
        raise FileNotFoundError(msg)
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{sidecar} is not JSON ({error}); run its rule again"
        raise ValueError(msg) from error
    found = content.get("provenance") if isinstance(content, dict) else None
    if isinstance(content, dict) and content.get("failed"):
        msg = f"{sidecar.with_suffix('')} could not be made ({content['failed'].get('message')})"
        raise ValueError(msg)
    missing = [key for key in KEYS if not isinstance(found, dict) or key not in found]
    if missing:
        msg = f"{sidecar} lacks {missing} in 'provenance'; no sidecar of a table or figure, or an old one"
        raise ValueError(msg)
    return content


def describe(found: Trace) -> str:
    """A trace as text, one line a step, and a last line that sums it up.

    Example:
        >>> print(describe(Trace(Path("t.tsv"), (Step(0, "t.tsv", "sha256 e3b0c44298fc", "changed"),))))
        t.tsv: sha256 e3b0c44298fc, CHANGED SINCE
        <BLANKLINE>
        1 of 1 digests are not those of the making: t.tsv
    """
    lines = [_line(step) for step in found.steps]
    checked = sum(1 for step in found.steps if step.state)
    counts = Counter(step.name for step in found.differences)
    differing = ", ".join(f"{name} ({count} times)" if count > 1 else name for name, count in counts.items())
    end = (
        f"{len(found.differences)} of {checked} digests are not those of the making: {differing}"
        if differing
        else f"all {checked} digests are those of the making of {found.path}"
    )
    return "\n".join([*lines, "", end])


def _line(step: Step) -> str:
    about = ", ".join(filter(None, (step.text, WORDS.get(step.state, step.state))))
    return "  " * step.depth + (f"{step.name}: {about}" if about else step.name)


def _code(code: Mapping[str, Any], depth: int = 0, name: str = "code") -> Step:
    """The code behind a rule, as it was and as it is in this repository."""
    modules = ", ".join(code["modules"])
    text = f"{code['script']}{f' with {modules}' if modules else ''}, digest {code['digest']}"
    now = None
    with suppress(ModuleNotFoundError):
        if (provenance.ROOT / code["script"]).is_file():
            now = provenance.code_digest(code["script"], tuple(code["modules"]))
    return Step(depth, name, text, _state(code["digest"], now) if code["digest"] else "")


def _environment(found: Mapping[str, Any], depth: int = 0, known: object = None) -> Iterator[Step]:
    """What it was computed with; told, not compared. Versions that are `known` are not told again."""
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    yield Step(depth, "versions", "as above" if found["versions"] == known else versions)
    if "platform" in found:
        yield Step(depth, "platform", ", ".join(filter(None, found["platform"].values())))
    git = found["git_commit"]
    if git:
        yield Step(depth, "git commit", git["commit"] + (" with changes" if git["dirty"] else ""))


@dataclass(frozen=True)
class _Runs:
    """The runs of a record, and the members of ensembles among them that are not told as runs."""

    home: Path
    told: frozenset[Path]
    versions: object

    def of(self, run: Mapping[str, Any]) -> Iterator[Step]:
        """A run: its record, its weights, and what they were trained on and with."""
        folder = _place(self.home, run["folder"])
        yield Step(0, f"run {run['run']} (split {run['split']}, seed {run['seed']})")
        for name, digest in run["files"].items():
            yield _file(1, f"{run['folder']}/{name}", folder / name, digest)
        if not (folder / CARD_NAME).is_file():
            return
        try:
            card = read_card(folder / CARD_NAME)
            of_kind = self._members if card["network"]["name"] == ENSEMBLE else self._training
            yield from tuple(of_kind(card, folder))
        except (KeyError, TypeError, ValueError):
            why = f"unknown, as {CARD_NAME} is not a card of this version"
            yield Step(1, f"{run['folder']}/{WEIGHTS_NAME}", why, "missing")

    def _weights(self, folder: Path, digest: str) -> Step:
        weights = folder / WEIGHTS_NAME
        return _file(1, relative(weights, self.home.absolute()), weights, digest)

    def _members(self, card: Mapping[str, Any], folder: Path) -> Iterator[Step]:
        """The weights that an ensemble's maps come from, in the folders of its members."""
        for one, digest in zip(card["network"]["trained"], card["digests"]["members"], strict=True):
            member = folder.parent.parent / one["run"] / f"seed-{one['seed']}"
            yield self._weights(member, digest)
            if member not in self.told and (member / CARD_NAME).is_file():
                yield from self._training(read_card(member / CARD_NAME), member)

    def _training(self, card: Mapping[str, Any], folder: Path) -> Iterator[Step]:
        """Weights, and their training as the card tells it."""
        told = card["digests"]
        if card.get("weights_of"):
            yield Step(1, "weights of", card["weights_of"])
        yield self._weights(folder, told["weights"])
        samples = ", ".join(f"{count} {part}" for part, count in card["samples"].items())
        yield Step(1, "training data", f"{card['data_source']}, {samples}, digest {told['data']}")
        yield Step(1, "training options", f"digest {told['config']}")
        yield _code({**_method(card), "digest": told["code"]}, 1, "training code")
        yield Step(1, "trained", f"{card['started']} to {card['finished']} on {card['device']}")
        yield from _environment(card, 1, self.versions)


def _method(card: Mapping[str, Any]) -> dict[str, Any]:
    """The script that trained or fitted a run, and the modules that it took by name."""
    if CLASSIFIER in card:
        return {"script": FITTING, "modules": [f"microtome.classifiers.{card[CLASSIFIER]}"]}
    names = {"networks": card["network"]["name"], "losses": card["loss"]["name"]}
    return {"script": TRAINING, "modules": [f"microtome.{room}.{name}" for room, name in names.items()]}


def _input(item: Mapping[str, Any], home: Path) -> Step:
    """A file or a folder that was read."""
    path = _place(home, item["path"])
    if "files" not in item:
        return _file(0, item["path"], path, item["sha256"])
    text = f"{item['files']} files, {item['bytes']} bytes, sha256 {item['sha256'][:SHOWN]}"
    now = of_folder(path)["sha256"] if path.is_dir() else None
    return Step(0, item["path"], text, _state(item["sha256"], now))


def _file(depth: int, name: str, path: Path, digest: str) -> Step:
    """A file and the start of its SHA-256, or all of it."""
    now = sha256_of_file(path)[: len(digest)] if path.is_file() else None
    return Step(depth, name, f"sha256 {digest[:SHOWN]}", _state(digest, now))


def _state(told: str, now: str | None) -> State:
    """How a digest that was recorded compares with the one of now, None if it is gone."""
    if now is None:
        return "missing"
    return "unchanged" if told and now == told else "changed"


def _place(home: Path, name: str) -> Path:
    """A recorded path from here; ``..`` is taken by name, as it was when it was recorded."""
    return Path(os.path.normpath(home.absolute() / name))
