# SPDX-License-Identifier: MIT
"""A copy of the repository with three miniature studies, in which Snakemake runs."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from safetensors import safe_open

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGINS = Path(__file__).parent / "plugins"
JOBS = ".jobs.jsonl"
"""Where the logger plugin lists the jobs of a dry run, in the workspace."""
NOT_COPIED = ("tests", "docs", "benchmarks", ".ci")
GENERATED = frozenset({"results", "resources", "logs", ".snakemake", "__pycache__"})
TARGETS = frozenset({"all", "tables", "figures", "report", "apply", "evaluate_folder", "export_model"})
"""Rules that only name files."""
STUDIES = ("mini", "own", "he")
REPORT = "results/demo/reports/he+mini+own"
"""Folder of the report of all three."""
OBJECTS = "results/demo/he/runs/main/marked/seed-0/objects/test-0"
EVERYTHING = ("all", OBJECTS)
"""What the tests ask for: the report, and the objects of a run."""
SHOWN = ("stain", "run", "batch", "name")
"""Wildcards that tell jobs apart; study, split and seed have one value here."""
OWN_PARTS = ("train", "train", "val", "test")
EPOCHS = 24
"""Epochs of the run that is killed."""
OFTEN = "checkpoint_every: 0\n"
"""Of `config/config.yaml`: trainings that are killed write a checkpoint after each epoch."""
SIZE = 64

Content = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One job of the DAG."""

    rule: str
    wildcards: Mapping[str, str]
    reason: str

    def __str__(self) -> str:
        study = [name for name in STUDIES[1:] if self.wildcards.get("study") == name]
        return " ".join([*study, self.rule, *(self.wildcards[key] for key in SHOWN if key in self.wildcards)])


def environment_of(*, cluster: bool = False, **more: str) -> dict[str, str]:
    """The environment of Snakemake: one thread; only the interpreter's packages and the tests' plugins.

    Whatever it runs, its SLURM plugin asks SLURM a question as it is imported, and waits 9 s where commands
    are installed and no daemon answers; without `cluster` they have no configuration and give up at once.
    """
    unwanted = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    clean = {key: value for key, value in os.environ.items() if key not in unwanted}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    plugins = {"PYTHONPATH": str(PLUGINS), "MICROTOME_TEST_JOBS": JOBS}
    return clean | threads | plugins | ({} if cluster else {"SLURM_CONF": os.devnull}) | more


class SnakemakeServer:
    """A process that has imported Snakemake and forks for each run."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="snakemake-server-"))
        self.process = subprocess.Popen(
            [sys.executable, str(PLUGINS / "snakemake_server.py")],
            cwd=self.folder,
            env=environment_of(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, root: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in a folder, as a process of its own does, to its end."""
        files = [self.folder / name for name in ("stdout", "stderr")]
        request = {"root": str(root), "arguments": arguments, "environment": environment_of()}
        self.process.stdin.write(json.dumps(request | {"said": [str(file) for file in files]}) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        said = [file.read_text(encoding="utf-8") for file in files]
        for file in files:
            file.unlink()
        return subprocess.CompletedProcess(arguments, status, *said)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder)


class DryRunServer(SnakemakeServer):
    """The same for dry runs."""

    def run(self, root: Path, *arguments: str) -> None:
        """Do one dry run; it must succeed."""
        done = self.call(root, arguments)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"


@cache
def snakemake() -> SnakemakeServer:
    """The process that runs Snakemake for all workspaces of this one."""
    server = SnakemakeServer()
    atexit.register(server.close)
    return server


