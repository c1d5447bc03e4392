# SPDX-License-Identifier: MIT
"""Pack a trained run: weights, cards, stain target and metrics in one archive, for use elsewhere."""

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from microtome.config.expected import Expected
from microtome.files import finished_file, sha256_of_bytes
from microtome.metrics.summary import summarize
from microtome.provenance import tsv
from microtome.provenance.archives import FORMAT, MODEL
from microtome.provenance.cards import (
    CARD_NAME,
    HISTORY_NAME,
    TRAINED_KEYS,
    WEIGHTS_NAME,
    read_card,
    read_json,
)
from microtome.provenance.section_calls import SELECTION_NAME
from microtome.stages.stain_targets import name_of_stain

MEMBER_FILES = (WEIGHTS_NAME, CARD_NAME, "calibration.json", SELECTION_NAME, HISTORY_NAME)
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every member, so that equal content gives equal bytes."""


def export_run(
    options: Mapping[str, Any],
    *,
    members: Sequence[Path],
    stains: Sequence[Path],
    metrics: Sequence[Path],
    archive: Path,
    bands: Sequence[Path] = (),
    tuned: Sequence[Path] = (),
) -> None:
    """Write a ZIP archive with everything that applying the run needs, and a README that says what it is.

    Args:
        options: The rule's options (see `workflow.states`).
        members: Folders of the trained runs: one, or those of an ensemble.
        stains: Stain targets that the runs use.
        bands: The table of the bands that they see, if they see any.
        tuned: The options of segmentation that were tuned, if some were.
        metrics: Metrics of the run, or of the folds that tell of one which learnt from every sample; summed
            up in the README.
        archive: Written whole or not at all.

    Raises:
        ValueError: A card is damaged, or of no trained run.
    """
    content = {
        f"{folder}/{name}": (member / name).read_bytes()
        for folder, member in _folders(members).items()
        for name in MEMBER_FILES
        if (member / name).is_file()
    }
    content |= {f"stains/{name_of_stain(path)}/target.json": path.read_bytes() for path in stains}
    content |= {path.name: path.read_bytes() for path in (*bands, *tuned)}
    content["run.json"] = json.dumps(options["runs"], indent=2, sort_keys=True).encode()
    content["metrics.tsv"] = _joined(metrics)
    cards = [read_card(member / CARD_NAME, keys=TRAINED_KEYS) for member in members]
    measured, values = tsv.parse(content["metrics.tsv"].decode()), [read_json(path) for path in tuned]
    content["README.md"] = _readme(options, cards, summarize(measured), values).encode()
    content[MODEL] = _model(options, cards, content)
    with finished_file(archive) as partial, zipfile.ZipFile(partial, "w") as packed:
        for name, data in sorted(content.items()):
            packed.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)


def _joined(metrics: Sequence[Path]) -> bytes:
    """Tables of metrics as one; a single one as it is."""
    if len(metrics) == 1:
        return metrics[0].read_bytes()
    every = pd.concat([tsv.read(path, names=None) for path in metrics], ignore_index=True)
    return every.to_csv(sep="\t", index=False).encode()


def _model(
    options: Mapping[str, Any], cards: Sequence[Mapping[str, Any]], content: Mapping[str, bytes]
) -> bytes:
    """What `provenance.archives` reads: which run of which study this is, and the digest of every file."""
    first = cards[0]
    expected = {key: first[key] for key in Expected.model_fields if key in first}
    missing = {"classes", "channels", "data_kind"} - set(expected)
    if missing:
        msg = (
            f"the card of run '{first['run']}' does not say its {', '.join(sorted(missing))}; train it again"
        )
        raise ValueError(msg)
    model = {
        "format": FORMAT,
        **{key: options[key] for key in ("run", "split", "seed", "plugins", "study", "rendered")},
        "scale": first["scale"],
        "version": f"Microtome, commit {_commit(first)}",
        "expected": expected,
        "files": {name: sha256_of_bytes(data) for name, data in sorted(content.items())},
    }
    return (json.dumps(model, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _commit(card: Mapping[str, Any]) -> str:
    """The commit that a run was trained with, and whether there were changes.

    Example:
        >>> _commit({"git_commit": {"commit": "0a1b", "dirty": True}}), _commit({"git_commit": None})
        ('0a1b with changes', 'unknown')
    """
    git = card.get("git_commit")
    return git["commit"] + (" with changes" if git["dirty"] else "") if git else "unknown"


def _folders(members: Sequence[Path]) -> dict[str, Path]:
    """Folder of the archive to the trained run it holds: its name, and its seed where it has several."""
    names = [member.parent.name for member in members]
    return {
        name if names.count(name) == 1 else f"{name}/{member.name}": member
        for name, member in zip(names, members, strict=True)
    }


def _readme(
    options: Mapping[str, Any],
    cards: Sequence[Mapping[str, Any]],
    summary: pd.DataFrame,
    tuned: Sequence[Mapping[str, Any]],
) -> str:
    """What a stranger must know of the model."""
    dataset = options["dataset"]
    lines = [
        f"# {options['label']} ({cards[0]['study']}, {cards[0]['scale']} scale)",
        "",
        *(["The mean of the maps of these runs:", ""] if len(cards) > 1 else []),
        *(_described(card) for card in cards),
        *(_tuned(one) for one in tuned),
        "",
        *([f"Data: {dataset['citation']} Licence: {dataset['licence']}.", ""] if dataset else []),
        "Made with Microtome. `run.json` holds the options, each `card.json` the record of a training; the",
        "weights are safetensors (no pickle). `snakemake --config model=FILE.zip images=DIR -- apply` uses",
        "it in any project, `evaluate_folder` measures it on images with labels.",
        *_needed_plugins(options["plugins"]),
        "",
        *_measured(options.get("measured_on", ())),
        "",
        "| part | class | metric | mean | sd | images |",
        "|---|---|---|---|---|---|",
        *(_row(row) for row in summary.to_dict("records")),
    ]
    return "\n".join(lines) + "\n"


def _measured(splits: Sequence[str]) -> list[str]:
    """What the metrics are of, where not of this training: nothing was kept apart from it."""
    title = "## Metrics on images that were not trained on"
    of = "of trainings with the same options on parts of these images, each on images that it did not see"
    return [title, *(["", f"They are {of}: {', '.join(splits)}."] if splits else [])]


def _needed_plugins(names: Sequence[str]) -> list[str]:
    return [
        "",
        f"**It needs these plugins of its project, which are not in here: {', '.join(names)}.**",
    ] * bool(names)


def _described(card: Mapping[str, Any]) -> str:
    """A trained network in one line."""
    network = {"options": {}, "parameters": 0, "weights": "unknown"} | card["network"]
    chosen = ", ".join(f"{name} {value}" for name, value in network["options"].items() if value is not None)
    return (
        f"- `{card['run']}`: network `{network['name']}` ({chosen}), {network['parameters']:,} parameters, "
        f"start: {network['weights']}; trained on {card['samples'].get('train', 0)} images "
        f"({card['data_source']} data), "
        f"{card['epochs_run']} epochs, best epoch {card['best_epoch']}, seed {card['seed']}."
    )


def _tuned(found: Mapping[str, Any]) -> str:
    """The options that were chosen, and on what.

    Example:
        >>> _tuned({"values": {"threshold": 0.7}, "metric": "dice", "class": "cell", "samples": ["a"]})
        '- segmentation: threshold 0.7, chosen by dice of cell on 1 images that were not trained on.'
    """
    values = ", ".join(f"{name} {value}" for name, value in found["values"].items())
    of = f" of {found['class']}" if found["class"] else ""
    by = f"{found['metric']}{of} on {len(found['samples'])} images"
    return f"- segmentation: {values}, chosen by {by} that were not trained on."


def _row(row: Mapping[Any, Any]) -> str:
    """A metric as a row of the table; what has no value (one image has no sd) is a dash."""
    mean, sd = ("–" if pd.isna(row[key]) else f"{row[key]:.4f}" for key in ("mean", "sd"))
    return f"| {row['part']} | {row['class']} | {row['metric']} | {mean} | {sd} | {row['n']} |"
