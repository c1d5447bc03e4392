# SPDX-License-Identifier: MIT
"""What a training leaves: weights, history and card; or the epochs that a later rule chooses from.

These are the folder `kept` with the weights of each epoch, `kept.json` and `card.json`, in place of
`model.safetensors` and `card.json`, in a run whose `training.select.keep` is a number.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file

from microtome import networks
from microtome.devices import number_format
from microtome.files import (
    DIGEST,
    digest_of_options,
    finished_file,
    finished_folder,
    sha256_of_file,
    write_json,
)
from microtome.provenance import environment
from microtome.provenance.cards import (
    CARD_NAME,
    HISTORY_NAME,
    KEPT_NAME,
    TRAINED_KEYS,
    WEIGHTS_NAME,
    kept_weights,
    read_card,
    read_json,
)
from microtome.training.checkpoint import write_tensors
from microtome.training.kept import KeptWeights
from microtome.training.loop import Fit
from microtome.training.selection import LOSS, Criterion
from microtome.training.trainer import Trainer

Options = Mapping[str, Any]
IDENTITY = ("study", "run", "split", "seed", "scale", "data_source", "stain")
LEARNT = ("training", "sampler", "augment", "input", "window")
SAID = ("study", "run", "split", "seed", "network", "digests")
"""Of the card, what files of weights say of themselves."""
KEPT_FOLDER = "kept"


def card_of(result: Fit, trainer: Trainer, options: Options, weights: str) -> dict[str, Any]:
    """What a reader must know of a trained run.

    Args:
        result: What training made.
        trainer: How it was trained.
        options: The rule's options, the loss with its class weights in numbers.
        weights: What the network started from.
    """
    network = dict(options["network"])
    best, column = result.history[result.best_epoch - 1], trainer.criterion.column
    return {
        **{key: options[key] for key in (*IDENTITY, "view") if key in options},
        "outputs": [] if options["activation"] == "softmax" else options["outputs"],
        "activation": options["activation"],
        "network": {
            "name": network.pop("name"),
            "options": network,
            "parameters": networks.parameter_count(trainer.model),
            "weights": weights,
            **networks.told(options["network"], result.weights),
        },
        "loss": options["loss"],
        "training": {key: options[key] for key in (*LEARNT, "supervision", "learn") if key in options},
        "samples": {part: len(names) for part, names in options["parts"].items()},
        "epochs_run": len(result.history),
        "best_epoch": result.best_epoch,
        **{f"best_{name}": _known(best[name]) for name in dict.fromkeys(("val_loss", column))},
        "seconds": {
            "train": sum(row["train_seconds"] for row in result.history),
            "validate": sum(row["val_seconds"] for row in result.history),
        },
        "device": str(trainer.device),
        "precision": number_format(trainer.device, trainer.precision),
        "deterministic": trainer.is_repeatable,
        **_averaging(result, trainer),
        "started": result.started,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumed": result.resumed,
        "git_commit": environment.git_state(),
        "versions": environment.versions(),
    }


def _known(value: float) -> float | None:
    """A value of validation; None where nothing was validated."""
    return None if math.isnan(value) else value


def _averaging(result: Fit, trainer: Trainer) -> dict[str, Any]:
    """How the weights were averaged over the steps; nothing if they were not."""
    if not trainer.criterion.averages:
        return {}
    decay, steps = trainer.settings.ema, result.averaged_steps
    return {"averaged": {"decay": decay, "steps": steps, "batch_norm_statistics": "averaged"}}


def write_run(
    result: Fit, folder: Path, card: dict[str, Any], criterion: Criterion, source: KeptWeights
) -> None:
    """Write what training made, the card last.

    Args:
        result: Weights of the best epoch, and the history.
        folder: Of the run.
        card: What is said of it; its digests get that of the weights.
        criterion: Which epochs are kept, if several are.
        source: Their weights, as training left them.

    Raises:
        OSError: The disk is full or cannot be written.
    """
    text = json.dumps({key: card[key] for key in SAID})
    if criterion.keep:
        _write_history(result, folder)
        column, history = criterion.column, result.history
        kept = [history[epoch - 1] for epoch in criterion.kept(history)]
        values = [{"epoch": int(row["epoch"]), "metric": row[column], LOSS: row[LOSS]} for row in kept]
        _write_kept(folder / KEPT_FOLDER, source, values, card, text)
        return
    weights = folder / WEIGHTS_NAME
    tensors = {name: value.contiguous() for name, value in result.weights.items()}
    write_tensors(weights, tensors, text)
    _write_history(result, folder)
    digest = sha256_of_file(weights)[:DIGEST]
    write_json(folder / CARD_NAME, card | {"digests": card["digests"] | {"weights": digest}})


def is_done(folder: Path, digests: Mapping[str, str]) -> bool:
    """Whether the run stands there already, whole.

    Snakemake deletes it before the job, so only a process that a killed workflow left running can have
    written it, while this one waited for it to end.
    """
    if not (folder / HISTORY_NAME).is_file():
        return False
    kept = folder / KEPT_FOLDER
    card = folder / CARD_NAME if (folder / WEIGHTS_NAME).is_file() else kept / CARD_NAME
    try:
        found = read_card(card, keys=(*TRAINED_KEYS, "digests"))["digests"]
        weights = _digest_of(kept) if card.parent == kept else sha256_of_file(folder / WEIGHTS_NAME)[:DIGEST]
    except (ValueError, OSError):
        return False
    return found == {**digests, "weights": weights}


def _write_history(result: Fit, folder: Path) -> None:
    history = pd.DataFrame(result.history)
    history["seconds"] = history["train_seconds"] + history["val_seconds"]
    with finished_file(folder / HISTORY_NAME) as partial:
        history.to_csv(partial, sep="\t", index=False)


def _write_kept(
    folder: Path, source: KeptWeights, values: Sequence[Mapping[str, float]], card: Options, text: str
) -> None:
    """Write the folder of the kept epochs, best first, whole or not at all."""
    network = {"name": card["network"]["name"], **card["network"]["options"]}
    entries = []
    with finished_folder(folder) as partial:
        for value in values:
            tensors = load_file(source.path(value["epoch"]))
            write_tensors(partial / kept_weights(value["epoch"]), tensors, text)
            entries.append({**value, "told": networks.told(network, tensors)})
        write_json(partial / KEPT_NAME, entries)
        digests = card["digests"] | {"weights": _digest_of(partial)}
        write_json(partial / CARD_NAME, {**card, "digests": digests})


def _digest_of(kept: Path) -> str:
    """One digest of the weights that `kept.json` lists."""
    names = sorted(kept_weights(entry["epoch"]) for entry in read_json(kept / KEPT_NAME))
    return digest_of_options({name: sha256_of_file(kept / name)[:DIGEST] for name in names})
