# SPDX-License-Identifier: MIT
"""Jobs that are forks: each is a program of its own, as one that Snakemake starts; but it begins at once."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from snakemake.exceptions import get_exception_origin

from microtome.workflow.forks.client import ForkError, Forks, environment_of
from microtome.workflow.forks.scripts import at_once
from tests.workflow.workspace import REPOSITORY

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="jobs are forks on Linux alone")
PATIENCE = 120
"""Seconds to wait on a busy machine."""
LOOK = """
import json, os, sys
from pathlib import Path
told = {"arguments": sys.argv, "folder": os.getcwd(), "path": sys.path[0], "file": __file__, "name": __name__,
        "shown": Path("/proc/self/cmdline").read_text().rstrip("\\0").split("\\0"),
        "said": os.environ.get("SAID"), "new": os.environ.get("NEW"),
        "open": len(os.listdir("/proc/self/fd")), "imported": "colorsys" in sys.modules}
Path(sys.argv[0]).with_suffix(".json").write_text(json.dumps(told))
"""
TIDY = """
import atexit, sys, threading, time
from pathlib import Path
left = Path(sys.argv[0]).with_suffix(".txt").open("w")
atexit.register(lambda: left.write("at the end") and left.close())
threading.Thread(target=lambda: (time.sleep(0.2), left.write("by a thread, "))).start()
"""
WAITING = """
import sys, time
from pathlib import Path
Path(sys.argv[0]).with_suffix(".begun").touch()
time.sleep({seconds})
Path(sys.argv[0]).with_suffix(".ended").touch()
"""
LEARN = """
import sys
from pathlib import Path
import torch
from microtome.devices import repeatable
with repeatable(1):
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(2, 4, 3)
    optimizer = torch.optim.Adam(layer.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.rand(2, 2, 33, 33)).square().mean().backward()
        optimizer.step()
