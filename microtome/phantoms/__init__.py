# SPDX-License-Identifier: MIT
"""Simulators with known truth, one per modality.

A phantom is a package with two functions of its options: `files` simulates and yields the name and content of
each file; `rows`, in its module `sheet`, lists its samples, which are known before anything is simulated.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from microtome.registry import search_path

if TYPE_CHECKING:
    from microtome.config.section import Section

__path__ = search_path(__name__, __path__)


def sheet_rows(phantom: "Section") -> list[dict[str, Any]]:
    """The rows of a phantom's sample sheet: the fields of `microtome.study.sheet.Sample` that it fills.

    Example:
        >>> from microtome.config.phantoms.em import EMPhantomData
        >>> len(sheet_rows(EMPhantomData()))
        12
    """
    return import_module(f"{__name__}.{phantom.kind}.sheet").rows(phantom)
