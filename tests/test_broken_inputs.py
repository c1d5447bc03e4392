# SPDX-License-Identifier: MIT
"""Broken inputs: what a user is told, and that nothing is trained before it is said.

`python -m tests.test_broken_inputs` writes the messages, as they come out, into docs/reference/messages.md.
"""

import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.workflow.workspace import REPOSITORY, Workspace, make_workspace

PAGE = REPOSITORY / "docs/reference/messages.md"
SHEET = "data/own/samples.tsv"
STUDY = "config/studies/own.yaml"
RUNS = "results/demo/own/runs"
TARGET = f"{RUNS}/main/dice/seed-0/metrics.tsv"
SELECT = ("--config", "studies=[own]")
INTRODUCTION = """# Messages

What broken input looks like, made by `python -m tests.test_broken_inputs` from real runs of a small study of
PNG files (`data/own/samples.tsv`, four images of 64 x 64 pixels). All faults of the configuration, of all
studies and of all sample sheets are listed together, with file and line, before anything runs: correct the
file that is named and try `snakemake -n` again.

What headers of files do not show is found when they are decoded, in the first jobs, before any training.
"""


@dataclass(frozen=True)
class Case:
    """A way to break the study.

    Attributes:
        title: What is broken.
        breaks: Breaks it.
        expected: The message, as far as it matters.
        job: The rule that finds it; empty if `snakemake -n` does.
    """

    title: str
    breaks: Callable[[Workspace], None]
    expected: str
    job: str = ""


def edit(path: str, old: str, new: str) -> Callable[[Workspace], None]:
    return lambda workspace: workspace.replace(path, old, new)


def pixels(path: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Workspace], None]:
    def breaks(workspace: Workspace) -> None:
        file = workspace.root / path
        with Image.open(file) as image:
            array = np.array(image)
        Image.fromarray(change(array)).save(file)

    return breaks


def truncate(path: str) -> Callable[[Workspace], None]:
    def breaks(workspace: Workspace) -> None:
        file = workspace.root / path
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])

    return breaks


def header_only(workspace: Workspace) -> None:
    workspace.write(SHEET, workspace.read(SHEET).splitlines()[0] + "\n")


def to_rgb(array: np.ndarray) -> np.ndarray:
    return np.repeat(array[..., None], 3, axis=2)


def one_other_value(array: np.ndarray) -> np.ndarray:
    changed = array.copy()
    changed[:2, :4] = 7
    return changed


def stack(workspace: Workspace) -> None:
    tifffile.imwrite(
        workspace.root / "data/own/stack.tif", np.zeros((3, 64, 64), np.uint8), photometric="minisblack"
    )
    workspace.replace(SHEET, "image-1.png", "stack.tif")


CASES = {
    "wrong_path": Case(
        "A wrong path",
        edit(SHEET, "image-1.png", "image_1.png"),
        f"{SHEET}:3 image: found 'data/own/image_1.png', which does not exist; "
        "expected an image file; correct the path in the sheet, or put the file there",
    ),
    "rgb_image": Case(
        "An image with three channels",
        pixels("data/own/image-1.png", to_rgb),
        f"{SHEET}:3 image: found 3 channels in 'data/own/image-1.png'; "
        "expected 1, as data.channels says; convert the image, or change the study",
    ),
    "label_size": Case(
        "A label of another size",
        pixels("data/own/label-1.png", lambda array: array[:60]),
        f"{SHEET}:3 label: found a label of 60 x 64 pixels ('data/own/label-1.png'); "
        "expected 64 x 64 pixels, the size of its image",
    ),
    "duplicate": Case(
        "A sample that stands in the sheet twice",
        edit(SHEET, "s1\t", "s0\t"),
        f"{SHEET}:3 sample: found 's0', also in row 2; expected a name of its own, whatever the capitals",
    ),
    "same_label": Case(
        "One label for two images",
        edit(SHEET, "label-1.png", "label-0.png"),
        f"{SHEET}:3 label: found 'label-0.png', which is the label of 'image-0.png' in row 2; expected a "
        "label of its own for each image; where one is right for several, name a link to it",
    ),
    "stack": Case(
        "A stack without a page",
        stack,
        f"{SHEET}:3 page: found nothing, for 3 pages in 'data/own/stack.tif'; "
        "expected the page of each image in the column `page`, from 0 (one row for each)",
    ),
    "depth": Case(
        "Images of two depths",
        pixels("data/own/image-1.png", lambda array: array.astype(np.uint16) * 200),
        f"{SHEET}:3 image: found uint16 values in 'data/own/image-1.png'; expected uint8, as "
        "'data/own/image-0.png' has; set data.dtype to convert images where that is exact",
    ),
    "spelling": Case(
        "A block that is spelt in two ways",
        edit(SHEET, "b3\ttest", "B0\ttest"),
        f"{SHEET}:5 block: found block 'B0' in 'test', but 'b0' in 'train' in row 2; "
        "expected one spelling if they are one block, or names that differ by more",
    ),
    "leak": Case(
        "A block in two parts of the split",
        edit(SHEET, "b3\ttest", "b0\ttest"),
        f"{SHEET}:5 part: found block 'b0' in 'test', but in 'train' in row 2; "
        "expected each block in one part only, or scores are optimistic",
    ),
    "misspelt": Case(
        "A misspelt option",
        edit(STUDY, "epochs:", "epoch:"),
        f"{STUDY}:20 runs.dice.training.epoch: found unknown option 'epoch'; expected 'epochs'? "
        "(known: batch_size, channels_last, compile, deterministic, ema, epochs, grad_clip, optimizer, "
        "patience, precision, schedule, select, validate_every)",
    ),
    "negative": Case(
        "A negative number of epochs",
        edit(STUDY, "epochs: 1", "epochs: -1"),
        f"{STUDY}:20 runs.dice.training.epochs: found -1; expected a number above 0",
    ),
    "empty_sheet": Case(
        "A sheet without rows",
        header_only,
        f"{SHEET}: found no rows below the header; expected one row for each image",
    ),
    "truncated": Case(
        "A truncated PNG",
        truncate("data/own/image-1.png"),
        "data/own/image-1.png: damaged or truncated image",
        "import_images",
    ),
    "unknown_class": Case(
        "A label with a value that no class has",
        pixels("data/own/label-1.png", one_other_value),
        "'label-1.png' of sample s1 holds the value 7 (8 pixels); data.classes knows 0 = membrane, "
        "255 = cell; data.ignore is empty. Correct the label, data.classes or data.ignore.",
        "rasterize_targets",
    ),
}


