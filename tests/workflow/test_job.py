# SPDX-License-Identifier: MIT
"""Jobs: outputs that appear whole or not at all, logs, and errors a reader can act on."""

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from microtome import files
from microtome.files import finished_file, finished_folder, require_writable, write_json
from microtome.io.images import ImageError
from microtome.workflow.job import job

REPOSITORY = Path(__file__).resolve().parents[2]
STATE = json.dumps({"code": "0", "options": {"threshold": 0.5}})


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, package = logging.getLogger(), logging.getLogger("microtome")
    before = (list(root.handlers), root.level, package.level)
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before[0], before[1]
    package.setLevel(before[2])


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_when_everything_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "images/test-0"
    with finished_folder(folder) as partial:
        (partial / "a.tif").write_text("a")
        assert not folder.exists()
        assert partial.parent == folder.parent, "renaming must not cross file systems"
    assert _names(folder) == ["a.tif"]
    assert _names(folder.parent) == ["test-0"]


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "batch"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner/old.tif").write_text("old")
    with finished_folder(folder) as partial:
        (partial / "new.tif").write_text("new")
        assert (folder / "inner/old.tif").exists(), "the old results go only when the new ones are there"
    assert _names(folder) == ["new.tif"]


def test_a_folder_takes_folders(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    with finished_folder(folder) as partial:
        (partial / "images").mkdir()
        (partial / "images/0.tif").write_text("0")
    assert (folder / "images/0.tif").read_text() == "0"


def test_an_error_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="disk"), finished_folder(tmp_path / "batch") as partial:
        (partial / "a.tif").write_text("a")
        raise RuntimeError("disk")
    assert _names(tmp_path) == []


def test_an_error_leaves_the_folder_before(tmp_path: Path) -> None:
    folder = tmp_path / "batch"
    folder.mkdir()
    (folder / "old.tif").write_text("old")
    with pytest.raises(RuntimeError), finished_folder(folder) as partial:
        (partial / "new.tif").write_text("new")
        raise RuntimeError
    assert _names(folder) == ["old.tif"]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match=r"nothing was written to .*batch"),
        finished_folder(tmp_path / "batch"),
    ):
        pass
    assert _names(tmp_path) == []


def test_a_file_appears_when_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "tables/metrics.tsv"
    with finished_file(path) as partial:
        partial.write_text("a\n")
        assert not path.exists()
        assert partial.parent == path.parent
        assert partial.suffix == ".tsv", "writers choose the format by the ending"
    assert path.read_text() == "a\n"
    assert _names(path.parent) == ["metrics.tsv"]


def test_writers_of_a_shared_file_leave_one_another_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers of processes say nothing of those on another machine."""
    path = tmp_path / "weights.pth"
    with finished_file(path, is_shared=True) as first:
        first.write_text("one")
        monkeypatch.setattr(files, "_is_running", lambda _: False)
        with finished_file(path, is_shared=True) as second, finished_file(path) as own:
            second.write_text("two")
            own.write_text("own")
            assert first.is_file()
    assert path.read_text() == "one"
    assert _names(tmp_path) == ["weights.pth"]


def test_an_error_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "metrics.tsv"
    path.write_text("old")
    with pytest.raises(KeyError), finished_file(path) as partial:
        partial.write_text("new")
        raise KeyError
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["metrics.tsv"]


def test_others_may_read_what_a_library_kept_to_its_owner(tmp_path):
    with finished_file(tmp_path / "model.safetensors") as partial:
        partial.write_bytes(b"weights")
        partial.chmod(0o600)
    (tmp_path / "plain").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_file_that_is_not_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), finished_file(tmp_path / "metrics.tsv"):
        pass
    assert _names(tmp_path) == []


def test_json_keeps_the_order_and_the_letters(tmp_path: Path) -> None:
    write_json(tmp_path / "card.json", {"b": "µm", "a": [1]})
    assert (tmp_path / "card.json").read_text(
        encoding="utf-8"
    ) == '{\n  "b": "µm",\n  "a": [\n    1\n  ]\n}\n'


def test_json_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_json(tmp_path / "card.json", {"a": object()})
    assert _names(tmp_path) == []


KILLED = """
import sys, time
from pathlib import Path
from microtome import files
from microtome.files import finished_file, finished_folder
folder, path, ready = map(Path, sys.argv[1:])
with finished_folder(folder) as partial, finished_file(path) as file:
    (partial / "a.tif").write_text("half")
    file.write_text("half")
    ready.write_text("")
    time.sleep(60)
"""


def test_a_killed_job_leaves_no_output(tmp_path: Path) -> None:
    """kill -9: whatever stays has another name, and the next job is not disturbed by it."""
    folder, path, ready = tmp_path / "out/batch", tmp_path / "out/metrics.tsv", tmp_path / "ready"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    arguments = [sys.executable, "-c", KILLED, str(folder), str(path), str(ready)]
    with subprocess.Popen(arguments, env=environment) as process:
        while not ready.exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert not path.exists()
    assert all(name.startswith(".") for name in _names(tmp_path / "out"))
    with finished_folder(folder) as partial:
        (partial / "b.tif").write_text("whole")
    assert _names(folder) == ["b.tif"]
    with finished_file(path) as file:
        file.write_text("whole")
    assert _names(tmp_path / "out") == ["batch", "metrics.tsv"], "what the killed job had begun is gone"


def test_what_another_process_is_writing_stays(tmp_path: Path) -> None:
    """Only what nobody writes any more is deleted, and only under the names of this very output."""
    others = [f".a.tsv.partial-{os.getppid()}.tsv", ".b.tsv.partial-999999999.tsv", ".a.tsv.lock"]
    for name in [*others, ".a.tsv.partial-999999999.tsv"]:
        (tmp_path / name).write_text("begun")
    write_json(tmp_path / "a.tsv", {})
    assert _names(tmp_path) == sorted(["a.tsv", *others])


def test_a_folder_is_replaced_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While old files are deleted, the folder under the final name is the new one."""
    folder = tmp_path / "batch"
    folder.mkdir()
    (folder / "old.tif").write_text("old")
    seen, unlink = [], Path.unlink

    def spy(path: Path, missing_ok: bool = False) -> None:
        seen.append((path.name, _names(folder)))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", spy)
    with finished_folder(folder) as partial:
        (partial / "new.tif").write_text("new")
    assert seen == [("old.tif", ["new.tif"])]


