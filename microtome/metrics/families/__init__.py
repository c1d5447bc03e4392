# SPDX-License-Identifier: MIT
"""What is measured on an image; one module per family, chosen by name in the study file.

Each module has `measure(context) -> list[Measure]`.
"""

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)