def message_of(output: str, case: Case) -> str:
    """What the user is told, without Snakemake's words around it."""
    if case.job:
        return next(line for line in output.splitlines() if line.startswith("error: "))
    found = re.search(r"^\d+ faults? in the configuration\n(?:  \d+\. .*\n)+", output, re.MULTILINE)
    assert found, output
    return found[0].rstrip()


def run_case(workspace: Workspace, case: Case) -> subprocess.CompletedProcess[str]:
    """Break the study and run it."""
    case.breaks(workspace)
    how = ("-c1", *SELECT, "--", TARGET) if case.job else ("-n", "-c1", *SELECT)
    return workspace.run(*how, check=False)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("sound"))


@pytest.mark.workflow
@pytest.mark.parametrize("name", CASES)
def test_broken_input_is_named_before_training(name: str, sound: Workspace, tmp_path: Path) -> None:
    case, workspace = CASES[name], sound.copy(tmp_path / "copy")
    done = run_case(workspace, case)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert case.expected in message_of(output, case), output
    assert not (workspace.root / RUNS).exists()
    assert message_of(output, case) in PAGE.read_text(encoding="utf-8")
    if case.job:
        assert f"rule {case.job}:" in output or f"Error in rule {case.job}" in output
        assert f"    log: logs/demo/{case.job}/" in output.partition("  failed: ")[2], "said at the end"
    else:
        assert "Traceback" not in output
        assert not (workspace.root / "results").exists()
        assert len(message_of(output, case).splitlines()) == 2, "one mistake is one fault"


@pytest.mark.workflow
def test_faults_of_several_files_are_listed_together(sound: Workspace, tmp_path: Path) -> None:
    workspace = sound.copy(tmp_path / "copy")
    for name in ("wrong_path", "label_size", "negative", "leak"):
        if name != "wrong_path":
            CASES[name].breaks(workspace)
    workspace.replace(SHEET, "image-2.png", "nowhere.png")
    workspace.replace("config/studies/mini.yaml", "Miniature\n", "Miniature\ntitel: x\n")
    workspace.write("config/config.yaml", "scale: demo\nstudies: [own, mini, nothing]\ndevise: cpu\n")
    done = workspace.run("-n", "-c1", check=False)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "Traceback" not in output
    for expected in (
        "config/config.yaml:3 devise: found unknown option 'devise'; expected 'device'?",
        f"{STUDY}:20 runs.dice.training.epochs: found -1",
        f"{SHEET}:3 label: found a label of 60 x 64 pixels",
        f"{SHEET}:4 image: found 'data/own/nowhere.png', which does not exist",
        f"{SHEET}:5 part: found block 'b0' in 'test'",
        "titel: found unknown option 'titel'; expected 'title'?",
        "config/config.yaml studies: found 'nothing'; expected one of: ",
    ):
        assert expected in output, output


@pytest.mark.workflow
def test_sound_study_is_planned(sound: Workspace) -> None:
    assert "train" in sound.run("-n", "-c1", *SELECT).stdout


def page() -> str:
    """The page of messages, from real runs."""
    parts = [INTRODUCTION]
    with tempfile.TemporaryDirectory() as folder:
        sound = make_workspace(Path(folder) / "sound")
        for name, case in CASES.items():
            done = run_case(workspace := sound.copy(Path(folder) / name), case)
            when = f"Found by the job `{case.job}`:" if case.job else "Found by `snakemake -n`:"
            message = message_of(done.stdout + done.stderr, case).replace(str(workspace.root), "…")
            parts.append(f"## {case.title}\n\n{when}\n\n```text\n{message}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
