# SPDX-License-Identifier: MIT
"""A study: what the data are, which runs are trained, which tables and figures come out."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    WithJsonSchema,
    field_validator,
)

from microtome.config import modalities
from microtome.config.entries import union
from microtome.config.phantoms import Part
from microtome.config.phantoms.em import EMPhantomData
from microtome.config.report import Report
from microtome.config.run import Run
from microtome.config.section import Probability, Section, assume, option, refuse
from microtome.files import unfit_for_files
from microtome.registry import entry_names

Phantom = Annotated[
    union("microtome.config.phantoms", "kind", needs=("CHANNELS", "OBJECTS")), assume("kind", "em")
]


def _numbered(value: Any) -> Any:
    """A list of class names has their places as values."""
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return value
    if len(set(value)) < len(value):
        refuse("each class once")
    return {name: number for number, name in enumerate(value)}


def _color(value: Any) -> str:
    """A colour as `#rrggbb`."""
    if not isinstance(value, str) or not COLOR.fullmatch(value):
        refuse('a colour in quotes, such as "#ff0000" (without quotes, YAML takes it for a comment)')
    return value.lower()


COLOR = re.compile(r"#[0-9a-fA-F]{6}")
Color = Annotated[
    str, BeforeValidator(_color), WithJsonSchema({"type": "string", "pattern": f"^{COLOR.pattern}$"})
]
CLASSES_SCHEMA = {
    "anyOf": [
        {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
    ]
}
Classes = Annotated[dict[str, NonNegativeInt], BeforeValidator(_numbered), WithJsonSchema(CLASSES_SCHEMA)]


class Data(Section):
    """Where images and labels come from."""

    source: Literal["phantom", "files", "public"] = option(
        ..., "phantom: simulated; files: your own; public: fetched and verified"
    )
    samples: PurePosixPath | None = option(None, "sample sheet (TSV); not used by a phantom")
    root: str | None = option(None, "files: folder that the sheet's paths start from; null: the sheet's")
    allow_outside: bool = option(
        False, "files: whether paths of the sheet may be absolute or lead out of `root` by `..`"
    )
    origin: Literal["own", "public"] = option(
        "own", "files: `public` if they are a public data set; then published values may stand beside"
    )
    dataset: str | None = option(
        None,
        "public: entry of config/datasets.yaml; files that are such a data set (`origin: public`): which one "
        "it is, for the references",
    )
    citation: str = option("", "files: whom to cite for the data, as the report shows it")
    licence: str = option("", "files: terms of use of the data, likewise")
    group_by: Literal["patient", "block", "volume", "sample"] = option(
        "patient", "column whose value never sits in two parts of a split"
    )
    channels: PositiveInt = option(1, "channels of every image")
    dtype: Literal["uint8", "uint16", "float32"] | None = option(
        None,
        "type that every image is given, where that is exact (16 bits that are 257 times 8, numbers from 0 "
        "to 1); others are refused by name. null: the files' own, which must be one",
    )
    mpp: PositiveFloat | None = option(
        None,
        "micrometres per pixel of images of which the sheet does not say it (of scans: nor the file, "
        "either); null: what the files say",
    )
    mpp_from: Literal["sheet", "file"] | None = option(
        None,
        "which is right where the pixel sizes of sheet (or `mpp`) and file are more than 5 % apart; null: "
        "that is a fault",
    )
    downsample: Annotated[int, Field(ge=1, le=64)] = option(
        1,
        "side of the squares of pixels that become one: the mean of an image's, the one in the middle of a "
        "label's. Pixel sizes in µm grow with it; sizes in pixels (windows, strides) are of what remains",
    )
    classes: Classes = option(
        ...,
        "class name: its value in label images, in class order; names in a list have 0, 1, 2, …",
    )
    ignore: tuple[NonNegativeInt, ...] = option((), "label values that mean 'not labelled'")
    colors: dict[str, Color] = option(
        {},
        'labels drawn in colours: class name: its colour, "#rrggbb"; empty: labels hold values',
    )
    ignore_colors: tuple[Color, ...] = option((), "colours that mean 'not labelled'")
    phantom: Phantom = option(EMPhantomData(), "what is simulated; without `kind`, em")
    batch_size: PositiveInt = option(8, "samples per job, before and after training")

    @field_validator("samples", "root")
    @classmethod
    def _can_be_a_file(cls, value: PurePosixPath | str | None) -> PurePosixPath | str | None:
        """A path that a file can have."""
        unfit = unfit_for_files(str(value)) if value else ""
        if unfit:
            refuse(f"the path of a file, not {unfit}")
        return value


class Split(Section):
    """How samples are divided into train, val and test."""

    kind: Literal["column", "random", "folds", "all", "none"] = option(
        "column",
        "column: the sheet says it; all: every labelled sample is learnt from and nothing is measured, for a "
        "model that goes elsewhere; none: nothing is trained, all samples are looked at",
    )
    column: str = option("part", "column: the column of the sheet that holds train, val and test")
    sizes: dict[Part, PositiveInt] = option({}, "random: number of groups of each part")
    group_by: Literal["patient", "block", "volume", "sample"] | None = option(
        None, "what is drawn; null: data.group_by. `sample` reproduces a published frame permutation"
    )
    k: Annotated[int, Field(gt=0, le=100)] = option(5, "folds: their number")
    stratify: bool | Literal["pixels"] = option(
        True,
        "folds: what they are balanced by. true: the sheet's `group` column; pixels: the labelled pixels of "
        "each class, which its columns `pixels_<class>` hold (`python -m microtome count`)",
    )
    validation: Annotated[float, Field(gt=0, lt=1)] = option(0.125, "folds: share of the training groups")
    seed: NonNegativeInt = option(0, "fixes the draw; not used by `column`")


MAIN = "main"
"""The name of a split that is the only one of its study."""
ALL = "all"
"""The kind of a split that keeps nothing apart."""


class Patches(Section):
    """The windows of an image that training sees."""

    size: PositiveInt = option(512, "side of a window, pixels")
    stride: PositiveInt = option(512, "pixels from one window to the next, at most `size`")
    labelled: Probability = option(0.0, "least share of a window's pixels that have a label")


FAMILIES = "microtome.metrics.families"
Family = Annotated[str, WithJsonSchema({"type": "string", "enum": list(entry_names(FAMILIES))})]
"""A family of metrics; `checks` looks it up."""


class Evaluate(Section):
    """What is measured on each image."""

    metrics: tuple[Family, ...] = option(("overlap",), "families of metrics")
    parts: tuple[Part, ...] = option(("test",), "parts of the split that are measured")
    thresholds: tuple[Probability, ...] = option(
        tuple(round(0.1 * i, 1) for i in range(11)), "probabilities at which boundary metrics are taken"
    )
    betas: tuple[PositiveFloat, ...] = option(
        (),
        "F-beta scores of each class, such as [1, 1.5] for `f1` and `f1.5`; above 1 sensitivity counts more",
    )
    mean_classes: tuple[str, ...] = option(
        (), "classes that macro means (`mean_dice`, `mean_iou`, …) are over; empty: all, background included"
    )
    tolerance: PositiveFloat = option(
        2.0, "pixels within which a boundary counts as found, of the metrics `surface`"
    )
    rank_by: str = option("", "metric that sorts the images in the report; empty: the first")
    losses: tuple[str, ...] = option((), "losses evaluated on every run's prediction")


class Entry(Section):
    """A table or a figure: its kind, its text, what it is made of, and the options of the kind."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str = option(..., "what is made; the kinds are listed below")
    title: str = option("", "heading in the report")
    runs: tuple[str, ...] | Literal["all"] = option((), "runs it is made of, in order; `all`, or none")
    split: str = option(
        "", "the one of `splits` whose records it shows; to be named where its runs are trained on several"
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options that belong to the kind."""
        return dict(self.model_extra or {})


class External(Section):
    """Segmentations that another tool made of the evaluated images."""

    label: str = option("", "name in tables and figures; empty: its key")
    predictions: str = option(
        ..., "folder with a file named as each evaluated image: a label image, GeoJSON, Aperio or ASAP XML"
    )


class _Study(Section):
    """What every study has, whatever its modalities."""

    name: str = option(..., "the file's name; no option of the file")
    paper: str | None = option(
        None, "key of the paper that the study follows, in config/published.yaml; null: it follows none"
    )
    title: str = option(..., "heading in the report")
    data: Data = option(..., "where images and labels come from")
    split: Split = option(Split(), "how samples are divided")
    splits: dict[str, Split] = option(
        {},
        "several ways to divide them, by name, in the place of `split`; a run is trained on those that its "
        "`splits` name",
    )
    patches: Patches = option(Patches(), "the windows that training sees")
    runs: dict[str, Run] = option(
        {},
        "run name: what it changes of `defaults`; at a scale, `omit` leaves a run out. No runs: "
        "the study only looks at its data (split.kind none)",
    )
    external: dict[str, External] = option(
        {}, "segmentations of other tools, which stand beside runs in tables of metrics and tests"
    )
    evaluate: Evaluate = option(Evaluate(), "what is measured")
    tables: dict[str, Entry] = option({}, "table name: its kind and options")
    figures: dict[str, Entry] = option({}, "figure name: its kind and options")
    report: Report = option(Report(), "what the overview of the report shows")

    @property
    def named_splits(self) -> dict[str, Split]:
        """How samples are divided, by name; `split` alone is called `main`."""
        return dict(self.splits) or {MAIN: self.split}

    def splits_of(self, run: str) -> tuple[str, ...]:
        """The names of the splits that a run is trained on, in the order of the study.

        Where it names none, that is all; of an ensemble those that its members share, of borrowed weights
        those of the run that was trained.
        """
        chosen = self.runs[run]
        lenders = [name for name in (*chosen.members, chosen.weights_of) if name in self.runs]
        able = [set(self.runs[name].splits or self.named_splits) for name in lenders]
        wanted = set(chosen.splits) or set.intersection(set(self.named_splits), *able)
        return tuple(name for name in self.named_splits if name in wanted)

    def parts_needed_by(self, split: str) -> tuple[str, ...]:
        """Parts of one of the splits that may not be empty."""
        if self.named_splits[split].kind == ALL:
            return ("train",)
        trained = [run for name, run in self.runs.items() if split in self.splits_of(name)]
        validates = "val" in self.evaluate.parts or any(run.needs_validation for run in trained)
        return ("train", "val", "test") if validates else ("train", "test")

    @property
    def needed_parts(self) -> tuple[str, ...]:
        """Parts that may not be empty in some split."""
        needed = {part for split in self.named_splits for part in self.parts_needed_by(split)}
        return tuple(part for part in ("train", "val", "test") if part in needed)


class Study(*modalities.options("StudyOptions"), _Study):
    """One study file, at one scale, with the defaults merged into every run."""
