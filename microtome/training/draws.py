# SPDX-License-Identifier: MIT
"""What chance decides of the augmentation of a batch: drawn on the CPU, so that a seed gives the same batch
on every device, by a generator of its own, so that the global random state is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import torch
from torch import Generator, Tensor
from torch.nn import functional

from microtome.config.augment import GEOMETRY, INTENSITIES, Augment
from microtome.training.geometry import MOVES, affine, unmoved
from microtome.training.intensity import CHANGES, Numbers, Shape, chosen, gaussians, uniform
from microtome.training.turns import drawn_turns

WARP = "warp"
"""Name of the step that resamples: all geometry but flips and quarter turns."""


class Step(NamedTuple):
    """A step of an augmentation, `WARP` or a name of `INTENSITIES`, and what was drawn for it.

    Attributes:
        name: The step.
        numbers: What was drawn, the first axis is the images.
        chosen: (N,) bool, the images that the step changes; None: all.
    """

    name: str
    numbers: Numbers
    chosen: Tensor | None = None


@dataclass(frozen=True)
class Draws:
    """All that is random in the augmentation of a batch; the first axis of each tensor is its images.

    Attributes:
        turns: Flips and quarter turns, see `turns.drawn_turns`.
        steps: What follows them, in the order in which it is done.
        changed: (N,) bool, the images that are changed at all; None: all.
        alone: Whether each image is changed as if there were no others.
    """

    turns: Mapping[str, Tensor] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    changed: Tensor | None = None
    alone: bool = False

    @property
    def warps(self) -> bool:
        """Whether pixels are interpolated."""
        return any(step.name == WARP for step in self.steps)

    def pinned(self) -> Self:
        """In page-locked memory, from which a GPU copies while the host goes on; needs CUDA."""
        return self._each(lambda values: values if values.is_pinned() else values.pin_memory())

    def on(self, device: torch.device) -> Self:
        """On a device; from page-locked memory the copy does not wait.

        Example:
            >>> draws = draw((1, 1, 4, 4), Augment(gamma=0.1), seed=0)
            >>> draws.on(torch.device("meta")).steps[0].numbers[0].device.type
            'meta'
        """
        return self._each(lambda values: values.to(device, non_blocking=values.is_pinned()))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Self:
        """The same with changed tensors."""
        return replace(
            self,
            turns={name: change(chosen) for name, chosen in self.turns.items()},
            steps=tuple(_changed(step, change) for step in self.steps),
            changed=None if self.changed is None else change(self.changed),
        )


def draw(shape: Shape, settings: Augment, *, seed: int, margin: int = 0) -> Draws:
    """Draw the augmentation of a batch.

    Args:
        shape: Of the images, (N, C, H, W), with their margin.
        settings: What may happen. With `order` the steps are drawn and taken as listed, else flips and turns
            come first, then other geometry, then intensities.
        seed: Fixes every draw.
        margin: Pixels at each side that are cut off by the last geometry, or first if there is none.

    Raises:
        ValueError: Quarter turns meet oblong images, stains images that are not RGB, or the margin leaves
            nothing.

    Example:
        >>> [step.name for step in draw((2, 1, 8, 8), Augment(gamma=0.1, rotation=5), seed=0).steps]
        ['warp', 'gamma']
    """
    _check(shape, settings, margin)
    generator = Generator().manual_seed(seed)
    inner = (*shape[:2], *(side - 2 * margin for side in shape[2:]))
    if settings.order:
        return Draws(steps=_listed(shape, inner, settings, generator))
    turns = drawn_turns(shape[0], settings, generator)
    steps = [Step(WARP, _warp(inner, settings, generator))] if settings.warps else []
    steps += [_intensity(name, inner, settings, generator) for name in INTENSITIES if settings.takes(name)]
    return Draws(turns, tuple(steps))


def draw_copies(
    shape: Shape, settings: Augment, *, seeds: Sequence[int | None], margin: int = 0
) -> Draws | None:
    """Draw the augmentation of each image of a batch by a seed of its own, as if it were alone.

    Args:
        shape: See `draw`.
        settings: See `draw`.
        seeds: Of each image; None leaves it as it is.
        margin: See `draw`.

    Returns:
        None if no image has a seed.

    Example:
        >>> draw_copies((2, 1, 8, 8), Augment(gamma=0.1), seeds=(None, 7)).changed.tolist()
        [False, True]
    """
    one = (1, *shape[1:])
    drawn = [None if seed is None else draw(one, settings, seed=seed, margin=margin) for seed in seeds]
    anything = next((draws for draws in drawn if draws), None)
    if anything is None:
        return None
    changed = torch.tensor([draws is not None for draws in drawn])
    each = [draws or anything for draws in drawn]
    return Draws(
        {name: torch.cat([draws.turns[name] for draws in each]) & changed for name in anything.turns},
        tuple(_joined(steps) for steps in zip(*(draws.steps for draws in each), strict=True)),
        changed,
        alone=True,
    )


def _changed(step: Step, change: Callable[[Tensor], Tensor]) -> Step:
    """The step with changed tensors."""
    some = None if step.chosen is None else change(step.chosen)
    return Step(step.name, tuple(map(change, step.numbers)), some)


def _check(shape: Shape, settings: Augment, margin: int) -> None:
    size = tuple(shape[2:])
    if settings.rotate90 and size[0] != size[1]:
        msg = f"rotate90 needs square images, found {size}; crop them or set it to 0."
        raise ValueError(msg)
    if not 0 <= 2 * margin < min(size):
        msg = f"found a margin of {margin} of images {size}, expected less than half of them"
        raise ValueError(msg)


def _joined(steps: Sequence[Step]) -> Step:
    """One step of several images."""
    numbers = zip(*(step.numbers for step in steps), strict=True)
    some = None if steps[0].chosen is None else torch.cat([step.chosen for step in steps])
    return Step(steps[0].name, tuple(torch.cat(_of_one_width(values)) for values in numbers), some)


def _of_one_width(values: Sequence[Tensor]) -> list[Tensor]:
    """Weights of Gaussians of several widths with as many zeros at both ends as the widest has more."""
    widths = [one.shape[-1] for one in values]
    lacking = [(max(widths) - width) // 2 for width in widths]
    pairs = zip(values, lacking, strict=True)
    return [functional.pad(one, (zeros, zeros)) if zeros else one for one, zeros in pairs]


def _warp(shape: Shape, settings: Augment, generator: Generator) -> Numbers:
    """Where pixels come from, see `geometry.sources`, and what deforms it, see `_deformation`."""
    placed = affine(shape[0], torch.Size(shape[2:]), settings, generator).backward
    return (*placed, *_deformation(shape, settings, generator)) if settings.elastic_alpha else placed


def _deformation(shape: Shape, settings: Augment, generator: Generator) -> Numbers:
    """Displacements (N, 2, H, W) before smoothing, which are deformed (N,), and what smooths them."""
    count, _, *size = shape
    noise = uniform(generator, (count, 2, *size), -settings.elastic_alpha, settings.elastic_alpha)
    deformed = uniform(generator, (count,), 0, 1) < settings.elastic_probability
    return noise, deformed, *gaussians(torch.full((count,), settings.elastic_sigma), tuple(size))


def _intensity(name: str, shape: Shape, settings: Augment, generator: Generator) -> Step:
    """A change of intensities; which images it changes is drawn where it is not all of them."""
    share = settings.share(name)
    some = None if share == 1 else chosen(shape[0], share, generator)
    return Step(name, CHANGES[name].draw(shape, settings, generator), some)


def _listed(shape: Shape, inner: Shape, settings: Augment, generator: Generator) -> tuple[Step, ...]:
    """The steps of `order`; geometry is gathered into one map, which its last step applies."""
    names = [name for name in settings.order if settings.takes(name)]
    last = max((number for number, name in enumerate(names) if name in GEOMETRY), default=-1)
    placed, size, steps = unmoved(shape[0]), torch.Size(inner[2:]), []
    for number, name in enumerate(names):
        if name not in GEOMETRY:
            seen = shape if number < last else inner
            steps.append(_intensity(name, seen, settings, generator))
            continue
        placed = placed.then(MOVES[name](shape[0], size, settings, generator))
        if number == last:
            steps.append(Step(WARP, placed.backward))
    return tuple(steps)
