"""Predictions of many objects: read on one thread, scored on several, gathered with what is worth knowing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from rbztf.errors import Problem, RbztfError
from rbztf.models.decision.decisions import Goal
from rbztf.models.model import Model
from rbztf.parallel.threads import map_threads
from rbztf.prediction.inputs import InputPaths, ObjectInputs
from rbztf.prediction.reader import ObjectReader
from rbztf.prediction.result import Prediction
from rbztf.prediction.score import predict_objects
from rbztf.ztf import Oid

CHUNK = 128
"""Objects that a thread scores at once."""
Scores = tuple[list[Prediction], int]
"""Predictions, and how many of the objects have light curves that go on after those of the training."""


class PredictionRun:
    """Reads and scores objects, part by part, and gathers what is worth knowing of them.

    Attributes
    ----------
    reader : ObjectReader
        Once :meth:`open` was called.
    problems : list of Problem
        What could not be fetched, read or scored.
    n_done : int
        Objects asked for so far, with or without a prediction.
    n_go_on : int
        Objects with light curves that go on after those of the training.
    """

    reader: ObjectReader

    def __init__(
        self,
        model: Model,
        name: str,
        device: torch.device,
        until_mjd: float | None,
        goal: Goal | None,
        explain: bool,
        force: bool = False,
    ) -> None:
        self._model, self._name, self._device, self._until_mjd = model, name, device, until_mjd
        self._goal, self._explain, self._force = goal, explain, force
        self._notes: dict[str, None] = {}
        self._not_fetched: set[str] = set()
        self.problems: list[Problem] = []
        self.n_done = self.n_go_on = 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """Each once, in the order in which they came."""
        return tuple(self._notes)

    def open(self, paths: InputPaths, *, cutouts_follow: bool = False) -> None:
        """Open what there is to read; ``cutouts_follow`` as in :meth:`ObjectReader.open`."""
        if cutouts_follow and paths.cutouts is not None and not paths.cutouts.is_dir():
            paths = replace(paths, cutouts=None)
        self.reader = ObjectReader.open(
            self._model, paths, self._device, self._until_mjd, cutouts_follow=cutouts_follow
        )
        self._notes |= dict.fromkeys(self.reader.warnings)

    def read_fetched(self, folder: Path, problems: Sequence[Problem], notes: Sequence[str]) -> None:
        """Go on with what was fetched into ``folder``; objects with ``problems`` get no second one."""
        self.problems += problems
        self._not_fetched |= {problem.where for problem in problems}
        self._notes |= dict.fromkeys(notes)
        if folder.is_dir():
            self.reader = self.reader.with_cutouts(folder)

    def __call__(self, oids: Sequence[Oid]) -> Iterator[list[Prediction]]:
        """Predictions of the objects, chunk by chunk."""
        reader = self.reader
        chunks = [oids[start : start + CHUNK] for start in range(0, len(oids), CHUNK)]
        read = (list(self._read(chunk)) for chunk in chunks)

        def score(found: Sequence[ObjectInputs]) -> Scores:
            if not found:
                return [], 0
            made = predict_objects(
                reader,
                found,
                self._name,
                self._goal,
                self.problems,
                explain=self._explain,
                force=self._force,
            )
            return made, sum(entry.features.goes_on for entry in found if entry.features)

        n_threads = torch.get_num_threads() if reader.device.type == "cpu" and not self._explain else 1
        for chunk, (made, n_go_on) in zip(
            chunks, map_threads(score, read, n_threads if n_threads > 1 else 0)
        ):
            self.n_go_on += n_go_on
            self.n_done += len(chunk)
            yield made

    def _read(self, oids: Sequence[Oid]) -> Iterator[ObjectInputs]:
        """The objects that can be scored; of one that could not be fetched that says it all."""
        for oid in oids:
            try:
                yield self.reader.read(oid, self.problems)
            except RbztfError as error:
                if str(oid) not in self._not_fetched:
                    self.problems.append(Problem(str(oid), str(error)))
