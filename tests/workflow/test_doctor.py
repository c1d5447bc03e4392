# SPDX-License-Identifier: MIT
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from microtome.provenance import environment
from microtome.workflow import doctor
from microtome.workflow.doctor import Finding

TOPICS = ["cpu", "gpu", "memory", "disk", "packages", "git"]


@pytest.fixture
def examined(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "WRITE_BYTES", 2**16)
    return lambda: doctor.examine(results=tmp_path / "results", root=tmp_path)


def one(findings, item):
    (found,) = [finding for finding in findings if finding.item == item]
    return found


def test_every_topic_is_examined(examined):
    findings = examined()
    assert list(dict.fromkeys(finding.topic for finding in findings)) == TOPICS


def test_what_is_not_ok_has_a_remedy(examined):
    bare = [finding for finding in examined() if finding.status != "ok" and not finding.remedy]
    assert bare == []


def test_the_results_folder_is_left_as_it_was(examined, tmp_path):
    examined()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError, OSError, ImportError, ValueError, AttributeError, KeyError])
def test_a_failing_probe_stops_no_other(examined, monkeypatch, error):
    def fail():
        yield Finding("cpu", "model", "before")
        raise error("boom")

    monkeypatch.setattr(doctor, "probe_cpu", fail)
    findings = examined()
    assert list(dict.fromkeys(finding.topic for finding in findings)) == TOPICS
    assert [finding.status for finding in findings[:2]] == ["ok", "fail"]
    assert "boom" in findings[1].found


def test_render_shows_every_finding_and_remedy(examined):
    findings = examined()
    text = doctor.render(findings)
    for finding in findings:
        assert finding.found in text
        assert finding.remedy in text


def test_pins_that_differ_or_lack_are_named(tmp_path):
    numpy = environment.installed_version("numpy")
    pins = tmp_path / "requirements.txt"
    pins.write_text(
        f"numpy=={numpy}\nscipy==0.0.1\nno-such-package==1.0\n# torch==0\n--index-url https://x\n"
    )
    findings = list(doctor.probe_packages(pins))
    assert [(finding.item, finding.status) for finding in findings] == [
        ("scipy", "warn"),
        ("no-such-package", "fail"),
        ("pins", "warn"),
    ]
    assert findings[-1].found == "1 of 3 as pinned in requirements.txt"


def test_missing_pins_are_a_warning(tmp_path):
    assert [finding.status for finding in doctor.probe_packages(tmp_path / "none.txt")] == ["warn"]


def test_optional_packages_are_told_and_no_fault(tmp_path):
    numpy = environment.installed_version("numpy")
    pins = tmp_path / "requirements-extra.txt"
    pins.write_text(f"-r requirements.txt\nnumpy=={numpy}\nno-such-package==1.0\n")
    found, missing = doctor.probe_extras(pins)
    assert (found.status, found.found, found.remedy) == ("ok", f"optional: {numpy} installed", "")
    assert (missing.status, missing.found) == ("ok", "optional: not installed")
    assert "pip install -r requirements-extra.txt" in missing.remedy
    assert list(doctor.probe_extras(tmp_path / "none.txt")) == []


def test_writing_is_measured_and_cleaned_up(tmp_path):
    assert doctor.write_speed(tmp_path, count=1000) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("free", "status"), [(2**20, "fail"), (5 * 2**30, "warn"), (2**40, "ok")])
def test_free_space_decides(tmp_path, monkeypatch, free, status):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=free, total=free))
    monkeypatch.setattr(doctor, "write_speed", lambda _: 1e9)
    assert one(doctor.probe_disk(tmp_path), "free").status == status


def test_slow_writing_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "write_speed", lambda _: 1e6)
    assert one(doctor.probe_disk(tmp_path / "a" / "b"), "writing").status == "warn"


def test_a_folder_that_cannot_be_written_is_a_finding(examined, monkeypatch):
    def refuse(_):
        raise PermissionError("read-only")

    monkeypatch.setattr(doctor, "write_speed", refuse)
    assert any("read-only" in finding.found and finding.status == "fail" for finding in examined())


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("2147483648\n")
    (tmp_path / "old").write_text("max\n")
    monkeypatch.setattr(
        doctor, "CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "old", tmp_path / "none")
    )
    found = one(doctor.probe_memory(), "RAM")
    assert found.status == "warn"
    assert found.found.startswith("2.0 GiB usable")


def fake_torch(*, cuda, built="12.8", total=64.0**3, fails=False):
    class Ones:
        def __matmul__(self, other):
            if fails:
                raise RuntimeError("no kernel image")
            return self

        def sum(self):
            return SimpleNamespace(item=lambda: total)

    devices = SimpleNamespace(
        is_available=lambda: cuda, device_count=lambda: 1, get_device_name=lambda _: "Fast card"
    )
    absent = SimpleNamespace(is_available=lambda: False)
    return SimpleNamespace(
        cuda=devices,
        backends=SimpleNamespace(mps=absent),
        version=SimpleNamespace(cuda=built),
        ones=lambda *_, device: Ones(),
        __version__="9.9",
    )


