# SPDX-License-Identifier: MIT
"""A draft as text: the study file, the sample sheets, and what is said of it."""

import os
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from microtome.study.survey.content import content
from microtome.study.survey.division import Division
from microtome.study.survey.draft import Draft
from microtome.study.survey.open_questions import Question
from microtome.study.survey.pictures import Picture

TEMPLATE = "study.yaml.j2"
WIDTH = 120
NAMED = 3
"""Files in a note."""
KINDS: Mapping[str, tuple[str, str]] = {
    "slides": ("whole slide", "whole slides"),
    "cubes": ("hyperspectral cube", "hyperspectral cubes"),
    "stack": ("slice of a stack", "slices of a stack"),
    "mosaics": ("image that is labelled in part", "images that are labelled in part"),
    "tiles": ("image", "images"),
}
COLOURS = {1: "grey", 3: "RGB"}
SCHEMA = Path("config/schema/study.schema.json")


def sheet_of(draft: Draft, *, demo: bool = False) -> Path:
    """Where the sample sheet lies in the project.

    At the scale `demo` it is another one where there are more images than that shows.
    """
    return Path(f"config/samples/{draft.name}{'-demo' * (demo and has_demo_sheet(draft))}.tsv")


def has_demo_sheet(draft: Draft) -> bool:
    """Whether the scale `demo` has a sheet of its own."""
    return draft.is_trained and len(draft.demo_samples) < len(draft.looked.pictures)


def study_text(draft: Draft, *, project: Path, command: str) -> str:
    """The study file.

    Args:
        draft: What is decided.
        project: The folder that paths start from.
        command: The command that makes it, for its head.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["flow"] = flow
    looked = draft.looked
    given = content(draft)
    found = environment.get_template(TEMPLATE).render(
        d=draft,
        s=draft.settings,
        looked=looked,
        labels=looked.labels,
        groups=looked.groups,
        has_schema=(project / SCHEMA).is_file(),
        origin=textwrap.wrap(f"Made by `{command}`. Every option: docs/reference/configuration.md", WIDTH),
        open_matters=_open_matters(draft.questions),
        title=title_of(draft),
        root=_from_project(looked.listing.root, project),
        sheet=sheet_of(draft).as_posix(),
        is_outside=bool(looked.boxes),
        split=_split(draft.division),
        has_demo_sheet=has_demo_sheet(draft),
        demo_sheet=sheet_of(draft, demo=True).as_posix(),
        demo_split=_demo_split(draft),
        **given,
    )
    return found.rstrip() + "\n"


def title_of(draft: Draft) -> str:
    """The title: the study's name, then what it is."""
    looked, labels = draft.looked, draft.looked.labels
    told = f", {len(labels.classes)} classes" if looked.is_labelled else ""
    what = ", objects" if labels.is_objects else told
    return f"{draft.name}: {counted(len(looked.pictures), looked.kind)}{what}"


def counted(count: int, kind: str) -> str:
    """So many of a kind.

    Example:
        >>> counted(1, "cubes"), counted(2, "stack")
        ('1 hyperspectral cube', '2 slices of a stack')
    """
    one, many = KINDS[kind]
    return f"{count} {one if count == 1 else many}"


def flow(value: Any) -> str:
    """A value as YAML in one line, which may stand in a list or mapping of one line.

    Example:
        >>> flow({"name": "unet", "classes": ["no", "a b"], "colour": "#ff0000", "none": None})
        "{name: unet, classes: ['no', a b], colour: '#ff0000', none: null}"
        >>> flow("mask, marker")
        "'mask, marker'"
    """
    options = {"default_flow_style": True, "width": 10**6, "sort_keys": False, "allow_unicode": True}
    return yaml.safe_dump([_plain(value)], **options).strip()[1:-1]


