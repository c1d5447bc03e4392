# SPDX-License-Identifier: MIT
"""What is kept of probability maps: which channels, under which names, and in which type."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from microtome.config.prediction import Predict, Store
from microtome.devices import release_memory
from microtome.io.tiff_stream import PyramidWriter
from microtome.io.tiff_writer import PYRAMID_FROM
from microtome.io.views import WHITE

Options = Mapping[str, Any]
Sink = Callable[[int, NDArray[np.float32]], None]
"""Takes a row and the probabilities (K, rows, width) from it on."""
MASK = "mask"
"""The output that is the probability of the positive class, whose name it then has."""
TILE = 256
"""Side of the tiles of a map, pixels."""
RELEASED = 128
"""Rows of a map after which freed memory is given back."""


def channel_names(count: int, options: Options) -> list[str] | None:
    """What the channels of a map are called: classes, or the outputs of the network; None if not told."""
    classes, outputs = list(options.get("classes", ())), list(options.get("outputs", ()))
    if outputs != [MASK] and len(outputs) == count:
        return [name.replace("_", " ") for name in outputs]
    if count == 1 and len(classes) > 1:
        return [classes[1]]
    return classes if len(classes) == count else None


def kept_channels(store: Store, names: Sequence[str]) -> list[int]:
    """Places of the classes that are kept among the channels of a map.

    Raises:
        ValueError: A class has no map.

    Example:
        >>> kept_channels(Store(classes=("tumor",)), ["normal", "tumor"])
        [1]
    """
    missing = [name for name in store.classes if name not in names]
    if missing:
        msg = f"predict.store.classes names {', '.join(missing)}; the maps are of {', '.join(names)}"
        raise ValueError(msg)
    return [names.index(name) for name in store.classes or names]


def as_bytes(maps: NDArray[np.float32], *, exclusive: bool) -> NDArray[np.uint8]:
    """Probabilities as bytes: 255 p, rounded to even.

    Args:
        maps: (K, H, W), 0 to 1.
        exclusive: Whether they are of classes that sum to 1. Where rounding makes the most probable class
            equal to another, it is one above then, so that the arg max of the bytes is that of the maps; the
            first of classes that are equally probable counts as the most probable.

    Returns:
        (K, H, W).

    Example:
        >>> as_bytes(np.float32([[[0.4]], [[0.401]], [[0.199]]]), exclusive=True).ravel().tolist()
        [102, 103, 51]
    """
    found = np.rint(maps * np.float32(WHITE)).astype(np.uint8)
    if not exclusive or len(maps) == 1:
        return found
    winner = maps.argmax(0)[None]
    highest = np.take_along_axis(found, winner, 0)
    tied = (found == highest).sum(0, keepdims=True) > 1  # so below 128: two such classes sum to 1 at most
    np.put_along_axis(found, winner, highest + tied, 0)
    return found


def as_stored(
    maps: NDArray[np.float32], store: Store, kept: Sequence[int], *, exclusive: bool
) -> NDArray[np.float32] | NDArray[np.uint8]:
    """The channels that are kept of maps (K, H, W), in the type that is kept."""
    found = as_bytes(maps, exclusive=exclusive) if store.dtype == "uint8" else maps
    return found if list(kept) == list(range(len(maps))) else found[list(kept)]


@contextmanager
def map_file(path: Path, size: tuple[int, int], options: Options, *, mpp: float | None) -> Iterator[Sink]:
    """Write a map band by band: an OME-TIFF, with a pyramid if a side has 4096 pixels or more.

    The file is there when the block ends, and not at all if an error ends it.

    Args:
        path: The file.
        size: Rows and columns of the map.
        options: Of the rule: `predict`, with what is stored, `activation`, `classes`, `outputs`.
        mpp: Pixel size, µm.
    """
    store = Predict.model_validate(options["predict"]).store
    exclusive = options["activation"] == "softmax"
    with ExitStack() as stack:
        opened: list[PyramidWriter] = []

        def put(y: int, band: NDArray[np.float32]) -> None:
            names = channel_names(len(band), options)
            kept = kept_channels(store, names) if names else list(range(len(band)))
            stored = as_stored(band, store, kept, exclusive=exclusive)
            if not opened:  # the first band tells how many classes there are
                named = {"channels": names and [names[index] for index in kept], "mpp": mpp}
                layout = {"tile": TILE, "pyramid_from": PYRAMID_FROM}
                writer = PyramidWriter(path, (len(stored), *size), store.dtype, **named, **layout)
                opened.append(stack.enter_context(writer))
            opened[0].write(y, stored)
            if y // RELEASED != (y + band.shape[1]) // RELEASED:
                release_memory()

        yield put
