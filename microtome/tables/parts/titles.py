# SPDX-License-Identifier: MIT
"""Titles of tables and figures with the number that they have in a publication, which LaTeX counts anew."""

import re

WORDS = r"(?:\w+ )?(?:Tables?|Figures?|Fig\.)"
NUMBERED = re.compile(rf"^({WORDS} [\dIVXL]+[a-z]?(?:(?:,| and| to|-|–) ?[\dIVXLa-z]{{1,4}}\b)*):\s+(?=\S)")


def unnumbered(title: str) -> tuple[str, str]:
    """Take a title and the number at its head apart.

    Args:
        title: E.g. ``"Table II: ablation"``.

    Returns:
        The title with a capital, and the number; empty where it has none.

    Example:
        >>> unnumbered("Figures 26 and 27: mirroring"), unnumbered("Figure 4a to e: error rates")
        (('Mirroring', 'Figures 26 and 27'), ('Error rates', 'Figure 4a to e'))
        >>> unnumbered("Table II: ablation"), unnumbered("Second Table 2: Ciresan's network")
        (('Ablation', 'Table II'), ("Ciresan's network", 'Second Table 2'))
        >>> unnumbered("Data")
        ('Data', '')
    """
    found = NUMBERED.match(title)
    if found is None:
        return title, ""
    text = title[found.end() :]
    return text[:1].upper() + text[1:], found[1]
