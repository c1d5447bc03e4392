# SPDX-License-Identifier: MIT
"""What is measured on an image; one module per family, chosen by name in the study file.

Each module has `measure(context) -> list[Measure]`, and says in the literals `OF_IMAGE` and `OF_CLASS` what
it measures of the image and of each class; `{loss}`, `{threshold}`, `{beta}` and `{class}` stand for those of
the study. `COUNTS` names what all of its metrics follow from and what adds up over images, if there is such;
`LOWER_IS_BETTER` names those of which less is better, `POOLED` those of the image that also follow from the
counts of many images together; `CLASSES` the number of classes that it is defined for, if not any; `NEEDS`
what the study must have (`config.checks_products.OF_STUDIES`), if anything; `OF_PROBABILITIES` that it
measures probabilities, which segmentations of other tools do not have, and by which no segmentation is
chosen. They are read without importing.
"""

from microtome.registry import search_path

__path__ = search_path(__name__, __path__)
