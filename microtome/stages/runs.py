# SPDX-License-Identifier: MIT
"""Runs that are not trained: with the weights of another run, or the mean of several."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from microtome.files import finished_file, finished_folder, write_json
from microtome.inference.ensemble import Activation, mean_probability, measure
from microtome.io import images, views
from microtome.provenance import environment
from microtome.provenance.cards import CARD_NAME, HISTORY_NAME, WEIGHTS_NAME, read_card

COPIED = (WEIGHTS_NAME, HISTORY_NAME)
DOUBTS = ("predictive entropy", "mutual information")
IDENTITY = ("study", "run", "split", "seed", "scale", "data_source")


def borrow_weights(options: Mapping[str, Any], source: Path, folder: Path) -> None:
    """Copy weights and history from a trained run's folder, and write a card that says whose they are.

    Raises:
        ValueError: The card is damaged.
    """
    for name in COPIED:
        with finished_file(folder / name) as partial:
            shutil.copyfile(source / name, partial)
    card = read_card(source / CARD_NAME)
    own = {key: options[key] for key in ("run", "split", "seed", "view", "weights_of")}
    write_json(folder / CARD_NAME, card | own)


def average_batch(members: Sequence[Path], folder: Path) -> None:
    """Write the means of the probability maps that several runs (`members`) made of one batch."""
    with finished_folder(folder) as partial:
        for path in views.samples(members[0]).values():
            maps = [views.read_map(views.find_sample([member], path.stem)) for member in members]
            names, mpp = images.channel_names(path) or None, images.header(path).mpp
            images.write(partial / path.name, mean_probability(maps), mpp=mpp, channels=names)


def write_uncertainty(members: Sequence[Path], folder: Path, *, activation: Activation = "sigmoid") -> None:
    """Write where several runs, or several seeds of one, doubt.

    Args:
        members: The same batch folder of each run or seed, of maps (K, H, W).
        folder: Gets a float32 image for each sample: predictive entropy, then mutual information, nat (see
            `inference.ensemble`). (2, H, W) for softmax maps and a single sigmoid output; of K sigmoid
            outputs the K entropies, then the K mutual informations.
        activation: Of the networks behind the maps, `sigmoid` or `softmax`.

    Raises:
        FileNotFoundError: A member lacks a sample.
        ValueError: Maps of different shapes, or that do not fit the activation; names the sample.
    """
    with finished_folder(folder) as partial:
        for path in views.samples(members[0]).values():
            places = [views.find_sample([member], path.stem) for member in members]
            maps = [_distributions(place, activation) for place in places]
            try:
                found = measure(maps, activation=activation)
            except ValueError as error:
                msg = f"sample '{path.stem}': {error}"
                raise ValueError(msg) from error
            channels = np.concatenate([found.entropy, found.mutual_information])
            named = images.channel_names(path) if len(found.entropy) > 1 else ("",)
            names = [f"{what} {of}".strip() for what in DOUBTS for of in named] or None
            images.write(partial / path.name, channels, mpp=images.header(path).mpp, channels=names)


def _distributions(path: Path, activation: Activation) -> np.ndarray:
    """A map (K, H, W); classes that are kept as bytes sum to 1 again, from which rounding takes them."""
    maps = views.read_map(path)
    is_rounded = activation == "softmax" and images.header(path).dtype == "uint8"
    return maps / maps.sum(0) if is_rounded else maps


def write_card(options: Mapping[str, Any], cards: Sequence[Path], path: Path) -> None:
    """Write the card of an ensemble: its members (their `cards`) and the sums of their parameters and times.

    Raises:
        ValueError: A card is damaged.
    """
    found = [read_card(card) for card in cards]
    seconds = {part: sum(card["seconds"].get(part, 0.0) for card in found) for part in ("train", "validate")}
    parameters = sum(card["network"].get("parameters", 0) for card in found)
    content = {key: options[key] for key in IDENTITY} | {
        "activation": options.get("activation", "sigmoid"),
        "outputs": found[0].get("outputs", []),
        "network": {
            "name": "ensemble",
            "members": list(options["members"]),
            "trained": [{"run": card["run"], "seed": card["seed"]} for card in found],
            "options": {},
            "parameters": parameters,
        },
        "seconds": seconds,
        "digests": {"members": [card.get("digests", {}).get("weights", "") for card in found]},
        "git_commit": environment.git_state(),
        "versions": environment.versions(),
    }
    write_json(path, content)
