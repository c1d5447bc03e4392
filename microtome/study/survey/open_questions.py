# SPDX-License-Identifier: MIT
"""What a person has to settle, as nobody can tell it from files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """A matter that is open.

    Attributes:
        text: What is open, and what is assumed until it is settled.
        option: Where it is settled: an option of the study, or a column of the sheet.
    """

    text: str
    option: str
