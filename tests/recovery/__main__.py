# SPDX-License-Identifier: MIT
"""`python -m tests.recovery`: the recovery suite, at full length."""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.recovery import scenarios
from tests.recovery.lab import SCALE, BrokenRecoveryError, Lab, no_process_left
from tests.recovery.rounds import play
from tests.recovery.scenarios import Run
from tests.workflow.workspace import OFTEN, make_workspace

MINIATURE = "mini"


def main() -> int:
    """Play the rounds and the other scenarios; the exit status."""
    options = _options()
    folder = Path(tempfile.mkdtemp(prefix="microtome-recovery-", dir=options.folder))
    lab = _lab(folder, options.study)
    say(f"undisturbed run of the study {options.study}, in {folder}")
    started = time.monotonic()
    with no_process_left(lab):
        try:
            lab.finish()
            shutil.copytree(lab.results, lab.reference)
            say(f"took {time.monotonic() - started:.0f} s")
            shutil.rmtree(lab.results)
            finishes = play(lab, options.rounds, options.seed, say)
            say(
                f"{options.rounds} of {options.rounds} rounds; the workflow finished {finishes} times in them"
            )
            _others(lab, _run(lab, options.study, options.run))
        except BrokenRecoveryError as error:
            say(f"failed: {error}\nThe workspace stays: {folder}")
            return 1
    say(f"all passed in {time.monotonic() - started:.0f} s")
    shutil.rmtree(folder)
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="kills at random moments")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--study", default=MINIATURE, help="whose demo is disturbed")
    parser.add_argument("--run", help="its run that the other scenarios disturb; by default its first")
    parser.add_argument("--folder", type=Path, help="where the workspace goes")
    return parser.parse_args()


def _lab(folder: Path, study: str) -> Lab:
    workspace = make_workspace(folder / "workspace")
    workspace.write("config/config.yaml", f"scale: demo\nstudies: [{study}]\ndevice: cpu\n{OFTEN}")
    return Lab(workspace, folder / "reference")


def _run(lab: Lab, name: str, run: str | None) -> Run:
    """The run that is disturbed; the first of a study is a trained one."""
    study = lab.workspace.study(name)
    chosen = run or next(iter(study["runs"]))
    trained = sorted((lab.reference / SCALE / name / "runs").glob(f"*/{chosen}/seed-0"))
    return Run(name, chosen, trained[0].parent.parent.name, on_slides="slides" in study)


def _others(lab: Lab, run: Run) -> None:
    refused = scenarios.cannot_mount()
    for scenario in (scenarios.full_disk, scenarios.read_only):
        say(f"{scenario.__name__}: {f'left out, {refused}' if refused else scenario(lab, run)}")
    for scenario in (
        scenarios.second_scheduler,
        scenarios.damaged_checkpoint,
        scenarios.other_checkpoint,
        scenarios.two_writers,
        scenarios.slide_at_work if run.on_slides else scenarios.image_at_work,
    ):
        say(f"{scenario.__name__}: {scenario(lab, run)}")


if __name__ == "__main__":
    sys.exit(main())
