# SPDX-License-Identifier: MIT
"""What is measured on an image; one module per family, chosen by name in the study file.

Each module has `measure(context) -> list[Measure]`, and says in the literals `OF_IMAGE` and `OF_CLASS` what
it measures of the image and of each class; `{loss}` and `{threshold}` stand for those of the study. They are
read without importing.
"""

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)
