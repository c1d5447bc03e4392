# SPDX-License-Identifier: MIT
"""Which texts can be paths of files."""

import os
from pathlib import PurePosixPath

LONGEST_PATH = 4000
LONGEST_NAME = 255
"""Bytes; what Linux and macOS take."""


def unfit_for_files(text: str) -> str:
    """Why no file can have this path; empty if one can.

    Example:
        >>> unfit_for_files("a/b.png"), unfit_for_files("a" * 300)
        ('', 'a name of more than 255 bytes')
    """
    if not text.isprintable():
        return "which has characters that do not print"
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in PurePosixPath(text).parts):
        return f"a name of more than {LONGEST_NAME} bytes"
    return f"a path of more than {LONGEST_PATH} bytes" if len(os.fsencode(text)) > LONGEST_PATH else ""
