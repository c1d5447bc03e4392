# SPDX-License-Identifier: MIT
"""Formulas as MathML, which browsers set without a script."""

import re
from functools import cache

from latex2mathml import exceptions
from latex2mathml.converter import convert

UNREADABLE = tuple(error for error in vars(exceptions).values() if isinstance(error, type))
SIGNS = {"<": r"\lt ", ">": r"\gt "}
"""Written as commands, so that no text of a formula becomes an element of the page."""
ELEMENTS = (
    "math|mrow|mi|mn|mo|mtext|mspace|mfrac|msqrt|mroot|msub|msup|msubsup|munder|mover|munderover|mtable|mtr"
    "|mtd"
)
ATTRIBUTES = (
    "xmlns|display|stretchy|mathvariant|fence|form|separator|movablelimits|accent|width|minsize|maxsize"
    "|lspace|rspace"
)
ALLOWED = re.compile(rf'</?(?:{ELEMENTS})(?: (?:{ATTRIBUTES})="[\w:/.% -]*")* ?/?>')
TAG = re.compile(r"<[^>]*>?")


@cache
def mathml_of(formula: str) -> str:
    r"""Write a formula as MathML.

    Args:
        formula: LaTeX mathematics without the dollar signs.

    Returns:
        One element, which may stand in a page as it is: elements and attributes are those of MathML that say
        how a formula looks. Empty where the formula cannot be read, or asks for others.

    Example:
        >>> mathml_of("u^2")[-53:]
        '<mrow><msup><mi>u</mi><mn>2</mn></msup></mrow></math>'
        >>> mathml_of(r"\frac{")
        ''
    """
    try:
        found = convert("".join(SIGNS.get(letter, letter) for letter in formula))
    except (*UNREADABLE, IndexError, KeyError, ValueError):
        return ""
    return found if all(map(ALLOWED.fullmatch, TAG.findall(found))) else ""
