"""Where ``predict`` finds what it scores: cutouts, embeddings, tables of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.errors import DataError, Problem, UsageError
from rbztf.features import snad_set
from rbztf.features.files import read_features
from rbztf.features.lightcurve import check_until, photometry_features, usable_photometry
from rbztf.features.snad_set import ALL_FLAGS
from rbztf.features.table import Definition, FeatureTable
from rbztf.frames.background import usable_frames
from rbztf.models.ensemble.ensemble import Ensemble
from rbztf.models.load import Model
from rbztf.models.objects.object_set import FramePhotometry, Modality
from rbztf.models.rnn.bundle import ClassifierBundle, check_vectors
from rbztf.models.vae.encoder_inputs import read_usable, usable_facts
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.embeddings import Embeddings, open_embeddings
from rbztf.stores.epochs import no_photometry
from rbztf.times import MJD_TO_JD
from rbztf.ztf import Oid

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class InputPaths:
    """What the caller named, or the configuration."""

    cutouts: Path | None
    embeddings: Path | None
    features: Path | None


@dataclass(frozen=True)
class ObjectInputs:
    """One object as it was found.

    Attributes
    ----------
    oid : Oid
    sequence : ndarray (n_frames, columns), float32
        Finite inputs of the model, in time order; no rows if it has no frames.
    photometry : ndarray (n_frames, 3), float64
        Time (HJD, d), magnitude and its error of each; NaN where unknown.
    n_missing : int
        Frames that are missing or useless.
    features : ndarray (k,), float64, or None
        Light-curve features that the model reads.
    verified : bool
        Whether these were made as those it was trained on.
    goes_on : bool
        Whether they rest on later epochs than those of the training.
    """

    oid: Oid
    sequence: Vectors
    photometry: FramePhotometry
    n_missing: int
    features: NDArray[np.float64] | None
    verified: bool
    goes_on: bool = False

    @property
    def hjd(self) -> NDArray[np.float64]:
        """Heliocentric Julian date of each frame, (n_frames,) float64 in days; NaN where unknown."""
        return self.photometry[:, 0]


@dataclass(frozen=True)
class _Features:
    """Light-curve features of an object, and how they compare with the training's; see :class:`ObjectInputs`."""

    values: NDArray[np.float64]
    verified: bool
    goes_on: bool


