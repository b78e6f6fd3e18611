"""What ``predict`` reads of an object for a model: from cutouts, embeddings and tables of features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rbztf.errors import DataError, Problem, UsageError
from rbztf.features.columns import counting_fault, is_enough, lacking_warnings
from rbztf.features.files import read_features
from rbztf.features.lightcurve import check_until, features_of_epochs
from rbztf.features.sets import FeatureSet
from rbztf.features.snad_set import ALL_FLAGS
from rbztf.features.table import Definition, FeatureTable
from rbztf.frames.background import usable_frames
from rbztf.frames.plausible import frames_fault
from rbztf.models.model import Model, check_vectors
from rbztf.models.objects.object_set import Modality, ObjectSet
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.encoder_inputs import read_usable, usable_facts
from rbztf.prediction.inputs import FrameTimes, InputPaths, ObjectFeatures, ObjectInputs, Times, Vectors
from rbztf.stores.cutouts import CutoutStore, open_cutouts
from rbztf.stores.embeddings import Embeddings, open_embeddings
from rbztf.times import MJD_TO_JD
from rbztf.ztf import PIXEL_SCALE_ARCSEC, Oid

MOST_OFF_SCALE = 0.05
"""Share by which the pixel scale of frames may differ from ZTF's."""


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
        cls,
        model: Model,
        paths: InputPaths,
        device: torch.device,
        until_mjd: float | None,
        *,
        cutouts_follow: bool = False,
    ) -> ObjectReader:
        """Open what there is.

        Parameters
        ----------
        cutouts_follow : bool
            Whether there may be nothing yet, since objects are fetched and given by :meth:`with_cutouts`.

        Raises
        ------
        UsageError, InputError
            If there is nothing the model can read, or the vectors are not its own.
        """
        check_until(until_mjd)
        reads_frames, reads_features = (kind in model.modalities for kind in Modality)
        features = paths.features if reads_features else None
        embeddings = paths.embeddings if reads_frames else None
        if not (paths.cutouts or embeddings or features or cutouts_follow):
            other = "--embeddings PATH" if reads_frames else "--features CSV"
            raise UsageError("No data to score.", f"Give an OID, --data DIR (cutouts) or {other}.")
        if reads_frames and paths.cutouts and not paths.embeddings and model.encoder is None:
            raise UsageError(
                "This model has no encoder, so it cannot read cutouts.", "Give --embeddings PATH."
            )
        vectors = open_embeddings(embeddings, model.selection.latent) if embeddings else None
        warnings = check_vectors(model, vectors, str(embeddings)) if vectors is not None else []
        readable = model.encoder is not None or reads_features
        cutouts = open_cutouts(paths.cutouts) if paths.cutouts and readable else None
        table = read_features(features) if features else None
        if table is not None:
            warnings += lacking_warnings(table.names, model.feature_names, features)
        return cls(model, device, cutouts, vectors, table, until_mjd, tuple(warnings))

    def with_cutouts(self, folder: Path) -> ObjectReader:
        """The same, reading also what ``folder`` holds by now."""
        readable = self.model.encoder is not None or self.model.feature_names
        return replace(self, cutouts=open_cutouts(folder)) if readable else self

    def oids(self) -> list[Oid]:
        """All objects of the embeddings and the cutouts or, without those, of the table of features."""
        in_table = [Oid(oid) for oid in self.table.oids.tolist()] if self.table is not None else []
        own = [*(self.embeddings or ()), *(self.cutouts or ())]
        return list(dict.fromkeys(own or in_table))

    def read(self, oid: Oid, problems: list[Problem]) -> ObjectInputs:
        """Read one object that the model can score; what is wrong with its frames goes to ``problems``.

        Raises
        ------
        DataError
            If it is nowhere, or lacks what a score needs.
        """
        features = self.features(oid)
        inputs, times, n_missing, fault = self._frames(oid, features, problems)
        usable = self.model.selection.usable(inputs)
        kept = usable & self._in_time(times.hjd, oid)
        n_missing += int(np.sum(~usable))
        entry = ObjectInputs(oid, inputs[kept], times[kept], n_missing, features, fault)
        self._check(entry)
        return entry

    def objects(self, entries: Sequence[ObjectInputs]) -> ObjectSet:
        """What the model reads of objects; one may come several times."""
        names, enough = self.model.feature_names, self.model.selection.enough
        unknown = np.full(len(names), np.nan)
        rows = [entry.features.values if entry.features else unknown for entry in entries]
        values = np.array(rows, np.float64).reshape(len(entries), len(names))
        table = FeatureTable(np.array([int(entry.oid) for entry in entries], np.int64), names, values)
        return ObjectSet([enough(entry.sequence) for entry in entries], table, self.model.reader)

    def _check(self, entry: ObjectInputs) -> None:
        """Refuse an object that lacks what a score needs."""
        n, least = len(entry.sequence), self.model.selection.min_frames
        found = {Modality.IMAGE: n >= least, Modality.LIGHTCURVE: entry.features is not None}
        if self.model.can_score([modality for modality in Modality if found[modality]]):
            return
        if Modality.IMAGE not in self.model.modalities:
            raise DataError("it has no light-curve features, or too few usable epochs for them.")
        if n < least:
            raise DataError(f"{n} usable frames; a score needs {least} (data.min_frames).")
        raise DataError("it has no light-curve features, without which the model gives no score.")

    def _frames(
        self, oid: Oid, features: ObjectFeatures | None, problems: list[Problem]
    ) -> tuple[Vectors, FrameTimes, int, str]:
        """Inputs and times of all its frames, usable or not, how many are missing, and what is wrong with all."""
        selection, encoder = self.model.selection, self.model.encoder
        if self.embeddings is not None and oid in self.embeddings:
            return (
                selection.read(self.embeddings, oid),
                FrameTimes.of_embeddings(self.embeddings.times(oid)),
                0,
                "",
            )
        store = self.cutouts if self.cutouts is not None and oid in self.cutouts else None
        if store is not None and encoder is not None:
            return self._embedded(store, encoder, oid, features, problems)
        if store is None and oid not in self._rows:
            raise DataError(
                "not found in the cutouts, embeddings or feature table.", "Fetch it first: rbztf fetch."
            )
        return np.empty((0, selection.width), np.float32), FrameTimes.of_embeddings(np.empty(0)), 0, ""

    def _embedded(
        self,
        store: CutoutStore,
        encoder: EncoderBundle,
        oid: Oid,
        features: ObjectFeatures | None,
        problems: list[Problem],
    ) -> tuple[Vectors, FrameTimes, int, str]:
        cutouts, selection = store[oid], self.model.selection
        usable, times = usable_frames(cutouts.frames), FrameTimes.of_cutouts(cutouts)
        if features is not None and not usable.any():
            return np.empty((0, selection.width), np.float32), times[usable], cutouts.n_epochs, ""
        frames, _ = read_usable(cutouts, problems)
        vectors = encoder.embed(frames, self.device, usable_facts(cutouts, encoder.config.frames))
        n_missing = cutouts.n_epochs - len(vectors)
        fault = _scale_fault(cutouts.pixel_scale_arcsec) or frames_fault(frames)
        return selection.columns(vectors), times[usable], n_missing, fault

    def _in_time(self, hjd: Times, oid: Oid) -> NDArray[np.bool_]:
        if self.until_mjd is None or not len(hjd):
            return np.ones(len(hjd), bool)
        if np.isnan(hjd).all():
            raise DataError("its frames have no times, so --until cannot cut them.", "Embed its cutouts.")
        return np.asarray(hjd - MJD_TO_JD <= self.until_mjd)

    def features(self, oid: Oid, dropped_hjd: Times | None = None) -> ObjectFeatures | None:
        """The features the model reads; None if it reads none or the object has none.

        Parameters
        ----------
        dropped_hjd : ndarray, float64, optional
            Times of epochs to leave out, days; features of a table stay as they are.
        """
        if not self.model.feature_names:
            return None
        if self._table is not None and oid in self._rows:
            found = self._stored(self._table, self._rows[oid])
            if is_enough(found.values):
                return found
        if self._can_compute and self.cutouts is not None and oid in self.cutouts:
            found = self._computed(self.cutouts, oid, dropped_hjd)
            return found if is_enough(found.values) else None
        return None

    @cached_property
    def _can_compute(self) -> bool:
        return self._feature_set.can_compute()

    @cached_property
    def _feature_set(self) -> FeatureSet:
        """What to compute from epochs for the features that the model reads."""
        return FeatureSet.of(self.model.feature_names)

    @cached_property
    def _table(self) -> FeatureTable | None:
        """The columns of the table that the model reads."""
        return self.table.columns(self.model.feature_names) if self.table is not None else None

    @cached_property
    def _rows(self) -> dict[int, int]:
        """Row of each object in the table."""
        return {oid: row for row, oid in enumerate(self.table.oids.tolist())} if self.table else {}

    def _stored(self, table: FeatureTable, row: int) -> ObjectFeatures:
        trained, made = self.model.definition, table.definition
        end = made.span_mjd[1] if made.span_mjd else None
        in_time = self.until_mjd is None or (end is not None and end <= self.until_mjd)
        verified = made.same_as(trained) and in_time and self._has_all_columns
        return ObjectFeatures(table.values[row], verified, trained.ends_before(end), self._table_fault)

    @cached_property
    def _table_fault(self) -> str:
        """Why no object of the table can be scored soundly; empty if they may be."""
        return counting_fault(self._table) if self._table is not None else ""

    @property
    def _has_all_columns(self) -> bool:
        return self.table is not None and set(self.model.feature_names) <= set(self.table.names)

    def _computed(self, store: CutoutStore, oid: Oid, dropped_hjd: Times | None) -> ObjectFeatures:
        """From the epochs of the object's cutouts."""
        epochs, trained = store.epochs(oid), self.model.definition
        if dropped_hjd is not None:
            epochs = epochs[~np.isin(np.asarray(epochs["hjd"], float), dropped_hjd)]
        catflags = trained.catflags if trained.catflags is not None else ALL_FLAGS
        which = self._feature_set
        values, (series,) = features_of_epochs([epochs], which, until_mjd=self.until_mjd, catflags=catflags)
        definition = Definition(which.source(), catflags)
        table = FeatureTable(np.array([oid]), which.names, values, definition)
        return ObjectFeatures(
            table.columns(self.model.feature_names).values[0],
            definition.same_as(trained),
            trained.ends_before(series[0].max(initial=0.0)),
        )


def _scale_fault(arcsec: float) -> str:
    """Why frames of this pixel scale are none of ZTF; empty if they may be, or it is unknown."""
    if not abs(arcsec / PIXEL_SCALE_ARCSEC - 1) > MOST_OFF_SCALE:
        return ""
    return f"its frames have {arcsec:.3f} arcsec a pixel, those of ZTF {PIXEL_SCALE_ARCSEC}"
