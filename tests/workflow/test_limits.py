# SPDX-License-Identifier: MIT
"""What `snakemake -n` says of training jobs that ask for more than there is."""

import pytest
import yaml
from snakemake_executor_plugin_slurm.partitions import read_partition_file

from microtome.workflow import limits
from microtome.workflow.limits import Asked, Room, lacking, message, partitions
from microtome.workflow.memory import TrainingMemory
from tests import fake_gpus
from tests.workflow.workspace import make_workspace

HUGE = TrainingMemory(fixed=3000, images=24_000)
SMALL = TrainingMemory(fixed=3000, images=100)
WIDE = TrainingMemory(fixed=20_000, images=100)
PARTITIONS = {
    "cpu": {"max_runtime": 1440, "max_mem_mb": 128_000},
    "gpu-a100": {"max_mem_mb": 16_000, "max_gpu": 2, "max_runtime": "1-00:00:00"},
    "any": {},
}


def job(memory=HUGE, run="net", study="skin", **changes):
    return Asked(study, run, memory, **({"images": 32_000} | changes))


def told(*jobs, rooms):
    return [str(fault) for fault in lacking(jobs, rooms)]


def test_what_fits_is_not_told():
    assert not told(job(), job(WIDE), rooms=[Room("this machine", 27_000, 0)])
    assert not told(job(), rooms=[])
    assert message([]) == ""


def test_images_that_do_not_fit_are_told_with_the_share_that_does():
    (text,) = told(job(), rooms=[Room("this machine", 16_384, 1)])
    assert text.startswith("skin, run net: found 27000 MB of memory for a training job, where this machine")
    assert "`memory: {images: 13384}`" in text
    assert not told(job(images=13_384), rooms=[Room("this machine", 16_384, 1)])


def test_processes_share_the_memory_of_a_machine():
    (text,) = told(job(gpus=2), rooms=[Room("this machine", 50_000, 2)])
    assert "54000 MB" in text
    assert "`memory: {images: 22000}`" in text


def test_a_network_that_does_not_fit_is_to_be_smaller():
    (text,) = told(job(WIDE), rooms=[Room("this machine", 16_384, 0)])
    assert "expected a smaller training.batch_size, sampler.crop, patches.size or network.width" in text
    assert "19.5 GiB of it are not of images" in text
    assert "memory: {images" not in text


@pytest.mark.parametrize(("memory", "gpus"), [(SMALL, 1), (HUGE, 1), (WIDE, 1), (SMALL, 2)])
def test_nothing_helps_where_there_is_less_than_any_training_asks_for(memory, gpus):
    (text,) = told(job(memory, gpus=gpus), rooms=[Room("this machine", 3900 * gpus, gpus)])
    assert text.endswith("expected more memory, as each process that trains asks for 4000 MB at least")


@pytest.mark.parametrize(("there", "remedy"), [(1, "`gpus: 1`"), (0, "`device: cpu`")])
def test_too_few_gpus_are_told(there, remedy):
    texts = told(job(SMALL, gpus=2, needs_gpus=True), rooms=[Room("this machine", 99_000, there)])
    assert len(texts) == 1
    assert f"2 GPUs for a training job, where this machine has {there}" in texts[0]
    assert remedy in texts[0]
    assert not told(job(SMALL, needs_gpus=False), rooms=[Room("this machine", 99_000, 0)])


def test_all_faults_are_told_together_and_runs_alike_as_one():
    jobs = [job(run=f"net{number}") for number in range(5)] + [job(SMALL), job(study="other")]
    text = message(lacking(jobs, [Room("this machine", 16_384, 1)]))
    assert text.count("expected") == 2
    assert "  1. skin, runs net0, net1, net2 and 2 more: found 27000" in text
    assert "  2. other, run net: found" in text


def test_partitions_are_read_as_the_plugin_reads_them(tmp_path):
    file = tmp_path / "partitions.yaml"
    file.write_text(yaml.safe_dump({"partitions": PARTITIONS}), encoding="utf-8")
    theirs = [(one.name, one.limits.max_mem_mb, one.limits.max_gpu) for one in read_partition_file(file)]
    assert [(one.name, one.memory_mb, one.gpus) for one in partitions(file)] == theirs


def test_a_job_with_gpus_goes_to_a_partition_with_gpus(tmp_path):
    file = tmp_path / "partitions.yaml"
    file.write_text(yaml.safe_dump({"partitions": PARTITIONS}), encoding="utf-8")
    rooms = partitions(file)
    (text,) = told(job(needs_gpus=True), rooms=rooms)
    assert "where of 3 partitions the largest, gpu-a100, has 16000" in text
    assert not told(job(), rooms=rooms)
    (text,) = told(job(SMALL, gpus=4, needs_gpus=True), rooms=rooms)
    assert "`gpus: 2`" in text


@pytest.mark.parametrize("text", ["", "partitions: {}", "partitions: 3", "[", "- a", "partitions: {a: 3}"])
def test_a_file_without_partitions_says_nothing(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
    assert partitions(tmp_path / "p.yaml") == []
    assert partitions(tmp_path / "none.yaml") == []


def test_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr(limits, "machine_memory", lambda: 2**34)
    assert limits.this_machine().memory_mb == 2**14
    assert limits.this_machine(99_999).name == "this machine"
    assert limits.this_machine(5000).memory_mb == 5000
    monkeypatch.setenv("PATH", fake_gpus.path_with(fake_gpus.write(tmp_path, 3)))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert limits.this_machine().gpus == 3


def test_a_dry_run_says_it_of_what_is_to_be_trained(tmp_path):
    workspace, file = make_workspace(tmp_path / "work"), tmp_path / "partitions.yaml"
    file.write_text("partitions: {gpu: {max_mem_mb: 2500, max_gpu: 1}}", encoding="utf-8")
    machine, cluster = ["-c1", "--resources", "mem_mb=2500"], ["--profile", "slurm"]
    for chosen, room in ((machine, "`--resources mem_mb` has"), (cluster, "gpu has")):
        said = _said(workspace, chosen, file)
        assert said.count("Training jobs ask for more than there is") == 1
        assert f"4000 MB of memory for a training job, where {room} 2500" in said
    for run in workspace.study("mini")["runs"]:
        for seed in range(9):
            workspace.write(f"results/demo/mini/runs/main/{run}/seed-{seed}/card.json", "{}")
    assert "Training jobs ask" not in _said(workspace, machine, file)


def _said(workspace, chosen, file):
    arguments = ["-n", *chosen, "--config", "studies=mini"]
    done = workspace.run(*arguments, SNAKEMAKE_SLURM_PARTITIONS=str(file))
    return done.stdout + done.stderr
