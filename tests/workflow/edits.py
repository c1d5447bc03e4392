# SPDX-License-Identifier: MIT
"""What a user does to a workspace between two runs."""

import ast
import os
import re
import time
from collections.abc import Callable

from tests.workflow.workspace import OWN_PARTS, REPOSITORY, STUDIES, Workspace, write_own_files

DAY = 86_400
TVERSKY = "microtome/losses/tversky.py"


def edit(path: str, old: str, new: str) -> Callable[[Workspace], None]:
    return lambda workspace: workspace.replace(path, old, new)


def append(path: str, text: str) -> Callable[[Workspace], None]:
    return lambda workspace: workspace.append(path, text)


def code(path: str) -> Callable[[Workspace], None]:
    """A change of what a module does, as far as anyone can tell without running it."""
    return append(path, "\nADDED_BY_A_TEST = 1\n")


def option(study: str, keys: str, value: object) -> Callable[[Workspace], None]:
    return lambda workspace: workspace.set_option(study, keys, value)


def comments(workspace: Workspace) -> None:
    """A comment in every Python file, rule file and study."""
    for pattern in ("scripts/*.py", "microtome/**/*.py", "rules/*.smk", "config/studies/*.yaml", "Snakefile"):
        for path in workspace.root.glob(pattern):
            path.write_text(path.read_text(encoding="utf-8") + "\n# A comment.\n", encoding="utf-8")


def docstrings(workspace: Workspace) -> None:
    """Another text in every docstring of the package."""
    for path in [*workspace.root.glob("microtome/**/*.py"), *workspace.root.glob("scripts/*.py")]:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                node.body[0].value.value = "Another text."
        path.write_text(ast.unparse(tree) + "\n", encoding="utf-8")


def reformat(workspace: Workspace) -> None:
    """Another layout of every Python file, without its comments."""
    for path in [*workspace.root.glob("microtome/**/*.py"), *workspace.root.glob("scripts/*.py")]:
        path.write_text(ast.unparse(ast.parse(path.read_text(encoding="utf-8"))) + "\n", encoding="utf-8")


def fresh_checkout(workspace: Workspace) -> None:
    """New times of all files that are not results, as after `git clone`."""
    now = time.time() + DAY
    for path in workspace.root.rglob("*"):
        if path.relative_to(workspace.root).parts[0] not in ("results", ".snakemake", "logs"):
            os.utime(path, (now, now))


def old_times(workspace: Workspace) -> None:
    """A changed loss in a file that looks older than every result."""
    code(TVERSKY)(workspace)
    os.utime(workspace.root / TVERSKY, (DAY, DAY))


def another_order(workspace: Workspace) -> None:
    """The same options in another order and layout."""
    study = workspace.study("mini")
    loss = study["runs"]["tversky"]["loss"]
    study["runs"]["tversky"]["loss"] = dict(reversed(list(loss.items())))
    workspace.write_study("mini", dict(reversed(list(study.items()))), flow=True)


def defaults_spelled_out(workspace: Workspace) -> None:
    """Options written that have their default value."""
    workspace.set_option("mini", "runs.tversky.segment", {"kind": "threshold", "threshold": 0.5})


def other_machine(workspace: Workspace) -> None:
    """Another device, other thread counts, more GPUs, fewer checkpoints."""
    workspace.write(
        "config/config.yaml",
        f"scale: demo\nstudies: [{', '.join(STUDIES)}]\ndevice: auto\ngpus: 2\n"
        "threads: {train: 2, predict: 2}\ncheckpoint_every: 300\n",
    )


def other_resources(workspace: Workspace) -> None:
    """More memory for training and another message."""
    workspace.replace("rules/train.smk", "mem_mb=training_memory", "mem_mb=grow(9000)")
    workspace.replace("rules/train.smk", "{wildcards.study}: train", "{wildcards.study}: now train")


def swap_values(workspace: Workspace) -> None:
    """alpha takes the value of beta, and beta that of alpha."""
    workspace.set_option("mini", "runs.tversky.loss", {"name": "tversky", "alpha": 0.7, "beta": 0.3})


def add_run(workspace: Workspace) -> None:
    workspace.set_option("mini", "runs.iou", {"label": "IoU", "loss": {"name": "iou"}})


def add_loss(workspace: Workspace) -> None:
    """A built-in loss more: a copy of another."""
    for folder in ("microtome/losses", "microtome/config/losses"):
        text = (workspace.root / folder / "dice.py").read_text(encoding="utf-8")
        workspace.write(
            f"{folder}/mine.py", text.replace('"dice"', '"mine"').replace("losses.dice", "losses.mine")
        )


def add_plugin(workspace: Workspace) -> None:
    """The loss of the page on own data, in the project."""
    page = (REPOSITORY / "docs/how-to/own-data.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"<!-- (plugins/\S+) -->\n```python\n(.*?)```", page, re.DOTALL))
    for name in ("plugins/losses/brier.py", "plugins/config/losses/brier.py"):
        workspace.write(name, blocks[name])


def add_plugin_run(workspace: Workspace) -> None:
    add_plugin(workspace)
    workspace.set_option("mini", "runs.brier", {"loss": {"name": "brier", "weight": 2.0}})


def edit_plugin(workspace: Workspace) -> None:
    """Nothing but the runs of a plugin depend on it."""
    add_plugin_run(workspace)
    code("plugins/losses/brier.py")(workspace)


def remove_run(workspace: Workspace) -> None:
    study = workspace.study("mini")
    del study["runs"]["n4"]
    workspace.write_study("mini", study)


def add_figure(workspace: Workspace) -> None:
    entry = {"kind": "loss_curves", "title": "The same, logarithmic", "runs": ["dice"], "logarithmic": True}
    workspace.set_option("mini", "figures.logarithmic", entry)


def add_figure_in_front(workspace: Workspace) -> None:
    add_figure(workspace)
    study = workspace.study("mini")
    figures = dict(reversed(list(study["figures"].items())))
    workspace.write_study("mini", study | {"figures": figures})


def touch_inputs(workspace: Workspace) -> None:
    """New times of the user's images and labels."""
    now = time.time() + DAY
    for path in (workspace.root / "data/own").iterdir():
        os.utime(path, (now, now))


def repaint(name: str) -> Callable[[Workspace], None]:
    """Another image or label of the same name."""

    def change(workspace: Workspace) -> None:
        path = workspace.root / "data/own" / name
        kind, number = path.stem.split("-")
        path.unlink()
        other = "label-0.png" if number != "0" else "label-1.png"
        assert kind in ("image", "label")
        path.write_bytes((workspace.root / "data/own" / other).read_bytes())
        os.utime(path, (time.time() + DAY,) * 2)

    return change


def add_sample(part: str) -> Callable[[Workspace], None]:
    """One more row of the user's sheet, and its files."""
    return lambda workspace: write_own_files(workspace, [*OWN_PARTS, part])