learnt = b"".join(values.detach().numpy().tobytes() for values in layer.parameters())
Path(sys.argv[0]).with_suffix(".numbers").write_bytes(learnt)
"""


DRAW = """
import random, sys, tempfile
from pathlib import Path
import numpy as np
numbers = random.random(), np.random.random(), np.random.default_rng().random()
Path(sys.argv[0]).with_suffix(".drawn").write_text("\\n".join([*map(str, numbers), tempfile.gettempdir()]))
"""


def ready(forks: Forks) -> Forks:
    """Wait until all is imported."""
    deadline = time.monotonic() + PATIENCE
    while not forks.is_ready:
        assert time.monotonic() < deadline, "the process that jobs are forks of does not get ready"
        time.sleep(0.01)
    return forks


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_ignored():
    """Whatever began the tests may have signals ignored, which programs and forks inherit."""
    handlers = dict.fromkeys((signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1), signal.SIG_DFL)
    handlers[signal.SIGINT] = signal.default_int_handler
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory):
    """A process that has imported one module."""
    script = tmp_path_factory.mktemp("scripts") / "rule.py"
    script.write_text("import colorsys\nfrom no.such import module\n")
    found = ready(Forks([script], environment_of({})))
    yield found
    found.close()


def written(folder: Path, text: str) -> str:
    script = folder / "tmp1.rule.py"
    script.write_text(text)
    return str(script)


def run(forks: Forks, script: str, **environment: str) -> int:
    with forks.begun(script, environment_of({}) | environment) as fork:
        return fork.wait()


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} does not come"
        time.sleep(0.01)


def test_a_fork_finds_what_a_program_finds(forks, tmp_path, monkeypatch):
    script = written(tmp_path, LOOK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAID", "here")
    subprocess.run([sys.executable, script], check=True, env=environment_of({}) | {"NEW": "1"})
    expected = json.loads(Path(script).with_suffix(".json").read_text())
    assert run(forks, script, NEW="1") == 0
    found = json.loads(Path(script).with_suffix(".json").read_text())
    assert found.pop("imported")
    assert not expected.pop("imported")
    assert found == expected, "neither more open files, nor another environment"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 0),
        ("raise SystemExit", 0),
        ("raise SystemExit(3)", 3),
        ("raise SystemExit('a reason')", 1),
        ("1 / 0", 1),
        ("import os\nos.kill(os.getpid(), 9)", -signal.SIGKILL),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGHUP)", -signal.SIGHUP),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGUSR1)", -signal.SIGUSR1),
        ("import os, time\nos.kill(os.getpid(), 2)\ntime.sleep(60)", -signal.SIGINT),
        ("import os\nos._exit(7)", 7),
    ],
)  # fmt: skip
def test_the_status_of_a_fork_is_that_of_a_program(forks, tmp_path, text, status):
    script = written(tmp_path, text)
    assert subprocess.run([sys.executable, script], stderr=subprocess.DEVNULL).returncode == status
    assert run(forks, script) == status


def test_threads_and_what_is_registered_for_the_end_are_waited_for(forks, tmp_path):
    script = written(tmp_path, TIDY)
    assert run(forks, script) == 0
    assert Path(script).with_suffix(".txt").read_text() == "by a thread, at the end"


def test_a_fork_can_be_looked_at_until_it_was_waited_for(forks, tmp_path):
    """So that its time and memory can be measured however quick it is."""
    with forks.begun(written(tmp_path, ""), environment_of({})) as fork:
        assert fork.wait() == 0
        assert psutil.Process(fork.process).status() == psutil.STATUS_ZOMBIE
    deadline = time.monotonic() + PATIENCE
    while psutil.pid_exists(fork.process):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_numbers_are_those_of_a_program(tmp_path):
    script = written(tmp_path, LEARN)
    environment = environment_of({}) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, script], check=True, env=environment)
    expected = Path(script).with_suffix(".numbers").read_bytes()
    forks = ready(Forks([Path(script)], environment))
    for _ in range(2):
        with forks.begun(script, environment) as fork:
            assert fork.wait() == 0
        assert Path(script).with_suffix(".numbers").read_bytes() == expected
    forks.close()


def test_forks_draw_other_numbers_and_have_their_own_place_for_files(tmp_path):
    """As programs do: none of them begins with the state of the process that it is a fork of."""
    (tmp_path / "before.py").write_text("import tempfile; tempfile.gettempdir()")
    script = written(tmp_path, f"import before{DRAW}")
    environment = environment_of({}) | {"PYTHONPATH": str(tmp_path)}
    forks, told = ready(Forks([Path(script)], environment)), []
    for name in "abc":
        place = tmp_path / name
        place.mkdir()
        assert run(forks, script, TMPDIR=str(place)) == 0
        told.append(Path(script).with_suffix(".drawn").read_text().splitlines())
        assert told[-1].pop() == str(place)
    forks.close()
    assert len({number for numbers in told for number in numbers}) == 9


@pytest.mark.parametrize("text", ["1 / 0", "no_such_name", "import no.such", "def"])
def test_what_cannot_be_imported_is_left_to_its_jobs(tmp_path, capfd, text):
    (tmp_path / "broken.py").write_text(text)
    script = written(tmp_path, "import broken")
    forks = ready(Forks([Path(script)], environment_of({}) | {"PYTHONPATH": str(tmp_path)}))
    assert capfd.readouterr().err == ""
    assert run(forks, script) == 1
    assert "broken" in capfd.readouterr().err
    forks.close()


def test_ctrl_c_while_libraries_are_imported_is_told_by_others(tmp_path, capfd):
    (tmp_path / "slow.py").write_text(WAITING.format(seconds=1).replace("sys.argv[0]", "__file__"))
    script = written(tmp_path, "import slow")
    forks = Forks([Path(script)], environment_of({}) | {"PYTHONPATH": str(tmp_path)})
    wait_for(tmp_path / "slow.begun")
    os.kill(forks._process.pid, signal.SIGINT)
    assert run(ready(forks), script) == 0
    assert capfd.readouterr().err == ""
    forks.close()


def test_an_error_is_told_of_the_rule(forks, tmp_path):
    """Snakemake names the innermost of the rule files that it has read."""
    names = {}
    exec(compile("def rule(script, file):\n    execute(script, file)", "rules/some.smk", "exec"), names)
    names["execute"] = at_once(None, started=[forks], may=lambda script: True)
    script = SimpleNamespace(resources={}, bench_record=None)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        names["rule"](script, written(tmp_path, "raise SystemExit(3)"))
    assert failed.value.returncode == 3
    read = {str(path): {} for path in (REPOSITORY / "rules").glob("*.smk")} | {"rules/some.smk": {}}
    assert get_exception_origin(failed.value, read) == (2, "rules/some.smk")


def test_where_a_module_starts_a_thread_nothing_is_forked(tmp_path):
    (tmp_path / "busy.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1,)).start()"
    )
    script = written(tmp_path, "import busy")
    forks = Forks([Path(script)], environment_of({}) | {"PYTHONPATH": str(tmp_path)})
    forks._listener.join(PATIENCE)
    assert not forks.is_ready
    with pytest.raises(ForkError), forks.begun(script, environment_of({})):
        pass
    forks.close()


@pytest.mark.parametrize("is_bad", [True, False])
def test_where_cuda_has_begun_nothing_is_forked(tmp_path, is_bad):
    """PyTorch refuses it in a fork of a process that has begun it, as a module may that is imported."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch/__init__.py").write_text("from torch import cuda\n")
    begun = f"import os\nmain = os.getpid()\n_is_in_bad_fork = lambda: {is_bad} and os.getpid() != main\n"
    (tmp_path / "torch/cuda.py").write_text(begun)
    script = written(tmp_path, "import torch")
    forks = Forks([Path(script)], environment_of({}) | {"PYTHONPATH": str(tmp_path)})
    if is_bad:
        forks._listener.join(PATIENCE)
    else:
        ready(forks)
    assert forks.is_ready is not is_bad
    forks.close()


