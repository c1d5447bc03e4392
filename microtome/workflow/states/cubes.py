# SPDX-License-Identifier: MIT
"""State strings of the rules that turn raw cubes into the bands networks see; part of `plan.StudyPlan`."""

from pathlib import Path
from typing import Any

from microtome.config.study import Study
from microtome.study.headers import is_envi


class CubeStates:
    """States of the rules in `rules/cubes.smk`."""

    study: Study
    root: Path

    def calibrate(self, batch: str) -> str:
        """State of `calibrate`, which also renders the cubes that stand in place of a picture."""
        options, rendered = self._cubes(batch, "cube", "dark", "blank"), self.rendered(batch)
        options["cubes"] |= {"rendered": rendered} if rendered else {}
        return self._state("calibrate", options)

    def rendered(self, batch: str) -> list[str]:
        """The samples of a batch whose picture is rendered from their cube."""
        return [name for name in self.batches[batch] if is_envi(self.samples[name].image)]

    def score_bands(self) -> str:
        """State of `score_bands`."""
        return self._state("score_bands", self.study.cubes.bands.model_dump(include={"bins", "method"}))

    def select_bands(self, split: str) -> str:
        """State of `select_bands`."""
        options = self.study.cubes.bands.model_dump(exclude={"bins"})
        return self._state("select_bands", options | {"samples": self.scored(split)})

    def scored(self, split: str) -> list[str]:
        """The samples by which bands are chosen: those of training; all, where nothing is trained."""
        nothing_trained = self.study.split.kind == "none"
        return list(self.samples) if nothing_trained else self.members(split, "train")

    def cut_bands(self) -> str:
        """State of `cut_bands`."""
        return self._state("cut_bands", {})

    def cut_raw(self, batch: str) -> str:
        """State of `cut_raw`."""
        return self._state("cut_raw", self._cubes(batch, "cube"))

    def raw_cubes(self) -> dict[str, str]:
        """The raw cube of each sample of the evaluated parts, where cubes are calibrated."""
        if self.study.cubes.calibrated:
            return {}
        shown = {
            m for split in self.splits for p in self.study.evaluate.parts for m in self.members(split, p)
        }
        cubes = {name: self.samples[name].cube for name in self.samples if name in shown}
        return {name: (self.root / cube).as_posix() for name, cube in cubes.items() if cube}

    def _cubes(self, batch: str, *columns: str) -> dict[str, Any]:
        """What reading the cubes of a batch depends on."""
        rows = [{key: row.get(key) for key in ("sample", "mpp", *columns)} for row in self.rows(batch)]
        cubes = self.study.cubes.model_dump(exclude={"bands"})
        return {"root": self.root.as_posix(), "samples": rows, "cubes": cubes}