@dataclass(frozen=True)
class ObjectReader:
    """Reads objects for a model."""

    model: Model
    device: torch.device
    cutouts: CutoutStore | None
    embeddings: Embeddings | None
    table: FeatureTable | None
    until_mjd: float | None
    warnings: tuple[str, ...]

    @classmethod
    def open(
        cls, model: Model, places: InputPaths, device: torch.device, until_mjd: float | None
    ) -> ObjectReader:
        """Open what there is.

        Raises
        ------
        UsageError, InputError
            If there is nothing the model can read, or the vectors are not its own.
        """
        check_until(until_mjd)
        reads_features = isinstance(model, Ensemble) and Modality.LIGHTCURVE in model.modalities
        features = places.features if reads_features else None
        reads_frames = isinstance(model, ClassifierBundle) or Modality.IMAGE in model.modalities
        if not (places.cutouts or (places.embeddings and reads_frames) or features):
            embeddings = "--embeddings PATH" if reads_frames else "--features CSV"
            raise UsageError("No data to score.", f"Give --data DIR (cutouts) or {embeddings}.")
        if reads_frames and places.cutouts and not places.embeddings and model.encoder is None:
            raise UsageError(
                "This model has no encoder, so it cannot read cutouts.", "Give --embeddings PATH."
            )
        vectors = (
            open_embeddings(places.embeddings, model.latent) if places.embeddings and reads_frames else None
        )
        warnings = check_vectors(model, vectors, str(places.embeddings)) if vectors is not None else []
        usable = places.cutouts and (model.encoder or reads_features)
        cutouts = open_cutouts(places.cutouts) if usable and places.cutouts else None
        table = read_features(features) if features else None
        return cls(model, device, cutouts, vectors, table, until_mjd, tuple(warnings))

    def oids(self) -> list[Oid]:
        """All objects at hand."""
        in_table = [Oid(oid) for oid in self.table.oids.tolist()] if self.table is not None else []
        own = [*(self.embeddings or ()), *(self.cutouts or ())]
        return list(dict.fromkeys(own or in_table))

    def read(self, oid: Oid, problems: list[Problem]) -> ObjectInputs:
        """Read one object.

        Raises
        ------
        DataError
            If it is nowhere.
        """
        found = self._features(oid, None)
        features = found.values if found else None
        if self.embeddings is not None and oid in self.embeddings:
            inputs, photometry, n_missing = self._inputs(oid), self.embeddings.photometry(oid), 0
        elif self.cutouts is not None and oid in self.cutouts and self.model.encoder is not None:
            inputs, photometry, n_missing = self._from_frames(
                self.cutouts, oid, problems, features is not None
            )
        elif features is not None or (self.cutouts is not None and oid in self.cutouts):
            inputs, photometry, n_missing = *self._no_frames(), 0
        else:
            raise DataError("it is in none of the data at hand.", "Fetch it first: rbztf fetch.")
        finite = np.isfinite(inputs).all(axis=1)
        kept = finite & self._in_time(photometry[:, 0], oid)
        n_missing += int(np.sum(~finite))
        verified, goes_on = (found.verified, found.goes_on) if found else (False, False)
        return ObjectInputs(oid, inputs[kept], photometry[kept], n_missing, features, verified, goes_on)

    def _no_frames(self) -> tuple[Vectors, FramePhotometry]:
        return np.empty((0, self.model.latent), np.float32), no_photometry(0)

    def _inputs(self, oid: Oid) -> Vectors:
        assert self.embeddings is not None
        if isinstance(self.model, ClassifierBundle):
            return self.model.inputs(self.embeddings, oid)
        return np.ascontiguousarray(self.embeddings.vectors(oid)[:, : self.model.latent])

    def _in_time(self, hjd: NDArray[np.float64], oid: Oid) -> NDArray[np.bool_]:
        if self.until_mjd is None or not len(hjd):
            return np.ones(len(hjd), bool)
        if np.isnan(hjd).all():
            raise DataError("its frames have no times, so --until cannot cut them.", "Embed its cutouts.")
        return np.asarray(hjd - MJD_TO_JD <= self.until_mjd)

    def _from_frames(
        self, store: CutoutStore, oid: Oid, problems: list[Problem], has_features: bool
    ) -> tuple[Vectors, FramePhotometry, int]:
        cutouts, encoder = store[oid], self.model.encoder
        assert encoder is not None  # open() sees to it
        if has_features and not usable_frames(cutouts.frames).any():
            return *self._no_frames(), len(cutouts.epochs)
        frames, photometry = read_usable(cutouts, problems)
        vectors = encoder.embed(frames, self.device, usable_facts(cutouts, encoder.config.frames))
        inputs = vectors[:, : encoder.latent]
        if isinstance(self.model, ClassifierBundle) and self.model.uses_loss:
            inputs = np.concatenate([inputs, vectors[:, -1:]], axis=1)
        return inputs, photometry, len(cutouts.epochs) - len(vectors)

    @cached_property
    def _table(self) -> FeatureTable | None:
        """The columns of the table that the model reads."""
        if self.table is None or not isinstance(self.model, Ensemble):
            return None
        return self.table.columns(self.model.feature_names)

    @cached_property
    def _places(self) -> dict[int, int]:
        """Row of each object in the table."""
        return {oid: row for row, oid in enumerate(self.table.oids.tolist())} if self.table else {}

    def _is_before_end(self, made: Definition) -> bool:
        """Whether features of a table rest on no epoch that ``until_mjd`` leaves out."""
        return self.until_mjd is None or (made.span_mjd is not None and made.span_mjd[1] <= self.until_mjd)

    def features_without(self, oid: Oid, dropped_hjd: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Features of an object without the epochs at ``dropped_hjd``; from its cutouts, else as they are."""
        found = self._features(oid, dropped_hjd)
        return found.values if found else None

    def _features(self, oid: Oid, dropped_hjd: NDArray[np.float64] | None) -> _Features | None:
        """The features the model reads; None if it reads none or the object has none."""
        if not isinstance(self.model, Ensemble) or not self.model.feature_names:
            return None
        trained = self.model.definition
        if self._table is not None and oid in self._places:
            values, made = self._table.values[self._places[oid]], self._table.definition
            verified = made.same_as(trained) and self._is_before_end(made)
            found = _Features(
                values, verified, trained.ends_before(made.span_mjd[1] if made.span_mjd else None)
            )
        elif self.cutouts is not None and oid in self.cutouts:
            found = self._computed(self.cutouts, oid, dropped_hjd, self.model)
        else:
            return None
        return found if np.isfinite(found.values).any() else None

    def _computed(
        self, store: CutoutStore, oid: Oid, dropped_hjd: NDArray[np.float64] | None, model: Ensemble
    ) -> _Features:
        """From the epochs of the object's cutouts."""
        epochs = store.epochs(oid)
        if dropped_hjd is not None:
            epochs = epochs[~np.isin(np.asarray(epochs["hjd"], float), dropped_hjd)]
        catflags = model.definition.catflags if model.definition.catflags is not None else ALL_FLAGS
        series = usable_photometry(epochs, until_mjd=self.until_mjd, catflags=catflags)
        definition = Definition(snad_set.source(), catflags)
        table = FeatureTable(
            np.array([oid]), snad_set.FEATURE_NAMES, photometry_features(series)[None, :], definition
        )
        return _Features(
            table.columns(model.feature_names).values[0],
            definition.same_as(model.definition),
            model.definition.ends_before(series[0].max(initial=0.0)),
        )


def stack_features(model: Ensemble, found: Sequence[ObjectInputs]) -> FeatureTable:
    """The features of several objects as a table; NaN where an object has none."""
    values = np.full((len(found), len(model.feature_names)), np.nan)
    for row, entry in enumerate(found):
        if entry.features is not None:
            values[row] = entry.features
    oids = np.array([int(entry.oid) for entry in found], np.int64)
    return FeatureTable(oids, model.feature_names, values)
