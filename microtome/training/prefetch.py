# SPDX-License-Identifier: MIT
"""Making items while earlier ones are used."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
DEPTH = 2
"""Items made ahead."""
END = object()


def ahead(items: Iterator[Item], *, enabled: bool = True) -> Iterator[Item]:
    """Yield the same items in the same order, made by a thread while the caller works.

    Args:
        items: Where they come from; an error there is raised here, at its place.
        enabled: False makes each item when it is asked for.

    Example:
        >>> list(ahead(iter([1, 2, 3])))
        [1, 2, 3]
    """
    if not enabled:
        yield from items
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as pool:
        waiting = deque(pool.submit(next, items, END) for _ in range(DEPTH))
        while (item := waiting.popleft().result()) is not END:
            waiting.append(pool.submit(next, items, END))
            yield item
