# Where the workflow lies: also as a module of another one, whose folder `workflow.basedir` is.
import io
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path

from snakemake.sourcecache import HostingProviderFile


def unpacked(repository, ref):
    """The files of a commit, in a folder of the project: Snakemake has them packed, and Python is to import them."""
    git = ["git", "-C", str(repository)]
    commit = subprocess.check_output(
        [*git, "rev-parse", f"{ref}^{{commit}}"], text=True
    ).strip()
    folder = Path(f".snakemake/microtome-{commit}").absolute()
    if not folder.is_dir():
        folder.parent.mkdir(exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent))
        packed = subprocess.check_output([*git, "archive", commit])
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            files.extractall(draft, filter="data")
        with suppress(OSError):  # another process was the first
            draft.rename(folder)
    return folder


def workflow_folder(rules):
    """The folder above that of the rules; of a module from a repository (`github(...)`) it is unpacked."""
    if isinstance(rules, HostingProviderFile):
        return unpacked(rules.hosted_repo.repo.git_dir, rules.ref)
    return Path(str(rules)).parent


CLONE = workflow_folder(workflow.current_basedir)
