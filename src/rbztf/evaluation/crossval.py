"""Cross-validation: train on all folds but one, score that one, for every fold and model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.config import Config, EnsembleSection
from rbztf.errors import DataError
from rbztf.evaluation.folds import Split
from rbztf.evaluation.length_bias import score_cut
from rbztf.evaluation.operating_points import FAR10
from rbztf.evaluation.scores import Scored
from rbztf.features.table import FeatureTable
from rbztf.models.checkpoint import History
from rbztf.models.decision.decisions import Goal, decide
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.ensemble.fit import combine, train_members
from rbztf.models.objects.frame_kinds import SimulatedVectors
from rbztf.models.objects.frame_reader import FrameReader
from rbztf.models.objects.object_set import LabelledSet, Modality, ObjectSet
from rbztf.models.objects.read import read_labelled, read_objects
from rbztf.models.objects.scores import ObjectScores
from rbztf.models.rnn.fit import fit_classifier
from rbztf.models.training import choose_device, threads
from rbztf.parallel.processes import map_processes
from rbztf.progress import Progress, silent
from rbztf.stores.embeddings import Embeddings, open_embeddings
from rbztf.stores.labels import LabelTable


def ablations(section: EnsembleSection) -> dict[str, tuple[str, ...]]:
    """Parts of an ensemble worth a look: each modality alone, each member alone, all but each."""
    inputs = {name: set(member.inputs) for name, member in section.members.items()}
    names = tuple(inputs)
    parts = {
        f"{modality} only": tuple(name for name in names if inputs[name] == {modality})
        for modality in ("image", "lightcurve")
    }
    parts |= {f"{name} alone": (name,) for name in names}
    parts |= {f"without {name}": tuple(other for other in names if other != name) for name in names}
    return {title: part for title, part in parts.items() if part and part != names}


LARGEST_FALSE_ALARM = 0.10
"""On the inner folds, at the operating point ``far10``."""


@dataclass(frozen=True)
class FoldTask:
    """One training and one scoring; small enough to send to another process.

    Attributes
    ----------
    embeddings : Path or None
        Where vectors are.
    features : FeatureTable or None
    ordinary : FeatureTable or None
        Of ordinary objects, to train on beside the labelled ones.
    train, test : LabelTable
        Objects of the other folds that count by the configuration's rule, and all of this one, in their order.
    checkpoint : Path or None
        Beginning of the names of what is kept for going on.
    """

    config: Config
    embeddings: Path | None
    features: FeatureTable | None
    ordinary: FeatureTable | None
    fold: int
    train: LabelTable
    test: LabelTable
    checkpoint: Path | None
    stage: str
    simulated: SimulatedVectors | None = None


@dataclass(frozen=True)
class FoldResult:
    """Scores of a test fold and how its training went."""

    fold: int
    scored: Scored
    histories: dict[str, History]
    """Learning curves by member of an ensemble; of a single network, whose name is empty."""
    seconds: float
    cut: tuple[Scored, Scored] | None = None
    """The longer objects scored in full, and cut to ``cv.equal_length`` frames each."""
    variants: dict[str, Scored] = field(default_factory=dict)
    """With ``cv.ablate``: the same objects scored by parts of the ensemble."""

    def in_draw(self, draw: int) -> FoldResult:
        """The same, all its scores marked as those of a fold of draw number ``draw``."""

        def marked(scored: Scored) -> Scored:
            return replace(scored, draw=draw)

        return replace(
            self,
            scored=marked(self.scored),
            cut=None if self.cut is None else (marked(self.cut[0]), marked(self.cut[1])),
            variants={part: marked(scored) for part, scored in self.variants.items()},
        )


def check_split(split: Split) -> None:
    """Refuse a split in which a fold is empty.

    Raises
    ------
    DataError
        Naming the fold.
    """
    if len(split.folds) < 2:
        raise DataError(f"The split {split.name} has fewer than two folds.", "Give a split with more.")
    for number, fold in split.folds.items():
        if not fold:
            raise DataError(
                f"Fold {number} of the split {split.name} has no object that can be scored.",
                "Check the split.",
            )


def check_labels(split: Split, labels: LabelTable) -> None:
    """Refuse a split in which a test fold has one class only: it has no ROC curve.

    Raises
    ------
    DataError
        Naming the fold.
    """
    for number, fold in split.folds.items():
        n_artefacts = int(labels.labels(fold).sum())
        if n_artefacts in (0, len(fold)):
            kind = "artefact" if n_artefacts == 0 else "real object"
            raise DataError(
                f"Fold {number} of the split {split.name} has no {kind} among its {len(fold)} test objects, "
                "so it has no ROC curve.",
                "Use fewer folds or another split.",
            )


def cross_validate(
    configs: Sequence[Config],
    embeddings: Path | None,
    labels: LabelTable,
    split: Split,
    *,
    features: FeatureTable | None = None,
    ordinary: FeatureTable | None = None,
    simulated: Sequence[SimulatedVectors | None] = (),
    checkpoints: Path | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> list[list[FoldResult]]:
    """Train and score every configuration on every fold.

    Nothing is fitted on a test fold: standardisation, number of epochs, weights, calibration
    and thresholds come from its training objects.

    Parameters
    ----------
    features : FeatureTable, optional
        Light-curve features, for ensembles.
    ordinary : FeatureTable, optional
        Those of ordinary objects, which every training has beside its own.
    simulated : sequence of SimulatedVectors or None
        Of each configuration; see :mod:`rbztf.models.objects.frame_kinds`.
    checkpoints : path, optional
        Folder for checkpoints; what is trained is not trained again.
    workers : int
        Processes; 0 takes one a core. The result does not depend on it.

    Returns
    -------
    list of list of FoldResult
        One list a configuration.
    """
    tasks = []
    for number, config in enumerate(configs):
        for fold, test in split.folds.items():
            train = [oid for other, oids in split.folds.items() if other != fold for oid in oids]
            name = f"{number}-{config.name.replace('/', '-') or 'default'}-fold{fold}"
            tasks.append(
                FoldTask(
                    config,
                    embeddings,
                    features,
                    ordinary,
                    fold,
                    labels.only(train).by_rule(config.data.label_rule),
                    labels.only(test),
                    checkpoints / f"{name}.safetensors" if checkpoints else None,
                    f"{config.name or 'default'}, fold {fold}",
                    simulated[number] if simulated else None,
                )
            )
    results = map_processes(run_fold, tasks, workers, progress)
    n_folds = len(split.folds)
    return [results[i * n_folds : (i + 1) * n_folds] for i in range(len(configs))]


def run_fold(task: FoldTask, progress: Progress = silent) -> FoldResult:
    """Train without a fold and score it."""
    device = choose_device(task.config.device)
    run = _run_network if task.config.ensemble is None else _run_ensemble
    with threads(0 if device.type == "cuda" else 1):
        return run(task, _Data.of(task), device, progress)


@dataclass(frozen=True)
class _Data:
    """What a fold is trained and scored on."""

    embeddings: Embeddings | None
    features: FeatureTable | None
    train: LabelledSet

    @classmethod
    def of(cls, task: FoldTask) -> _Data:
        vectors = open_embeddings(task.embeddings, task.config.vae.latent) if task.embeddings else None
        train = read_labelled(task.train, vectors, task.features, task.config, task.ordinary, task.simulated)
        return cls(vectors, task.features, train)

    def test(self, task: FoldTask, reader: FrameReader | None) -> ObjectSet:
        return read_objects(list(task.test), self.embeddings, self.features, task.config, reader)


def _run_network(task: FoldTask, data: _Data, device: torch.device, progress: Progress) -> FoldResult:
    fitted = fit_classifier(
        data.train,
        task.config,
        device=device,
        checkpoint_path=task.checkpoint,
        progress=progress,
        stage=task.stage,
    )
    test = data.test(task, None)
    scores = fitted.bundle.score(test, device).p_bogus
    labels = task.test.labels(test.oids.tolist())
    scored = Scored(test.oids, labels, scores, fitted.bundle.threshold)
    return FoldResult(task.fold, scored, {"": fitted.history}, sum(row["seconds"] for row in fitted.history))


def _run_ensemble(task: FoldTask, data: _Data, device: torch.device, progress: Progress) -> FoldResult:
    started = time.perf_counter()
    config, section = task.config, task.config.ensemble
    assert section is not None
    trained = train_members(
        data.train,
        config,
        device=device,
        scratch=task.checkpoint.with_suffix("") if task.checkpoint else None,
        progress=progress,
        stage=task.stage,
    )
    model = combine(trained, data.train, config)
    test = data.test(task, model.reader)
    outputs = model.outputs(test, device)
    scored = score_ensemble(model, model.score_outputs(outputs, model.available(test)), test, task.test)
    variants = {}
    for name, members in ablations(section).items() if config.cv.ablate else ():
        part = combine(trained, data.train, config, members)
        scores = part.score_outputs(outputs, part.available(test))
        variants[name] = score_ensemble(part, scores, test, task.test)
    cut = _cut(model, scored, test, config, device)
    return FoldResult(task.fold, scored, trained.histories, time.perf_counter() - started, cut, variants)


def _cut(
    model: Ensemble, scored: Scored, test: ObjectSet, config: Config, device: torch.device
) -> tuple[Scored, Scored] | None:
    n = config.cv.equal_length
    if not n or Modality.IMAGE not in model.modalities:
        return None

    lengths = np.array([len(sequence) for sequence in test.sequences])

    def score(frames: list[NDArray[np.int64]]) -> NDArray[np.float64]:
        return model.score(test.take(lengths >= n).with_frames(frames), device).p_bogus

    return score_cut(scored, lengths, score, n, config.seed)


def score_ensemble(model: Ensemble, scores: ObjectScores, objects: ObjectSet, labels: LabelTable) -> Scored:
    """Test objects with their scores, decisions and kinds."""
    oids = objects.oids
    decided = decide(model, scores)
    far10 = decide(model, scores, Goal(max_false_alarm=LARGEST_FALSE_ALARM))
    return Scored(
        oids,
        labels.labels(oids.tolist()),
        scores.p_bogus,
        decided.thresholds,
        low=scores.p_low,
        high=scores.p_high,
        decisions=decided.words,
        sets=decided.sets,
        kinds=scores.kinds or None,
        thresholds={FAR10: far10.thresholds},
    )
