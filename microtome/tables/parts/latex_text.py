# SPDX-License-Identifier: MIT
"""Text for LaTeX: what it would take as a command is escaped, what its fonts lack is written as commands."""

import unicodedata

MATH = {
    "±": r"\pm",
    "×": r"\times",
    "−": "-",
    "≤": r"\leq",
    "≥": r"\geq",
    "≈": r"\approx",
    "≠": r"\neq",
    "→": r"\rightarrow",
    "←": r"\leftarrow",
    "↑": r"\uparrow",
    "↓": r"\downarrow",
    "✓": r"\checkmark",
    "°": r"^\circ",
    "·": r"\cdot",
    "∞": r"\infty",
    "√": r"\surd",
    "∑": r"\sum",
    "∂": r"\partial",
    "∈": r"\in",
    "∩": r"\cap",
    "∪": r"\cup",
    "Δ": r"\Delta",
}
ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "'": "'",
    '"': "''",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "µ": r"\textmu{}",
    "μ": r"\textmu{}",
    "€": r"\texteuro{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{THIN SPACE}": r"\,",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\n": " ",
} | {sign: f"${command}$" for sign, command in MATH.items()}
"""Brackets and stars stand in braces, as a line break of LaTeX takes those that follow it as its own."""
LATIN = 0x180
"""Below are the letters of Latin scripts, which LaTeX knows with T1 fonts."""
UNKNOWN = "?"


def escape_latex(text: str) -> str:
    r"""Escape what LaTeX would take as a command, and write what it has no letter for.

    Args:
        text: Any text; what LaTeX cannot print becomes a question mark.

    Returns:
        LaTeX for pdfLaTeX with T1 fonts; check marks need amssymb.

    Example:
        >>> escape_latex("50 % of a_b"), escape_latex("ψ0, 1/mm²"), escape_latex("[0.1, 0.2]")
        ('50 \\% of a\\_b', '$\\psi$0, 1/mm\\textsuperscript{2}', '{[}0.1, 0.2{]}')
    """
    return "".join(map(_escaped, text))


def breakable(latex: str) -> str:
    r"""Let lines break within names, behind underscores, slashes and dots between letters.

    Example:
        >>> breakable(r"a\_b")
        'a\\_\\allowbreak{}b'
    """
    return latex.replace(r"\_", r"\_\allowbreak{}").replace("/", r"/\allowbreak{}")


def _escaped(letter: str) -> str:
    if letter in ESCAPES:
        return ESCAPES[letter]
    if letter.isascii():
        return letter if letter.isprintable() else " "
    name = unicodedata.name(letter, "")
    if name.startswith(("SUPERSCRIPT", "SUBSCRIPT")):
        command = "textsuperscript" if name.startswith("SUPERSCRIPT") else "textsubscript"
        plain = unicodedata.normalize("NFKC", letter)
        return rf"\{command}{{{_escaped(plain)}}}"
    if name.startswith("GREEK") and " LETTER " in name and " WITH " not in name:
        return _greek(letter, name)
    return letter if ord(letter) < LATIN and letter.isprintable() else UNKNOWN


def _greek(letter: str, name: str) -> str:
    """A Greek letter; capitals that look like Latin ones are those."""
    word = name.rpartition(" ")[2].lower()
    if word == "omicron" or (name.split()[1] == "CAPITAL" and word.capitalize() not in CAPITALS):
        return LOOK_ALIKE.get(word, UNKNOWN) if letter.isupper() else "o"
    named = word.replace("lamda", "lambda")
    return f"$\\{named.capitalize() if letter.isupper() else named}$"


CAPITALS = {"Gamma", "Delta", "Theta", "Lamda", "Xi", "Pi", "Sigma", "Upsilon", "Phi", "Psi", "Omega"}
LOOK_ALIKE = {
    **{"alpha": "A", "beta": "B", "epsilon": "E", "zeta": "Z", "eta": "H", "iota": "I", "kappa": "K"},
    **{"mu": "M", "nu": "N", "omicron": "O", "rho": "P", "tau": "T", "chi": "X"},
}
