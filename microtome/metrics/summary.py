# SPDX-License-Identifier: MIT
"""Statistics over the tidy metrics of many images: mean, sd and interval of a run, paired tests between runs.

Means and spreads are over images; values of one image under several seeds are averaged first, so that
training twice does not count as twice as many images. Intervals and tests take what a sheet says of whose
images they are: they draw, or exchange, patients. Undefined values (NaN) are left out and counted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from microtome.metrics.paired import EXACT_MAX, exchange_test, seeded_p
from microtome.metrics.resampling import Values, drawn, ends, mean_of, trainings_of

BY = ("run", "part", "class", "metric")
UNIT = ("split", "sample")
SIGN_FLIP, WILCOXON = "sign-flip permutation", "Wilcoxon signed-rank"


@dataclass(frozen=True)
class Summary:
    """Values of a metric over some units; NaN where there are too few, or where it was not asked for.

    Attributes:
        n: Units with a value.
        undefined: Units without (NaN).
        mean: Mean.
        sd: Standard deviation.
        low: Lower end of the bootstrap interval of the mean.
        high: Upper end.
    """

    n: int
    undefined: int = 0
    mean: float = float("nan")
    sd: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def summarize(
    frame: pd.DataFrame,
    *,
    seed: int = 0,
) -> pd.DataFrame:
    """Mean, sample standard deviation and bootstrap interval of the mean by `BY`.

    Args:
        frame: Tidy metrics, one row per image, class and metric (columns of ``metrics.tsv``; `value`, `UNIT`
            and `BY` are used); rows of a group with the same `UNIT` are averaged first.
        seed: Seed of the bootstrap; each group starts from it, so its interval does not depend on the others.

    Returns:
        One row per group, in order of first appearance: `BY`, then ``n`` (images), ``undefined`` (images
        left out), ``mean``, ``sd``, ``low``, ``high``. Where n is 1 the interval and the sd are NaN.

    Raises:
        ValueError: If columns are missing, the frame is empty, or a value is infinite.

    Example:
        >>> names = {"run": "unet", "split": 0, "part": "test", "class": "all", "metric": "dice"}
        >>> frame = pd.DataFrame({**names, "sample": ["a", "b", "c"], "value": [0.8, 0.9, 1.0]})
        >>> summarize(frame)[["n", "mean", "sd"]].round(3).to_dict("records")
        [{'n': 3, 'mean': 0.9, 'sd': 0.1}]
    """
    _validate(frame, {*BY, *UNIT, "value"})
    units = _average(frame, [*BY, *UNIT])
    rows = [
        dict(zip(BY, group, strict=True)) | asdict(statistics(values["value"].to_numpy(float), seed=seed))
        for group, values in units.groupby(list(BY), sort=False, observed=True)
    ]
    return pd.DataFrame(rows)


def compare_all(
    frame: pd.DataFrame,
    metric: str,
    *,
    runs: Sequence[str] | None = None,
    class_name: str = "all",
    part: str | None = None,
    units: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Test whether runs differ on the same images: every pair, with p-values corrected for their number.

    The tests are paired and two-sided, of patients with all of their images. Up to 12 patients: exact
    permutation test of the difference of means over all 2^n sign flips. More: Wilcoxon signed-rank test of
    the mean difference of each, those without difference left out. Where a run has several seeds, p is not
    below that of the bootstrap which draws patients and seeds (`microtome.metrics.paired.seeded_p`).

    Args:
        frame: Tidy metrics with the columns run, split, part, sample, class, metric, value, and seed where
            there are several, which are averaged per image.
        metric: Metric to compare.
        runs: Runs to compare; None = all that have the metric, in order of appearance.
        class_name: Class to compare.
        part: Part of the split, e.g. ``"test"``; None = the only one there is.
        units: Patient (slide, block) by sample; a sample that is not there stands for itself.

    Returns:
        One row per pair: metric, run_a, run_b, n (images), units (patients), undefined (images left out, as a
        value is NaN), mean_a, mean_b, difference (mean of first minus second), test, p_value (with n patients
        an exact test cannot give less than 2 / 2^n), p_holm (see `holm`).

    Raises:
        ValueError: If rows are missing, the part is not clear, the runs were not measured on the same images,
            or there are fewer than two.

    Example:
        >>> values = {"a": [0.9, 0.8, 0.7], "b": [0.8, 0.7, 0.5]}
        >>> rows = [("x", "test", r, s, "all", "dice", v) for r in "ab" for s, v in enumerate(values[r])]
        >>> frame = pd.DataFrame(rows, columns=["split", "part", "run", "sample", "class", "metric", "value"])
        >>> compare_all(frame, "dice")[["difference", "p_value"]].round(3).values.tolist()
        [[0.133, 0.25]]
    """
    rows = _select(frame, metric, class_name, part)
    chosen = list(dict.fromkeys(rows["run"] if runs is None else runs))
    if len(chosen) < 2:
        msg = f"runs {chosen}: a comparison needs two or more runs with metric {metric!r}"
        raise ValueError(msg)
    table = _paired_values(frame, metric, tuple(chosen), class_name, part)
    rows = rows if "seed" in rows else rows.assign(seed=0)
    pairs = combinations(chosen, 2)
    result = pd.DataFrame([_test(table, rows, metric, (a, b), units or {}) for a, b in pairs])
    return result.assign(p_holm=holm(result["p_value"].to_numpy()))


