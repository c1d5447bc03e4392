# SPDX-License-Identifier: MIT
"""What drawing a figure gives."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure


@dataclass(frozen=True)
class FigureResult:
    """A figure, the data behind it and its caption.

    Attributes:
        figure: The drawing.
        data: The values that are drawn, at full precision.
        caption: Caption, one paragraph of plain text.
    """

    figure: Figure
    data: pd.DataFrame
    caption: str

    def __post_init__(self) -> None:
        """Check that there are data behind the figure."""
        if self.data.empty:
            msg = f"the figure {self.caption!r} has no data behind it; draw it from at least one run or image"
            raise ValueError(msg)
