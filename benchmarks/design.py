# SPDX-License-Identifier: MIT
"""The targets of the design (its section 9), row by row: what is reached, and what stands in the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.harness import Case, Comparison, Measured, ratio, unmeasurable

MASTER = "machine"
Found = Mapping[str, tuple[Case, Mapping[str, Measured]]]
"""Name of a case to it and to what was measured."""


@dataclass(frozen=True)
class Row:
    """One target.

    Attributes:
        what: Of what.
        case: The benchmark that measures it.
        label: Its comparison there, or how several begin, of which the worst counts.
        target: Least ratio of the peer over ours.
        metric: Of the comparison.
        says: The target in words.
    """

    what: str
    case: str
    label: str
    target: float
    says: str
    metric: str = "seconds"


ROWS = (
    Row("SPCN, fit and transform, 1000² to 4000²", "stain", "SPCN fit and transform", 5, "≥ 5×"),
    Row("error of its stain vectors", "stain", "SPCN fit and transform", 0.95, "no larger", "error"),
    Row("lasso codes at K = 2", "stain", "lasso codes of 1 Mpx", 50, "≥ 50×"),
    Row("likewise: KKT residual", "stain", "lasso codes: optimal", 1, "≤ 1e-6", "error"),
    Row("AJI, AJI+, PQ, 1000², 700 nuclei", "instances", "AJI", 200, "≥ 200×"),
    Row("likewise: equal", "instances", "AJI: equal", 1, "to 1e-9", "error"),
    Row("likewise: 5000², 15,000 nuclei", "instances", "5000²", 1, "< 2 GB", "peak_mb"),
    Row("overlap-tile stitching alone, stride 32", "stitching", "overhead over the network, wall", 2, "≥ 2×"),
    Row("likewise: twice the height", "stitching", "twice the height", 1 / 1.1, "same memory", "peak_mb"),
    Row(
        "U-Net prediction on a CPU",
        "unet_prediction",
        "batch normalisation folded, channels last, ReLU",
        1.7,
        "≥ 1.7×",
    ),
    Row("likewise: bf16, where the CPU has it", "unet_prediction", "the same in bf16", 5, "5×"),
    Row("likewise: pixels that change class", "unet_prediction", "bf16: pixels", 1, "≤ 0.1 %", "error"),
    Row("whole-slide windows, tiled JPEG, exact", "slide_reading", "SVS, exact", 15, "≥ 15×, pixels to ±1"),
    Row("likewise: half-size decoding", "slide_reading", "SVS, tiles decoded at half", 15, "≥ 15×"),
    Row("likewise: through OpenSlide", "slide_reading", "SCN, through OpenSlide", 2.5, "≥ 2.5×"),
    Row("calibration of a cube, disk to disk", "cubes", "calibration, references as frames", 10, "≥ 10×"),
    Row("likewise: references as lines", "cubes", "calibration, references as lines", 10, "≥ 10×"),
    Row("likewise: of a plain copy", "cubes", "calibration, frames, over a plain", 0.8, "≥ 0.8"),
    Row("likewise: lines, of a plain copy", "cubes", "calibration, lines, over a plain", 0.8, "≥ 0.8"),
    Row("likewise: memory", "cubes", "calibration, frames, four bands", 1, "≤ 4 bands", "peak_mb"),
    Row("likewise: lines, memory", "cubes", "calibration, lines, four bands", 1, "≤ 4 bands", "peak_mb"),
    Row("PCA of that cube", "cubes", "first component from disk", 10, "≥ 10×"),
    Row("likewise: the same component", "cubes", "first component: 1 - |cos|", 1, "to 1e-9", "error"),
    Row("mutual information of 60 bands", "cubes", "mutual information, over", 10, "≥ 10×"),
    Row("likewise: equal", "cubes", "mutual information: equal", 1, "to 1e-9", "error"),
    Row("Ciresan dense evaluation, 512²", "dense_ciresan", "dense evaluation", 200, "≥ 200×"),
    Row("likewise: exact", "dense_ciresan", "dense evaluation: exact", 1, "to 1e-5", "error"),
    Row("dry run of ≥ 10,000 jobs", "dag", "10,089 jobs", 1, "≤ 20 s"),
    Row("likewise: five folds", "dag", "11,491 jobs", 1, "≤ 20 s"),
    Row("GPU prediction", "gpu_prediction", "throughput of the bare forward", 0.85, "≥ 85 % of bare passes"),
)


def comparisons_of(row: Row, case: Case) -> list[Comparison]:
    """The comparisons of a case that a row is about."""
    found = [one for one in case.comparisons if one.metric == row.metric]
    exact = [one for one in found if one.label == row.label]
    return exact or [one for one in found if one.label.startswith(row.label)]


def table(found: Found) -> str:
    """Every row whose case was measured, beside its target; those missed with what stands in the way."""
    lines = [
        "### Targets of the design",
        "",
        "| what | reached | target | met | why not |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        if row.case in found:
            case, measured = found[row.case]
            lines.append(_line(row, case, measured, rates(found)))
    return "\n".join(lines)


def rates(found: Found) -> Mapping[str, float]:
    """Bytes and operations per second of this machine at best; nothing where they were not measured."""
    if MASTER not in found:
        return {}
    measured = found[MASTER][1]
    amounts = {"copy": machine.MOVED, "product": machine.FLOP}
    return {name: amount / measured[name].median("seconds") for name, amount in amounts.items()}


def _line(row: Row, case: Case, measured: Mapping[str, Measured], best: Mapping[str, float]) -> str:
    """One row: the worst of its comparisons that could be made."""
    values = [(ratio(one, measured), one) for one in comparisons_of(row, case)]
    known = [(value, one) for value, one in values if value is not None]
    if not known:
        why = next(filter(None, (unmeasurable(one, measured) for _, one in values)))
        return f"| {row.what} | – | {row.says} | not run | {why.removeprefix('skipped: ')} |"
    value, one = min(known, key=lambda pair: pair[0])
    is_met = value >= row.target
    why = "" if is_met else reason(case, one.ours, measured[one.ours], best)
    return f"| {row.what} | {value:.3g}× | {row.says} | {'yes' if is_met else '**no**'} | {why} |"


def reason(case: Case, variant: str, measured: Measured, best: Mapping[str, float]) -> str:
    """What a variant must move or compute takes so much of its time at the machine's rates; or its CPU time.

    Example:
        >>> case = Case("c", "", {}, [], moved={"ours": 4e9})
        >>> runs = Measured("ours", ({"seconds": 2.0},))
        >>> reason(case, "ours", runs, {"copy": 4e9, "product": 1e11})
        '4 GB moved; at the 4 GB/s of a copy 1 s of 2 s'
    """
    seconds = measured.median("seconds")
    parts = []
    for amounts, unit, rate, how in (
        (case.moved, "GB moved", "copy", "GB/s of a copy"),
        (case.flop, "GFLOP", "product", "GFLOP/s of a matrix product"),
    ):
        if variant in amounts and rate in best:
            amount = amounts[variant]
            least = amount / best[rate]
            speed = f"{best[rate] / 1e9:.3g} {how}"
            parts.append(f"{amount / 1e9:.3g} {unit}; at the {speed} {least:.2g} s of {seconds:.2g} s")
    if parts:
        return ". ".join(parts)
    computing = measured.median("cpu_seconds")
    return f"{seconds:.3g} s, {computing:.3g} s of a processor; no bytes or operations of it are counted"


def missing(cases: Sequence[Case]) -> list[str]:
    """Rows whose comparison no case has."""
    named = {case.name: case for case in cases}
    return [row.what for row in ROWS if row.case not in named or not comparisons_of(row, named[row.case])]
