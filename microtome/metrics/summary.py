# SPDX-License-Identifier: MIT
"""Statistics over the tidy metrics of many images: mean, sd and interval of a run, paired tests between runs.

The unit of all statistics is the image (`unit`): values of one image under several seeds are averaged first,
so that training twice does not count as twice as many images. Undefined values (NaN) are left out and
counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, product

import numpy as np
import numpy.typing as npt
import pandas as pd

BY = ("run", "part", "class", "metric")
UNIT = ("split", "sample")
CONFIDENCE = 0.95
RESAMPLES = 9999
RESAMPLE_BATCH = 1000
EXACT_MAX = 12
TIE = 1e-12
SIGN_FLIP, WILCOXON = "sign-flip permutation", "Wilcoxon signed-rank"

Values = npt.NDArray[np.float64]


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
) -> pd.DataFrame:
    """Test whether runs differ on the same images: every pair, with p-values corrected for their number.

    The tests are paired and two-sided. Up to 12 images: exact permutation test of the mean difference over
    all 2^n sign flips. More: Wilcoxon signed-rank test, pairs without difference left out.

    Args:
        frame: Tidy metrics with the columns run, split, part, sample, class, metric, value; several seeds of
            a run are averaged per image.
        metric: Metric to compare.
        runs: Runs to compare; None = all that have the metric, in order of appearance.
        class_name: Class to compare.
        part: Part of the split, e.g. ``"test"``; None = the only one there is.

    Returns:
        One row per pair: metric, run_a, run_b, n (images), undefined (images left out, as a value is NaN),
        mean_a, mean_b, difference (mean of first minus second), test, p_value (with n images an exact test
        cannot give less than 2 / 2^n), p_holm (see `holm`).

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
    result = pd.DataFrame([_test(table, metric, a, b) for a, b in combinations(chosen, 2)])
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
    from scipy.stats import bootstrap  # slow to import, and most tables and figures need none

    result = bootstrap(
        (values,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        batch=RESAMPLE_BATCH,
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


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


def _test(table: pd.DataFrame, metric: str, run_a: str, run_b: str) -> dict[str, object]:
    pairs = table[[run_a, run_b]].dropna()
    if pairs.empty:
        msg = f"metric {metric!r} is undefined for {run_a!r} or {run_b!r} on each of {len(table)} images"
        raise ValueError(msg)
    differences = (pairs[run_a] - pairs[run_b]).to_numpy(float)
    exact = len(pairs) <= EXACT_MAX
    return {
        "metric": metric,
        "run_a": run_a,
        "run_b": run_b,
        "n": len(pairs),
        "undefined": len(table) - len(pairs),
        "mean_a": float(pairs[run_a].mean()),
        "mean_b": float(pairs[run_b].mean()),
        "difference": float(differences.mean()),
        "test": SIGN_FLIP if exact else WILCOXON,
        "p_value": _sign_flip(differences) if exact else _signed_rank(differences),
    }


def _sign_flip(differences: Values) -> float:
    signs = np.array(list(product((1.0, -1.0), repeat=differences.size)))
    sums = np.abs(signs @ differences)
    return float(np.mean(sums >= sums[0] - TIE * np.abs(differences).sum()))


def _signed_rank(differences: Values) -> float:
    from scipy.stats import wilcoxon  # see `_interval`

    return float(wilcoxon(differences).pvalue) if differences.any() else 1.0