@dataclass(frozen=True)
class Workspace:
    """A folder with the workflow in it."""

    root: Path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "snakemake", *arguments]

    def run(
        self, *arguments: str, check: bool = True, from_scratch: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake to its end; with an environment of its own it is always started `from_scratch`."""
        is_cluster = "--profile" in arguments
        if from_scratch or environment or is_cluster:
            done = subprocess.run(
                self.command(*arguments),
                cwd=self.root,
                env=environment_of(cluster=is_cluster, **environment),
                capture_output=True,
                text=True,
            )
        else:
            done = snakemake().call(self.root, arguments)
        assert not check or done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start Snakemake in a process group of its own."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=environment_of(cluster="--profile" in arguments, **environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )

    def jobs(self, server: "DryRunServer", *arguments: str) -> list[Job]:
        """What a dry run would do, without the rules that only name files."""
        listing = self.root / JOBS
        listing.unlink(missing_ok=True)
        server.run(self.root, *arguments, "-n", "-c1", "--logger", "jobs")
        lines = listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []
        found = [json.loads(line) for line in lines]
        return [
            Job(job["rule_name"], job["wildcards"], job["reason"])
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

    def append(self, path: str, text: str) -> None:
        self.write(path, self.read(path) + text)

    def set_option(self, study: str, keys: str, value: object) -> None:
        """Set an option of a study file; keys are joined by dots."""
        *parents, last = keys.split(".")
        content = self.study(study)
        place = content
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
        self.write_study(study, content)

    def study(self, name: str) -> Content:
        return yaml.safe_load(self.read(f"config/studies/{name}.yaml"))

    def write_study(self, name: str, content: Content, *, flow: bool = False) -> None:
        text = yaml.safe_dump(content, sort_keys=False, default_flow_style=flow)
        self.write(f"config/studies/{name}.yaml", text)


def epochs_done(checkpoint: Path) -> int:
    """Epochs in a checkpoint; 0 without one. It is replaced as a whole, so it can be read at any time."""
    try:
        with safe_open(checkpoint, framework="np") as file:
            stated = file.metadata()["microtome"]
    except FileNotFoundError:
        return 0
    return json.loads(stated[stated.index("{") :])["epoch"]  # a checksum stands before the JSON


def make_workspace(root: Path) -> Workspace:
    """Copy the repository and add the miniature studies."""
    for name in repository_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)
        if name.startswith("microtome/") and name.endswith(".py"):
            _copy_compiled(name, root)
    workspace = Workspace(root)
    workspace.write(
        "config/config.yaml", f"scale: demo\nstudies: [{', '.join(STUDIES)}]\ndevice: cpu\n{OFTEN}"
    )
    workspace.write_study("mini", mini_study())
    workspace.write_study("own", own_study())
    workspace.write_study("he", tuned_he_study())
    write_own_files(workspace, OWN_PARTS)
    return workspace


def _copy_compiled(name: str, root: Path) -> None:
    """Copy what Python has compiled of a module, if it has; it depends on time and size of the file alone."""
    compiled, copy = (Path(cache_from_source(str(folder / name))) for folder in (REPOSITORY, root))
    if compiled.is_file():
        copy.parent.mkdir(exist_ok=True)
        shutil.copy2(compiled, copy)


def repository_files() -> Iterator[str]:
    """Tracked files and new ones that git does not ignore, as far as a run needs them."""
    for name in sorted(set(_listed_by_git() if (REPOSITORY / ".git").exists() else _found())):
        if name.split("/")[0] not in NOT_COPIED and (REPOSITORY / name).is_file():
            yield name


def _listed_by_git() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name]


def _found() -> list[str]:
    """What an unpacked archive of the repository holds."""
    names = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*") if path.is_file())
    return [
        name.as_posix() for name in names if not GENERATED & set(name.parts) and name.parts[0][:5] != ".venv"
    ]


def mini_study() -> Content:
    """A study with every kind of run and stage, on a phantom."""
    unet = {"name": "unet", "variant": "tutorial", "width": 2}
    windows = {
        "network": {"name": "ciresan", "variant": "w65", "maps": 4, "hidden": 8, "activation": "relu"},
        "loss": {"name": "cross_entropy"},
        "sampler": {"kind": "balanced_windows", "per_epoch": 400, "validation": 40},
        "training": {"epochs": 1, "batch_size": 10, "optimizer": {"name": "sgd", "lr": 0.1}},
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
            "layers": {"kind": "layers", "title": "Layers", "network": {"name": "ciresan"}},
        },
        "figures": {
            "curves": {"kind": "loss_curves", "title": "Curves", "runs": ["dice", "tversky"]},
            "panel": {"kind": "sample_panel", "title": "Panel", "runs": ["dice"]},
        },
        "scales": {"demo": {}},
    }


def own_study() -> Content:
    """A study of the user's own files: a sample sheet and PNG files."""
    return {
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


def he_study() -> Content:
    """A study of objects on a phantom: a run with normalized stains and a marker, one with neither."""
    images = {"train": 2, "val": 1, "test": 1}
    return {
        "paper": "p3_usenet",
        "title": "Objects",
        "data": {
            "source": "phantom",
            "phantom": {"kind": "he", "size": SIZE, "hospitals": 2, "images": images},
            "channels": 3,
            "classes": {"background": 0, "nucleus": 1},
        },
        "targets": {"kind": "instances"},
        "stains": {"spcn": {"target": "tile-000"}},
        "patches": {"size": SIZE, "stride": SIZE},
        "defaults": {
            "network": {"name": "usenet", "encoder": "resnet18", "width": 2},
            "loss": {"name": "bce_dice"},
            "training": {"epochs": 1},
            "segment": {"kind": "watershed"},
        },
        "runs": {
            "marked": {
                "label": "With a marker",
                "stain": "spcn",
                "outputs": ["mask", "shape_marker"],
                "sampler": {"copies": 1},
                "augment": {"horizontal_flip": 0.5},
            },
            "alone": {
                "label": "Mask alone",
                "network": {"out_channels": 1},
                "segment": {"markers": "eroded"},
            },
        },
        "evaluate": {"metrics": ["instances", "overlap", "surface"]},
        "scales": {"demo": {}},
    }


def tuned_he_study() -> Content:
    """The same with a run whose segmentation is tuned on the part `val`."""
    study = he_study()
    study["runs"]["alone"]["tune"] = {"metric": "aji", "values": {"mask_threshold": [0.05, 0.1, 0.5]}}
    return study


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
