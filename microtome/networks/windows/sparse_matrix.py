# SPDX-License-Identifier: MIT
"""A sparse matrix that a device multiplies by a dense one, in the same order every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class SparseMatrix(NamedTuple):
    """The entries of a matrix, row by row.

    `torch.sparse.mm` on a GPU sums in no fixed order, and on a CPU takes three times as long. A row of the
    product is a sum of weighted rows, which PyTorch knows as a bag of embeddings.

    Attributes:
        columns: (entries,) int64.
        starts: (rows + 1,) int64, the first entry of each row, and how many there are.
        weights: (entries,) floating point.
    """

    columns: Tensor
    starts: Tensor
    weights: Tensor

    @classmethod
    def on(cls, device: torch.device, matrix: csr_array, dtype: torch.dtype) -> Self:
        """A matrix of SciPy on a device; the host does not wait for it.

        Example:
            >>> from scipy.sparse import csr_array
            >>> half = SparseMatrix.on(torch.device("cpu"), csr_array([[0, 0.5], [1, 0]]), torch.float32)
            >>> half.times(torch.tensor([[1.0, 2.0], [4.0, 6.0]])).tolist()
            [[2.0, 3.0], [1.0, 2.0]]
        """
        ordered = matrix.sorted_indices()
        numbers = (torch.from_numpy(values).long() for values in (ordered.indices, ordered.indptr))
        found = (*numbers, torch.from_numpy(ordered.data).to(dtype))
        return cls(*(values.to(device, non_blocking=True) for values in found))

    def times(self, dense: Tensor) -> Tensor:
        """The product with a matrix (columns, n), contiguous, of the type of the weights: (rows, n)."""
        return functional.embedding_bag(
            self.columns,
            dense,
            self.starts,
            mode="sum",
            per_sample_weights=self.weights,
            include_last_offset=True,
        )
