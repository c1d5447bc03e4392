# SPDX-License-Identifier: MIT
"""Run cards (`card.json`): what a reader must know of a trained run, checked whoever wrote them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

WEIGHTS_NAME = "model.safetensors"
HISTORY_NAME = "history.tsv"
METRICS_NAME = "metrics.tsv"
CARD_NAME = "card.json"
TUNED_NAME = "tuned.json"
"""The options of segmentation that were chosen on held-out images."""
KEPT_NAME = "kept.json"
"""The epochs that a training keeps, beside their weights (`kept_weights`)."""
CARD_KEYS = ("study", "run", "split", "seed", "scale", "data_source", "network", "seconds")
TRAINED_KEYS = (*CARD_KEYS, "samples", "epochs_run", "best_epoch")
"""Keys of a run that was trained, not made of others."""
DataSource = Literal["phantom", "public", "own"]
DATA_SOURCES = get_args(DataSource)
ENSEMBLE = "ensemble"
CLASSIFIER = "classifier"
"""Key of a card that names the pixel classifier in the place of a network."""
LARGEST_FILE = 8 * 2**20
"""Bytes; a card has some 5 kB."""
DEEPEST = 40
MOST_DIGITS = 18
"""Of a whole number, so that it fits 64 bits."""
LISTED = 4
"""Faults of a card that a message lists."""
Name = Annotated[str, Field(min_length=1, max_length=200)]
Seconds = Annotated[float, Field(ge=0, le=1e12)]


class _Part(BaseModel):
    """A part of a card: types are those of JSON, keys that are not known are left alone."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Network(_Part):
    name: Name
    options: dict[str, Any] = {}
    parameters: NonNegativeInt = 0
    weights: str = ""


class _Seconds(_Part):
    __pydantic_extra__: dict[str, Seconds]
    train: Seconds
    validate_: Annotated[float, Field(ge=0, le=1e12, alias="validate")]


class _Loss(_Part):
    name: Name = "?"


class _Card(_Part):
    study: Name
    run: Name
    split: Name
    seed: NonNegativeInt
    scale: Name
    data_source: DataSource
    network: _Network
    seconds: _Seconds
    loss: _Loss | None = None
    samples: dict[str, NonNegativeInt] = {}
    digests: dict[str, Any] = {}
    epochs_run: NonNegativeInt | None = None
    best_epoch: NonNegativeInt | None = None


def has_history(card: Mapping[str, Any]) -> bool:
    """Whether a run was trained epoch by epoch: ensembles and pixel classifiers have no `HISTORY_NAME`.

    Example:
        >>> has_history({"network": {"name": "unet"}}), has_history({"network": {"name": "ensemble"}})
        (True, False)
    """
    return card["network"].get("name") != ENSEMBLE and CLASSIFIER not in card


def kept_weights(epoch: int) -> str:
    """The file of the weights of an epoch that a training keeps.

    Example:
        >>> kept_weights(7)
        '0007.safetensors'
    """
    return f"{epoch:04d}.safetensors"


def read_card(path: str | Path, *, keys: Iterable[str] = CARD_KEYS) -> dict[str, Any]:
    """Read and check a run card.

    Args:
        path: Path of ``card.json``.
        keys: Keys that it must have.

    Returns:
        The card: the keys that are known have the types of their use, others are as they stand.

    Raises:
        FileNotFoundError: The file is missing.
        ValueError: It is not JSON, lacks a key, names an unknown data source, or a value has the wrong type.

    Example:
        >>> import json, tempfile
        >>> card = dict(study="s", run="r", split="main", seed=0, scale="demo", data_source="phantom")
        >>> seconds, file = {"train": 1.5, "validate": 0.5}, Path(tempfile.mkdtemp()) / "card.json"
        >>> _ = file.write_text(json.dumps(card | {"network": {"name": "unet"}, "seconds": seconds}))
        >>> read_card(file)["network"]
        {'name': 'unet'}
    """
    path, keys = Path(path), list(keys)
    if not path.is_file():
        msg = f"{path} does not exist; a run folder holds {CARD_NAME}, {HISTORY_NAME} and {METRICS_NAME}"
        raise FileNotFoundError(msg)
    try:
        card = read_json(path)
    except ValueError as error:
        msg = f"{error}; train the run again"
        raise ValueError(msg) from error
    _refuse(
        not isinstance(card, dict),
        f"{path} holds a {type(card).__name__}; a run card is an object with {list(CARD_KEYS)}",
    )
    missing = [key for key in keys if key not in card]
    _refuse(bool(missing), f"{path} lacks {missing}; a run card holds {keys}")
    source = card["data_source"]
    found = f"{path}: data_source is {str(source)[:40]!r}, expected one of {list(DATA_SOURCES)}"
    _refuse(source not in DATA_SOURCES, found)
    try:
        _Card.model_validate(card)
    except ValidationError as error:
        details = error.errors()[:LISTED]
        found = "; ".join(f"{'.'.join(map(str, detail['loc']))[:80]}: {detail['msg']}" for detail in details)
        msg = f"{path} is no run card ({found}); train the run again"
        raise ValueError(msg) from error
    return card


def read_json(path: Path) -> Any:
    """Read JSON that anyone may have written; see `docs/security.md`.

    pydantic reads JSON too, but takes the last of two equal keys and numbers of any length.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is too large, is no JSON, has a key twice, a number of too many digits, a text that
            UTF-8 cannot hold, or values nested too deep; names the file.
    """
    size = path.stat().st_size
    _refuse(size > LARGEST_FILE, f"{path} has {size} bytes, expected at most {LARGEST_FILE}")
    return parse_json(path.read_bytes(), path)


def parse_json(content: bytes, path: str | Path) -> Any:
    """Read JSON from bytes, see `read_json`; `path` is where they come from, for messages.

    Raises:
        ValueError: As `read_json`.
    """
    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=_object, parse_int=_whole)
        _refuse(_is_deeper(found, DEEPEST), f"values nested more than {DEEPEST} deep")
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not JSON that this program reads ({error})"
        raise ValueError(msg) from error
    return found


def _refuse(is_wrong: bool, message: str) -> None:
    if is_wrong:
        raise ValueError(message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    _refuse(len(found) < len(pairs), "a key stands there more than once")
    return found


def _whole(digits: str) -> int:
    count = len(digits.lstrip("-"))
    _refuse(count > MOST_DIGITS, f"a whole number of {count} digits")
    return int(digits)


def _is_deeper(value: Any, levels: int) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return parts is not None and (levels == 0 or any(_is_deeper(part, levels - 1) for part in parts))
