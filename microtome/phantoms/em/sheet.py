# SPDX-License-Identifier: MIT
"""The sample sheet of the EM phantom."""

from microtome.config.phantoms.em import EMPhantomData
from microtome.phantoms._rows import PARTS, Row, files_of


def rows(options: EMPhantomData) -> list[Row]:
    """Slices in order, parts in order, blocks of neighbours.

    Example:
        >>> [row["part"] for row in rows(EMPhantomData(slices={"train": 2, "test": 1}))]
        ['train', 'train', 'test']
    """
    places = [(part, place) for part in PARTS for place in range(options.slices.get(part, 0))]
    return [
        {
            **files_of(f"slice-{number:03d}", number),
            "unit": f"{part}-block-{place // options.block}",
            "group": "phantom",
            "part": part,
            "z": str(number),
        }
        for number, (part, place) in enumerate(places)
    ]
