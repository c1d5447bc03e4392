# SPDX-License-Identifier: MIT
"""Lists of windows by the share of a class or region in them, and what is drawn of them in an epoch.

So are windows of rare classes drawn more often than others (Table 2 of the paper on basal cell carcinoma).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.config.sampling import Lists, WindowList
from microtome.training.patches import FRACTION

AUTO = "auto"


@dataclass(frozen=True, eq=False)
class WindowLists:
    """Lists of windows, which may share some.

    Attributes:
        members: List name to the places of its windows in the index, (n,) int64, ascending.
        drawn: List name to the number of windows that an epoch draws with replacement; None: each once.

    Example:
        >>> index = pd.DataFrame({"fraction_T": [0.0, 0.2, 0.0]})
        >>> rare = {"fraction": "T", "at_least": 0.1, "draw": 4}
        >>> options = Lists(lists={"t": rare, "rest": {"fraction": "T", "below": 0.1}})
        >>> lists = WindowLists.collect(index, options)
        >>> lists.sizes, lists.per_epoch, sorted(lists.draw(np.random.default_rng(0)).tolist())
        ({'t': 1, 'rest': 2}, {'t': 4, 'rest': 2}, [0, 1, 1, 1, 1, 2])
    """

    members: Mapping[str, NDArray[np.int64]]
    drawn: Mapping[str, int | None]

    @classmethod
    def collect(cls, index: pd.DataFrame, options: Lists) -> Self:
        """List the windows of a patch index.

        Args:
            index: A row for each window, with the columns `fraction_<class>` and `fraction_<region>`.
            options: The lists.

        Raises:
            ValueError: The index lacks a fraction, or a list from which windows are drawn is empty.
        """
        bounds = {name: bounds_of(one, options) for name, one in options.lists.items()}
        members = {name: _between(index, one.fraction, *bounds[name]) for name, one in options.lists.items()}
        for name, one in options.lists.items():
            if one.draw and not members[name].size:
                raise ValueError(_empty(name, one.fraction, bounds[name], index))
        factor = factor_of(options, len(index))
        drawn = {name: one.draw and max(1, round(one.draw * factor)) for name, one in options.lists.items()}
        return cls(members, drawn)

    @property
    def sizes(self) -> dict[str, int]:
        """The windows of each list."""
        return {name: len(places) for name, places in self.members.items()}

    @property
    def per_epoch(self) -> dict[str, int]:
        """The windows that an epoch draws from each list."""
        return {name: self.drawn[name] or size for name, size in self.sizes.items()}

    def __len__(self) -> int:
        """The windows of an epoch."""
        return sum(self.per_epoch.values())

    def draw(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """The windows of an epoch in random order."""
        parts = [
            places if self.drawn[name] is None else generator.choice(places, self.drawn[name], replace=True)
            for name, places in self.members.items()
        ]
        return generator.permutation(np.concatenate(parts))

    def expected(self, windows: int) -> NDArray[np.float64]:
        """How often each of so many windows of the index is drawn in an epoch on average, (windows,)."""
        times = np.zeros(windows)
        for name, places in self.members.items():
            times[places] += self.per_epoch[name] / max(len(places), 1)
        return times


def factor_of(options: Lists, windows: int) -> float:
    """What every `draw` is multiplied by, where there are so many windows.

    Example:
        >>> some = {"t": {"fraction": "T", "draw": 30_000}}
        >>> factor_of(Lists(lists=some, scale="auto", of=185_308), 46_327)
        0.25
    """
    return windows / options.of if options.scale == AUTO else options.scale


def bounds_of(chosen: WindowList, options: Lists) -> tuple[float, float]:
    """Smallest share, and the share that none reaches; without overlap, not that of a list above."""
    others = [one.at_least for one in options.lists.values() if one.fraction == chosen.fraction]
    above = [least for least in others if least > chosen.at_least and not options.overlap]
    limit = np.inf if chosen.below is None else chosen.below
    return chosen.at_least, min([limit, *above])


def _between(index: pd.DataFrame, fraction: str, least: float, limit: float) -> NDArray[np.int64]:
    column = f"{FRACTION}{fraction}"
    if column not in index:
        known = _named(index.columns)
        msg = f"sampler.lists ask for the share of '{fraction}', which the patch index lacks; it has {known}"
        raise ValueError(msg)
    shares = index[column].to_numpy()
    return np.flatnonzero((shares >= least) & (shares < limit))


def _empty(name: str, fraction: str, bounds: tuple[float, float], index: pd.DataFrame) -> str:
    """Say that a list holds nothing, what its windows show at most, and what others show."""
    columns = [column for column in index if column.startswith(FRACTION)]
    shown = [column for column in columns if index[column].max() > 0]
    most = index[f"{FRACTION}{fraction}"].max()
    wanted = f"a share of {fraction} of at least {bounds[0]:g}" + (
        f" and below {bounds[1]:g}" if np.isfinite(bounds[1]) else ""
    )
    found = f"sampler.lists.{name}: none of {len(index)} windows has {wanted} (the largest is {most:.2g})"
    remedy = "annotate some, or leave the list out"
    return f"{found}; the windows of training show {_named(shown) or 'nothing'}: {remedy}"


def _named(columns: Sequence[str]) -> str:
    return ", ".join(column.removeprefix(FRACTION) for column in columns if column.startswith(FRACTION))
