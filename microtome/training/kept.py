# SPDX-License-Identifier: MIT
"""Weights of the epochs that a training keeps: a file each, beside the checkpoint that names them.

An epoch's weights are written before the checkpoint that names them, and removed after one that does not, so
whatever a checkpoint names is there, whenever the process is killed.
"""

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from microtome.files import DIGEST, sha256_of_file
from microtome.training.checkpoint import CheckpointError, write_tensors

SUFFIX = ".safetensors"


def weights_name(epoch: int) -> str:
    """The file of an epoch's weights.

    Example:
        >>> weights_name(7)
        '0007.safetensors'
    """
    return f"{epoch:04d}{SUFFIX}"


@dataclass(frozen=True)
class KeptWeights:
    """The weights of some epochs in a folder."""

    folder: Path

    @classmethod
    def beside(cls, checkpoint: Path) -> "KeptWeights":
        """Those that a checkpoint names.

        Example:
            >>> KeptWeights.beside(Path("run/checkpoint.safetensors")).folder.as_posix()
            'run/checkpoint.kept'
        """
        return cls(checkpoint.with_suffix(".kept"))

    def path(self, epoch: int) -> Path:
        """The file of an epoch."""
        return self.folder / weights_name(epoch)

    def write(self, epoch: int, weights: Mapping[str, Tensor], key: str) -> None:
        """Write the weights of an epoch, in place of those that are there.

        Raises:
            OSError: The disk is full or cannot be written.
        """
        tensors = {name: value.contiguous() for name, value in weights.items()}
        write_tensors(self.path(epoch), tensors, f"{key} {epoch}")

    def digests(self, epochs: Collection[int]) -> dict[str, str]:
        """The files of some epochs, as a checkpoint names them: name and start of the SHA-256."""
        return {weights_name(epoch): sha256_of_file(self.path(epoch))[:DIGEST] for epoch in epochs}

    def require(self, digests: Mapping[str, str]) -> None:
        """Make sure that the files which a checkpoint names are there as they were written.

        Raises:
            CheckpointError: One is not.
        """
        for name, digest in digests.items():
            path = self.folder / name
            if not path.is_file() or sha256_of_file(path)[:DIGEST] != digest:
                msg = f"the weights {path}, which the checkpoint names, are gone or changed"
                raise CheckpointError(msg)

    def leave_only(self, epochs: Collection[int]) -> None:
        """Remove the files of all other epochs, and the folder if none is left."""
        names = {weights_name(epoch) for epoch in epochs}
        for path in self.folder.glob(f"*{SUFFIX}"):
            if path.name not in names:
                path.unlink()
        if not epochs:
            shutil.rmtree(self.folder, ignore_errors=True)