def _plain(value: Any) -> Any:
    """Mappings and sequences as dictionaries and lists; whole numbers without a point."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value == int(value) else value


def _open_matters(questions: Sequence[Question]) -> list[str]:
    """The questions as lines of a comment."""
    if not questions:
        return []
    lines = ["A person has to settle (then delete these lines):"]
    for number, one in enumerate(questions, 1):
        lines += textwrap.wrap(
            f"{one.text}: {one.option}", WIDTH, initial_indent=f"  {number}. ", subsequent_indent="     "
        )
    return lines


def _from_project(folder: Path, project: Path) -> str:
    """A folder in the project by its path from there; elsewhere the whole path."""
    whole = project.absolute()
    return folder.relative_to(whole).as_posix() if folder.is_relative_to(whole) else folder.as_posix()


def _split(division: Division) -> Mapping[str, Any]:
    options = {"random": {"sizes": dict(division.sizes), "seed": 0}, "folds": {"k": division.k, "seed": 0}}
    return {"kind": division.kind, **options.get(division.kind, {})}


def _demo_split(draft: Draft) -> Mapping[str, Any]:
    """The split of the scale `demo`, where it is another one."""
    return _split(draft.demo_division) if draft.demo_division != draft.division else {}


def sheet_text(draft: Draft, *, project: Path, demo: bool = False) -> str:
    """The sample sheet, tab-separated.

    Args:
        draft: What is decided.
        project: The folder of the project; boxes of sections lie there.
        demo: Whether it is the sheet of the scale `demo`.
    """
    chosen = set(draft.demo_samples) if demo else None
    rows = [
        _row(draft, one, project) for one in draft.looked.pictures if chosen is None or one.sample in chosen
    ]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["\t".join(columns), *("\t".join(row.get(name, "") for name in columns) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(draft: Draft, one: Picture, project: Path) -> dict[str, str]:
    looked = draft.looked
    root, groups, part = looked.listing.root, looked.groups, draft.division.parts.get(one.sample)
    more = dict(one.more or {})
    picture = more.pop("image", one.path)
    row = {"sample": one.sample}
    row |= {groups.column: groups.of[one.sample]} if groups.column != "sample" else {}
    row |= {"part": part} if part else {}
    row |= {"image": _path(picture, root)}
    row |= {"cube": _path(one.path, root)} if picture != one.path else {}
    row |= {name: _path(path, root) for name, path in more.items()}
    row |= {"label": _path(one.label, root)} if one.label else {}
    row |= {"page": str(one.page)} if one.page is not None else {}
    box = looked.boxes.get(one.sample)
    return row | ({"sections": (project.absolute() / box).as_posix()} if box else {})


def _path(path: Path, root: Path) -> str:
    """A path from a folder; one that begins with a blank is told from a cell with a blank before it."""
    text = Path(os.path.relpath(path, root)).as_posix()
    return f"./{text}" if text[0].isspace() else text


def found_lines(draft: Draft) -> list[tuple[str, str]]:
    """What was found and decided, a name and a text each."""
    looked, labels = draft.looked, draft.looked.labels
    used = len(looked.pictures)
    total = used + looked.unlabelled
    told = f"{used} of {total} have one; " if looked.unlabelled and looked.is_labelled else ""
    lines = [
        (
            "images",
            f"{counted(total, looked.kind)}, {_sizes(looked.pictures)}, {_values(looked.pictures[0])}",
        ),
        ("labels", f"{told}{labels.said}"),
    ]
    if looked.is_labelled:
        lines.append(("classes", ", ".join(labels.classes)))
    lines.append(("pixel size", _pixel_size(looked.pictures)))
    if looked.is_labelled:
        lines.append(("groups" if looked.groups.column != "patient" else "patients", looked.groups.said))
    lines.append(("split", draft.division.said))
    lines.append(("machine", str(draft.machine)))
    if draft.is_trained:
        s = draft.settings
        sides = f"windows of {s.window} pixels, " * (looked.kind != "slides")
        lines.append(("network", f"U-Net, width {s.width}, {sides}{s.batch} a step, {s.epochs} epochs"))
    return lines


def _pixel_size(pictures: Sequence[Picture]) -> str:
    """What the files say of their pixels."""
    found = sorted({f"{one.mpp:.4g}": one.mpp for one in pictures if one.mpp}.values())
    if not found:
        return "not in the files"
    told = f"{found[0]:.4g}" if len(found) == 1 else f"{found[0]:.4g} to {found[-1]:.4g}"
    count = sum(bool(one.mpp) for one in pictures)
    return f"{told} µm, as {f'{count} of ' * (count < len(pictures))}the files say"


def _sizes(pictures: Sequence[Picture]) -> str:
    sizes = sorted({(one.height, one.width) for one in pictures})
    first = f"{sizes[0][0]:,} x {sizes[0][1]:,}"
    return f"{first} pixels" if len(sizes) == 1 else f"{first} to {sizes[-1][0]:,} x {sizes[-1][1]:,} pixels"


def _values(one: Picture) -> str:
    channels = (
        f"{one.channels} bands" if one.is_cube else COLOURS.get(one.channels, f"{one.channels} channels")
    )
    return f"{channels}, {one.dtype}, {one.format}"


def left_out_lines(draft: Draft) -> list[str]:
    """Files that are not used, those of one reason together."""
    looked = draft.looked
    counts = Counter(why for _, why in looked.left_out)
    lines = []
    for why, count in counts.items():
        names = [
            os.path.relpath(path, looked.listing.root) for path, other in looked.left_out if other == why
        ]
        more = f" and {count - NAMED} more" if count > NAMED else ""
        lines.append(f"{', '.join(names[:NAMED])}{more}: {why}")
    return lines
