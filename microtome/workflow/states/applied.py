# SPDX-License-Identifier: MIT
"""State strings of ensembles and of trained runs used elsewhere; part of `plan.StudyPlan`."""

from collections.abc import Callable
from typing import Any

from microtome.config.study import Study
from microtome.workflow.states.runs import calibrate_options, predict_options


class EnsembleStates:
    """Which trained runs stand behind a run, and the states of the rules that put them together."""

    study: Study
    scale: str
    data_kind: str
    labels: Callable[[], dict[str, str]]
    _state: Callable[..., str]
    _stain_options: Callable[[str], dict[str, Any]]

    def seeds(self, run: str) -> tuple[int, ...]:
        """The seeds of a run; an ensemble has those that all its members share, unless it averages seeds."""
        settings = self.study.runs[run]
        if not settings.is_ensemble or settings.member_seeds:
            return settings.seeds
        shared = set.intersection(*(set(self.study.runs[member].seeds) for member in settings.members))
        return tuple(sorted(shared))

    def trained(self, run: str, seed: int) -> list[tuple[str, int]]:
        """The trained runs and seeds behind a run: itself, or an ensemble's members."""
        settings = self.study.runs[run]
        if not settings.is_ensemble:
            return [(run, seed)]
        return [(member, each) for member in settings.members for each in settings.member_seeds or (seed,)]

    def applied_stains(self, run: str) -> list[str]:
        """The stain normalizations that these use, each once."""
        found = [self.study.runs[member].stain for member in self._members(run)]
        return [name for name in dict.fromkeys(found) if name]

    def average(self, run: str) -> str:
        """State of `average`."""
        return self._state("average", self._averaged(run))

    def uncertainty(self, run: str) -> str:
        """State of `uncertainty`."""
        return self._state("uncertainty", self._averaged(run) | {"activation": self._activation(run)})

    def ensemble(self, split: str, run: str, seed: int) -> str:
        """State of `ensemble`, which writes the card of an ensemble."""
        identity = {"study": self.study.name, "scale": self.scale, "split": split, "run": run, "seed": seed}
        return self._state("ensemble", identity | self._averaged(run) | {"data_source": self.data_kind})

    def apply(self, run: str, seed: int) -> str:
        """State of `apply_run`."""
        settings = [self.study.runs[member] for member, _ in self.trained(run, seed)]
        members = [
            {
                "predict": predict_options(one),
                "calibrate": calibrate_options(one),
                "stain": one.stain and self._stain_options(one.stain) | {"name": one.stain},
            }
            for one in settings
        ]
        asked = self.study.runs[run]
        names = sorted({f"microtome.networks.{one.network.name}" for one in settings})
        options = {"members": members, "segment": asked.segment.model_dump(), "mpp": self.study.data.mpp}
        doubt = {"uncertainty": self._activation(run)} if asked.uncertainty else {}
        return self._state("apply_run", options | doubt, modules=tuple(names))

    def export_run(self, run: str, dataset: Any) -> str:
        """State of `export_run`; the data set, if it is public, is cited in the package."""
        names = dict.fromkeys([run, *self._members(run)])
        runs = {name: self.study.runs[name].model_dump(mode="json", exclude={"seeds"}) for name in names}
        cited = None if dataset is None else dataset.model_dump(mode="json", include={"citation", "licence"})
        options = {"runs": runs, "label": self.labels()[run], "dataset": cited, "paper": self.study.paper}
        return self._state("export_run", options | {"stains": self.applied_stains(run)})

    def _members(self, run: str) -> list[str]:
        return list(self.study.runs[run].members) or [run]

    def _averaged(self, run: str) -> dict[str, Any]:
        """What is averaged; the seeds only where the run names them."""
        settings = self.study.runs[run]
        seeds = {"member_seeds": settings.member_seeds} if settings.member_seeds else {}
        return {"members": settings.members} | seeds

    def _activation(self, run: str) -> str:
        """How the members' maps are to be read: K classes that sum to 1, or each output by itself."""
        members = (self.study.runs[member].network for member in self._members(run))
        return "softmax" if all(network.CLASS_MAP for network in members) else "sigmoid"
