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
    """Notes such operations, of the backward pass, too, and copies to a device that are waited for.

    Attributes:
        device: Only of tensors on it; None: of all.
        found: Their names, in order.
    """

    def __init__(self, device=None):
        super().__init__()
        self.device, self.found = device, []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.overloadpacket.__name__
        by_mask = name in INDEXED and any(one is not None and one.dtype in MASKS for one in args[1])
        waits = name in READS or by_mask or _counts_repeats(name, args, kwargs)
        if (waits and self._concerns(args)) or self._is_slow_copy(name, args, kwargs or {}):
            self.found.append(str(operation))
        return operation(*args, **(kwargs or {}))

    def _concerns(self, args):
        """Whether a tensor lies on the device."""
        tensors = [one for one in torch.utils._pytree.tree_leaves(args) if isinstance(one, torch.Tensor)]
        return self.device is None or any(one.device == self.device for one in tensors)

    def _is_slow_copy(self, name, args, kwargs):
        """Whether values are copied to the device while the host waits."""
        if self.device is None or name not in ("_to_copy", "copy_"):
            return False
        source, target = (args[0], kwargs.get("device")) if name == "_to_copy" else (args[1], args[0].device)
        waits = not kwargs.get("non_blocking", name == "copy_" and len(args) > 2 and args[2])
        return waits and source.device.type == "cpu" and target == self.device


def _counts_repeats(name, args, kwargs):
    """Whether sizes come from a tensor of repeats."""
    return name == "repeat_interleave" and "output_size" not in (kwargs or {}) and len(args) < 4