def holm(p_values: npt.ArrayLike) -> Values:
    """Holm's step-down correction: controls the chance of any false finding among all tests.

    Args:
        p_values: p-values of the tests, shape (m,).

    Returns:
        Corrected p-values in the same order, at most 1 (Holm 1979, Scand. J. Statist. 6:65).

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(values[order] * np.arange(values.size, 0, -1))
    return np.minimum(corrected, 1.0)


def _validate(frame: pd.DataFrame, columns: set[str]) -> None:
    missing = sorted(columns - set(frame.columns))
    if missing or frame.empty:
        msg = f"a frame of {len(frame)} rows without {missing}; expected tidy metrics with {sorted(columns)}"
        raise ValueError(msg)
    infinite = np.isinf(frame["value"].to_numpy(float))
    if infinite.any():
        found = f"{infinite.sum()} values are infinite, first: {frame[infinite].iloc[0].to_dict()}"
        msg = f"{found}; measure again"
        raise ValueError(msg)


def _average(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return frame.groupby(keys, sort=False, observed=True, as_index=False)["value"].mean()


def statistics(values: Values, *, ddof: int = 1, seed: int | None = None) -> Summary:
    """Summarize the values (N,) of some units, NaN where one is undefined.

    `ddof` is 1 for the sample standard deviation, 0 for that of the population; without the seed of a
    bootstrap there is no interval. With very few images (three, say) every such interval is too narrow.
    """
    defined = values[~np.isnan(values)]
    nan = float("nan")
    mean = float(defined.mean()) if defined.size else nan
    sd = float(defined.std(ddof=ddof)) if defined.size > ddof else nan
    interval = (nan, nan) if seed is None else _interval(defined, seed)
    return Summary(defined.size, values.size - defined.size, mean, sd, *interval)


def _interval(values: Values, seed: int) -> tuple[float, float]:
    """Percentile bootstrap of the mean."""
    if values.size < 2:
        return float("nan"), float("nan")
    if np.ptp(values) == 0:
        return float(values[0]), float(values[0])
    alone = np.stack([values, np.ones_like(values)], axis=-1)
    return ends(drawn([alone[None]], mean_of, seed=seed))


def _select(frame: pd.DataFrame, metric: str, class_name: str, part: str | None) -> pd.DataFrame:
    _validate(frame, {"run", "split", "part", "sample", "class", "metric", "value"})
    rows = frame[(frame["metric"] == metric) & (frame["class"] == class_name)]
    rows = rows if part is None else rows[rows["part"] == part]
    if rows.empty:
        found = frame[["metric", "class", "part"]].drop_duplicates().head(10).to_dict("records")
        msg = f"no rows with metric {metric!r}, class {class_name!r}, part {part!r}; there are {found}"
        raise ValueError(msg)
    if len(rows["part"].unique()) > 1:
        msg = f"metric {metric!r} has parts {sorted(rows['part'].unique())}; name the part to compare"
        raise ValueError(msg)
    return rows


def _paired_values(
    frame: pd.DataFrame, metric: str, runs: tuple[str, ...], class_name: str, part: str | None
) -> pd.DataFrame:
    """Values with one row per image and one column per run; every run must have every image."""
    rows = _select(frame, metric, class_name, part)
    rows = rows[rows["run"].isin(runs)]
    images = {run: set(map(tuple, rows.loc[rows["run"] == run, list(UNIT)].to_numpy())) for run in runs}
    every = set().union(*images.values())
    lacking = {run: sorted(map(str, every - found)) for run, found in images.items() if found != every}
    if lacking:
        short = {run: f"{len(found)} missing, e.g. {found[:3]}" for run, found in lacking.items()}
        msg = f"runs {runs} are not paired on {metric!r}: {short}; evaluate different runs on the same images"
        raise ValueError(msg)
    return _average(rows, ["run", *UNIT]).set_index([*UNIT, "run"])["value"].unstack("run")  # noqa: PD010


def _test(
    table: pd.DataFrame, rows: pd.DataFrame, metric: str, runs: tuple[str, str], units: Mapping[str, str]
) -> dict[str, object]:
    """The test of two runs, of their values by image (`table`), and by image and seed (`rows`)."""
    pairs = table[list(runs)].dropna()
    if pairs.empty:
        first, second = runs
        msg = f"metric {metric!r} is undefined for {first!r} or {second!r} on each of {len(table)} images"
        raise ValueError(msg)
    groups = {sample: units.get(sample) or sample for _, sample in pairs.index}
    first, second = (_trainings(rows[rows["run"] == run], pairs.index, groups) for run in runs)
    totals = [sum(of_split.mean(axis=0) for of_split in one) for one in (first, second)]
    is_exact = len(totals[0]) <= EXACT_MAX
    p_value = exchange_test(*totals, mean_of) if is_exact else _signed_rank(*totals)
    means = pairs.mean()
    return {
        "metric": metric,
        "run_a": runs[0],
        "run_b": runs[1],
        "n": len(pairs),
        "units": len(totals[0]),
        "undefined": len(table) - len(pairs),
        "mean_a": float(means[runs[0]]),
        "mean_b": float(means[runs[1]]),
        "difference": float((pairs[runs[0]] - pairs[runs[1]]).mean()),
        "test": SIGN_FLIP if is_exact else WILCOXON,
        "p_value": seeded_p(p_value, first, second, mean_of),
    }


def _trainings(rows: pd.DataFrame, images: pd.Index, groups: Mapping[str, str]) -> list[Values]:
    """The trainings of a run on some images, groups in the order of their names."""
    is_paired = pd.MultiIndex.from_frame(rows[list(UNIT)]).isin(images)
    return trainings_of(rows[is_paired], groups, sorted(set(groups.values())))


def _signed_rank(first: Values, second: Values) -> float:
    """Wilcoxon's test of the mean difference of each group."""
    from scipy.stats import wilcoxon  # slow to import, and most tables and figures need none

    differences = mean_of(first) - mean_of(second)
    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0
