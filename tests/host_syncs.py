# SPDX-License-Identifier: MIT
"""Operations that on a GPU make the host wait for the device, seen on a CPU."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode

READS = {
    "_local_scalar_dense", "is_nonzero", "item", "equal", "allclose", "nonzero", "nonzero_numpy", "argwhere",
    "masked_select", "masked_scatter", "_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount",
}  # fmt: skip
"""What returns a number to Python, or a tensor whose size depends on the numbers in another."""
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"}
MASKS = (torch.bool, torch.uint8)


class HostSyncs(TorchDispatchMode):
    """Notes such operations, of the backward pass, too.

    Attributes:
        found: Their names, in order.
    """

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        by_mask = name in INDEXED and any(one is not None and one.dtype in MASKS for one in args[1])
        if name in READS or by_mask or _counts_repeats(name, args, kwargs):
            self.found.append(str(operation))
        return operation(*args, **(kwargs or {}))


def _counts_repeats(name, args, kwargs):
    """Whether sizes come from a tensor of repeats."""
    return name == "repeat_interleave" and "output_size" not in (kwargs or {}) and len(args) < 4