@pytest.mark.parametrize(
    ("torch", "shown", "status", "text"),
    [
        (fake_torch(cuda=True), True, "ok", "Fast card computes"),
        (fake_torch(cuda=True, fails=True), True, "fail", "no kernel image"),
        (fake_torch(cuda=True, total=1.0), True, "fail", "wrong"),
        (fake_torch(cuda=False), True, "fail", "CUDA_VISIBLE_DEVICES"),
        (fake_torch(cuda=False, built=None), True, "fail", "built for the CPU"),
        (fake_torch(cuda=False), False, "warn", "CPU"),
    ],
)
def test_gpus(monkeypatch, torch, shown, status, text):
    gpus = [{"name": "Fast card", "driver": "1.2", "memory_bytes": 2**34}] if shown else []
    monkeypatch.setattr(environment, "nvidia_gpus", lambda: gpus)
    monkeypatch.setitem(sys.modules, "torch", torch)
    last = list(doctor.probe_gpu())[-1]
    assert last.status == status
    assert text in f"{last.found} {last.remedy}"


@pytest.mark.parametrize(("state", "status"), [(None, "warn"), ({"commit": "0" * 40, "dirty": True}, "ok")])
def test_results_name_a_commit(tmp_path, monkeypatch, state, status):
    monkeypatch.setattr(environment, "git_state", lambda _: state)
    (found,) = doctor.probe_git(tmp_path)
    assert found.status == status
    assert ("with changes" in found.found) is bool(state)


def test_more_threads_than_cores_are_a_warning(monkeypatch):
    monkeypatch.setattr(environment, "usable_threads", lambda: 0)
    assert one(doctor.probe_cpu(), "torch").status == "warn"


def test_without_a_results_folder_its_parent_is_measured(tmp_path):
    assert str(tmp_path) in one(doctor.probe_disk(tmp_path / "new" / "results"), "free").found
    assert not Path(tmp_path / "new").exists()


class FakePace:
    """Stands in for `microtome.training.pace`."""

    LARGEST = SimpleNamespace(batch=(8, 16, 256, 256))

    def __init__(self, error=None):
        self.error = error

    def measure(self, work, device, *, steps):
        assert work is self.LARGEST
        assert steps == 10
        if self.error:
            raise self.error
        return SimpleNamespace(seconds=0.25, forward=0.075, peak_bytes=30 * 2**30, precision="bf16")


class NoMemoryError(RuntimeError):
    pass


def with_cuda(monkeypatch, count, error=None):
    torch = fake_torch(cuda=count > 0)
    torch.OutOfMemoryError, torch.device = NoMemoryError, lambda name: name
    torch.cuda.device_count, torch.cuda.mem_get_info = lambda: count, lambda _: (70 * 2**30, 80 * 2**30)
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "microtome.training.pace", FakePace(error))
    gpus = [{"name": "Fast card", "driver": "1.2", "memory_bytes": 2**34}] * count
    monkeypatch.setattr(environment, "nvidia_gpus", lambda: gpus)


def test_the_largest_network_is_trained_on_each_gpu(monkeypatch):
    with_cuda(monkeypatch, 2)
    found = list(doctor.probe_training())
    assert [(finding.item, finding.status) for finding in found] == [("cuda:0", "ok"), ("cuda:1", "ok")]
    expected = (
        "batches of 8 x 16 x 256 x 256, bf16: 4 steps/s, forward pass 30% of a step; 40.0 GiB of 80.0 GiB"
    )
    assert expected in found[0].found


def test_a_gpu_too_small_for_it_is_a_warning(monkeypatch):
    with_cuda(monkeypatch, 1, NoMemoryError("out of memory"))
    (found,) = doctor.probe_training()
    assert found.status == "warn"
    assert "does not fit into 70.0 GiB free of 80.0 GiB" in found.found


@pytest.mark.parametrize(
    ("there", "asked", "status"), [(1, 1, "ok"), (1, 2, "fail"), (0, 1, "fail"), (0, 0, "ok")]
)
def test_a_job_is_told_whether_it_has_its_gpus(monkeypatch, there, asked, status):
    with_cuda(monkeypatch, there)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    found = doctor.check_gpus(asked)
    assert one(found, f"{asked} asked for").status == status
    assert one(found, f"{asked} asked for").found == f"{there}; CUDA_VISIBLE_DEVICES is 7"
    assert sum(finding.topic == "training" for finding in found) == there
