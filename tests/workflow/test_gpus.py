# SPDX-License-Identifier: MIT
"""A resource `gpu` above 1 makes a training job of several processes; here they meet on the CPU."""

import json
import shutil

import pandas as pd
import pytest

from tests.workflow.conftest import Complete
from tests.workflow.workspace import DryRunServer, Workspace

RUN = "results/demo/own/runs/main/dice/seed-0"
LOG = "logs/demo/train/own/main/dice/0.log"


def test_two_gpus_train_a_run_together(complete: Complete, copy: Workspace) -> None:
    shutil.rmtree(copy.root / RUN)
    copy.run("-c2", f"{RUN}/card.json", "--set-resources", "train:gpu=2")
    cards = [json.loads(found.read(f"{RUN}/card.json")) for found in (complete.workspace, copy)]
    assert [card.get("processes", 1) for card in cards] == [1, 2]
    assert cards[0]["digests"]["config"] == cards[1]["digests"]["config"]
    histories = [
        pd.read_csv(found.root / RUN / "history.tsv", sep="\t") for found in (complete.workspace, copy)
    ]
    assert histories[1]["train_loss"].tolist() == pytest.approx(histories[0]["train_loss"].tolist(), abs=1e-4)
    assert "microtome.training.loop: epoch 1: train" in copy.read(LOG)


def test_a_process_that_fails_tells_why_in_the_log(copy: Workspace) -> None:
    shutil.rmtree(copy.root / RUN)
    copy.write("config/config.yaml", "scale: demo\nstudies: [mini, own, he]\ndevice: auto\n")
    done = copy.run(
        "-c2", f"{RUN}/card.json", "--set-resources", "train:gpu=2", check=False, CUDA_VISIBLE_DEVICES=""
    )
    assert done.returncode
    expected = "error: a training job of 2 GPUs sees 0 of them here"
    assert expected in done.stderr
    assert copy.read(LOG).splitlines()[-1].startswith(expected)


def test_more_gpus_train_nothing_again(server: DryRunServer, copy: Workspace) -> None:
    copy.write("config/config.yaml", "scale: demo\nstudies: [mini, own, he]\ndevice: cpu\ngpus: 4\n")
    assert copy.jobs(server) == []
