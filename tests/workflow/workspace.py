# SPDX-License-Identifier: MIT
"""A copy of the repository with two miniature studies, in which Snakemake runs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = Path(__file__).parent / "plugins"
NOT_COPIED = ("tests", "docs", "benchmarks", ".ci")
TARGETS = frozenset({"all", "tables", "figures", "report"})
"""Rules that only name files."""
QUIET_WILDCARDS = ("study", "split", "seed")
"""Wildcards with one value in these studies."""
OWN = "results/demo/own/runs/main/dice/seed-0/metrics.tsv"
EPOCHS = 24
"""Epochs of the run that is killed."""
SIZE = 64

Content = dict[str, object]


@dataclass(frozen=True)
class Job:
    """One job of the DAG."""

    rule: str
    wildcards: Mapping[str, str]
    reason: str
    inputs: tuple[str, ...]

    def __str__(self) -> str:
        values = [value for key, value in self.wildcards.items() if key not in QUIET_WILDCARDS]
        return " ".join([self.rule, *sorted(values, reverse=True)])


@dataclass(frozen=True)
class Workspace:
    """A folder with the workflow in it."""

    root: Path

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of Snakemake: one thread, no packages but the interpreter's own."""
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        threads = {key: "1" for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
        return clean | threads | {"PYTHONPATH": str(PLUGINS), "HOME": str(self.root)} | more

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments]

    def run(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(**environment),
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start Snakemake in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self.environment(**environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def jobs(self, *arguments: str) -> list[Job]:
        """What a dry run would do, without the rules that only name files."""
        listing = self.root / ".jobs.jsonl"
        listing.unlink(missing_ok=True)
        self.run("-n", "-c1", "--logger", "jobs", *arguments, MICROTOME_TEST_JOBS=str(listing))
        lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
        found = [json.loads(line) for line in lines]
        return [
            Job(job["rule_name"], job["wildcards"], job["reason"], tuple(job["input"]))
            for job in found
            if job["rule_name"] not in TARGETS
        ]

    def copy(self, root: Path) -> "Workspace":
        """The same workspace elsewhere, with all times."""
        shutil.copytree(self.root, root, symlinks=True)
        return Workspace(root)

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        """Replace a text that stands in a file once."""
        text = self.read(path)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        self.write(path, text.replace(old, new))

    def change_study(self, study: str, **changes: object) -> None:
        """Change options of a study file; keys are dotted with `__`."""
        path = f"config/studies/{study}.yaml"
        content = yaml.safe_load(self.read(path))
        for key, value in changes.items():
            *parents, last = key.split("__")
            place = content
            for parent in parents:
                place = place[parent]
            place[last] = value
        self.write(path, yaml.safe_dump(content, sort_keys=False))


def make_workspace(root: Path) -> Workspace:
    """Copy the repository and add the miniature studies."""
    for name in repository_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)
    workspace = Workspace(root)
    workspace.write("config/config.yaml", "scale: demo\nstudies: [mini]\ndevice: cpu\n")
    workspace.write("config/studies/mini.yaml", yaml.safe_dump(mini_study(), sort_keys=False))
    workspace.write("config/studies/own.yaml", yaml.safe_dump(own_study(), sort_keys=False))
    write_own_files(workspace, [*["train"] * 2, "val", "test"])
    return workspace


def repository_files() -> Iterator[str]:
    """Tracked files and new ones that git does not ignore, as far as a run needs them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in sorted(set(listed.split("\0")) - {""}):
        if name.split("/")[0] not in NOT_COPIED and (REPOSITORY / name).is_file():
            yield name


def mini_study() -> Content:
    """A study with every kind of run and stage, on a phantom."""
    unet = {"name": "unet", "variant": "tutorial", "width": 2}
    windows = {
        "network": {"name": "ciresan", "variant": "w65", "maps": 2, "hidden": 4, "activation": "relu"},
        "loss": {"name": "cross_entropy"},
        "sampler": {"kind": "balanced_windows", "per_epoch": 40, "validation": 20},
        "training": {"epochs": 1, "batch_size": 10, "optimizer": {"name": "sgd", "lr": 0.05}},
        "calibration": {"kind": "cubic", "bins": 4096, "median_radius": 1},
    }
    return {
        "paper": "p4_unet_isbi",
        "title": "Miniature",
        "data": {
            "source": "phantom",
            "phantom": {"size": SIZE, "slices": {"train": 2, "val": 1, "test": 1}, "block": 1},
            "group_by": "block",
            "classes": {"membrane": 0, "cell": 255},
        },
        "patches": {"size": 32, "stride": 32},
        "defaults": {
            "network": unet,
            "augment": {"horizontal_flip": 0.5},
            "training": {"epochs": 1, "optimizer": {"lr": 0.01}},
        },
        "runs": {
            "dice": {"label": "Dice", "loss": {"name": "dice"}, "training": {"epochs": EPOCHS}},
            "tversky": {"label": "Tversky", "loss": {"name": "tversky", "alpha": 0.3, "beta": 0.7}},
            "n4": windows | {"label": "Windows"},
            "mean": {"label": "Ensemble", "members": ["dice", "tversky"]},
        },
        "evaluate": {"metrics": ["boundaries", "overlap", "losses"], "losses": ["dice", "tversky"]},
        "tables": {
            "comparison": {"kind": "comparison", "title": "All runs", "runs": "all"},
            "loss": {"kind": "loss", "title": "Losses", "runs": ["dice", "tversky"]},
            "layers": {"kind": "layers", "title": "Layers"},
        },
        "figures": {
            "curves": {"kind": "loss_curves", "title": "Curves", "runs": ["dice", "tversky"]},
            "panel": {"kind": "sample_panel", "title": "Panel", "runs": ["dice"], "images": True},
        },
        "scales": {"demo": {}},
    }


def own_study() -> Content:
    """A study of the user's own files: a sample sheet and PNG files."""
    return {
        "paper": "p4_unet_isbi",
        "title": "Own files",
        "data": {
            "source": "files",
            "samples": "data/own/samples.tsv",
            "group_by": "block",
            "classes": {"membrane": 0, "cell": 255},
        },
        "patches": {"size": 32, "stride": 32},
        "runs": {
            "dice": {
                "network": {"name": "unet", "width": 2},
                "loss": {"name": "dice"},
                "training": {"epochs": 1},
            }
        },
        "scales": {"demo": {}},
    }


def write_own_files(workspace: Workspace, parts: Iterable[str]) -> None:
    """Write PNG images, labels and the sheet of the files study; sample names carry their number."""
    rows = ["sample\timage\tlabel\tblock\tpart"]
    for number, part in enumerate(parts):
        pixels = np.random.default_rng(number).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        label = np.where(pixels > 99, 255, 0).astype(np.uint8)
        names = [f"{kind}-{number}.png" for kind in ("image", "label")]
        for name, array in zip(names, (pixels, label), strict=True):
            path = workspace.root / "data/own" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file():
                Image.fromarray(array).save(path)
        rows.append(f"s{number}\t{names[0]}\t{names[1]}\tb{number}\t{part}")
    workspace.write("data/own/samples.tsv", "\n".join(rows) + "\n")