def test_jobs_are_killed_with_the_process_that_they_are_forks_of(tmp_path):
    forks = ready(Forks([], environment_of({})))
    script = written(tmp_path, WAITING.format(seconds=PATIENCE))
    with forks.begun(script, environment_of({})) as fork:
        job = psutil.Process(fork.process)
        wait_for(Path(script).with_suffix(".begun"))
        psutil.Process(job.ppid()).kill()
        assert fork.wait() == -signal.SIGKILL
        assert psutil.wait_procs([job], timeout=PATIENCE)[1] == []
    assert not forks.is_ready
    with pytest.raises(ForkError), forks.begun(script, environment_of({})):
        pass
    forks.close()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_what_is_sent_to_all_processes_is_for_the_jobs(tmp_path, name):
    """They may want to write a checkpoint first, and end with the process that they are forks of."""
    forks = ready(Forks([], environment_of({})))
    script = written(tmp_path, WAITING.format(seconds=0.3))
    with forks.begun(script, environment_of({})) as fork:
        wait_for(Path(script).with_suffix(".begun"))
        os.kill(forks._process.pid, signal.Signals[name])
        assert fork.wait() == 0
    forks.close()


def test_what_snakemake_was_told_to_ignore_its_jobs_ignore(tmp_path):
    """As `nohup` does with the end of a terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        forks = ready(Forks([], environment_of({})))
    finally:
        signal.signal(signal.SIGHUP, before)
    assert run(forks, written(tmp_path, "import os, signal\nos.kill(os.getpid(), signal.SIGHUP)")) == 0
    forks.close()


def test_jobs_go_on_when_their_client_is_killed(tmp_path):
    script = written(tmp_path, WAITING.format(seconds=1))
    client = (
        "from microtome.workflow.forks.client import Forks, environment_of\n"
        "forks = Forks([], environment_of({}))\n"
        "while not forks.is_ready: pass\n"
        f"with forks.begun({script!r}, environment_of({{}})) as fork: fork.wait()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen([sys.executable, "-c", client], env=environment)
    wait_for(Path(script).with_suffix(".begun"))
    below = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    wait_for(Path(script).with_suffix(".ended"))
    assert len(below) == 2
    assert psutil.wait_procs(below, timeout=PATIENCE)[1] == [], "nothing is left over"