def test_a_job_gets_its_options(tmp_path: Path) -> None:
    with job(STATE, str(tmp_path / "job.log")) as options:
        assert options == {"threshold": 0.5}


def test_the_log_holds_what_the_package_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "job.log"
    with job(STATE, str(path)):
        logging.getLogger("microtome.stages").info("an image of µm")
        logging.getLogger("another").info("chatter")
        logging.getLogger("microtome").warning("look here")
    text = path.read_text(encoding="utf-8")
    assert "INFO microtome.stages: an image of µm" in text
    assert "WARNING microtome: look here" in text
    assert "chatter" not in text
    shown = capsys.readouterr().err
    assert "look here" in shown
    assert "an image" not in shown


def test_warnings_of_libraries_go_to_the_log(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with job(STATE, str(path)):
            warnings.warn("an old call", DeprecationWarning, stacklevel=1)
    assert "an old call" in path.read_text(encoding="utf-8")


def test_a_job_starts_its_log_anew(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_text("the attempt before")
    with job(STATE, str(path)):
        pass
    assert path.read_text(encoding="utf-8") == ""


def test_a_job_takes_its_handlers_away(tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    with job(STATE, str(tmp_path / "job.log")):
        assert len(logging.getLogger().handlers) == len(before) + 2
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(
    "error",
    [
        ValueError("patches.size is 0; expected at least 1"),
        ImageError("cannot read 'a.tif'"),
        FileNotFoundError(2, "No such file", "a.tif"),
        PermissionError(13, "Permission denied", "a.tif"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_expected_error_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """Standard error has the message alone; the traceback is in the log; the status is 1."""
    path = tmp_path / "job.log"
    with pytest.raises(SystemExit) as end, job(STATE, str(path)):
        raise error
    assert end.value.code == 1
    assert end.value.__cause__ is error
    shown = capsys.readouterr().err
    assert f"error: {error}" in shown
    assert "Traceback" not in shown
    assert "Traceback" in path.read_text(encoding="utf-8")
    assert type(error).__name__ in path.read_text(encoding="utf-8")
    assert path.read_text(encoding="utf-8").splitlines()[-1] == f"error: {error}", "Snakemake shows the log"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.tif"), "The disk is full: make room"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "a.tif"), "The disk is full: make room"),
        (OSError("4096 requested and 1024 written"), "The disk is full: make room"),
        (OSError("I/O error: No space left on device (os error 28)"), "The disk is full: make room"),
        (OSError(errno.EROFS, "Read-only file system", "a.tif"), "cannot be written to: make it writable"),
    ],
)
def test_errors_of_the_disk_come_with_a_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: OSError, said: str
) -> None:
    path = tmp_path / "job.log"
    with pytest.raises(SystemExit), job(STATE, str(path)):
        raise ImageError("cannot write 'a.tif'") from error
    last = path.read_text(encoding="utf-8").splitlines()[-1]
    assert last.startswith("error: cannot write 'a.tif'")
    assert said in last
    assert said in capsys.readouterr().err


def test_a_log_on_a_full_disk_does_not_hide_the_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    path = tmp_path / "job.log"
    path.symlink_to("/dev/full")
    with pytest.raises(SystemExit), job(STATE, str(path)):
        raise OSError(errno.ENOSPC, "No space left on device", "a.tif")
    assert "The disk is full" in capsys.readouterr().err


def test_a_folder_is_tried_before_long_work(tmp_path: Path) -> None:
    require_writable(tmp_path / "runs/seed-0")
    assert _names(tmp_path / "runs/seed-0") == []
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        require_writable(tmp_path / "file")


@pytest.mark.parametrize("error", [KeyError("options"), RuntimeError("out of memory"), ZeroDivisionError()])
def test_an_unexpected_error_is_raised_and_logged(tmp_path: Path, error: Exception) -> None:
    """A fault of the program is not hidden; its traceback is also in the log, which Snakemake names."""
    path = tmp_path / "job.log"
    with pytest.raises(type(error)), job(STATE, str(path)):
        raise error
    assert "Traceback" in path.read_text(encoding="utf-8")


def test_an_interrupt_is_passed_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), job(STATE, str(tmp_path / "job.log")):
        raise KeyboardInterrupt


SCRIPT = """
import sys
from microtome.workflow.job import job
with job('{"options": {}}', sys.argv[1]):
    raise ValueError("found 3 channels; expected 1; convert the image")
"""


def test_a_script_that_fails_says_why(tmp_path: Path) -> None:
    """As Snakemake starts it: exit status 1, the message on standard error, no traceback there."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "job.log")],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "error: found 3 channels; expected 1; convert the image"
