"""One rule says which frames a model can use, in training, cross-validation and prediction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_oid, random_sequences, tiny_classifier, tiny_encoder, write_embeddings

import rbztf
from rbztf.config import Config
from rbztf.evaluation.folds import Split
from rbztf.evaluation.published_models import evaluate_family
from rbztf.models.objects.read import (
    FrameSelection,
    read_labelled,
    read_objects,
    read_sequences,
    usable_objects,
)
from rbztf.models.rnn.bundle import ClassifierBundle
from rbztf.prediction.inputs import InputPaths
from rbztf.prediction.reader import ObjectReader
from rbztf.stores.embeddings import Embeddings, open_embeddings
from rbztf.stores.labels import Labelled, LabelTable
from rbztf.ztf import Label, Oid

LATENT, LEAST = 4, 3
OIDS = [Oid(make_oid(i, field=600 + i)) for i in range(8)]
LABELS = LabelTable([Labelled(oid, Label(i % 2)) for i, oid in enumerate(OIDS)])
EXPECTED = {
    "vectors": {0: 6, 1: 5, 2: 6, 3: 6, 4: 3, 6: 6, 7: 6},
    "vectors+loss": {0: 6, 1: 5, 2: 6, 3: 5, 4: 3, 6: 6, 7: 6},
}
"""Usable frames of each object that has enough of them."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Four means, four log variances and the loss of six frames each, some of them not finite."""
    vectors = random_sequences([6] * len(OIDS), 2 * LATENT + 1)
    vectors[1][0, 1] = np.nan  # a mean: nobody can use the frame
    vectors[2][1, LATENT + 1] = np.inf  # a log variance: nobody reads it
    vectors[3][2, -1] = np.nan  # the loss
    vectors[4][:3, 0] = np.nan  # just enough is left
    vectors[5][:4, 0] = np.nan  # too little is
    encoder = tiny_encoder(LATENT, decoder=True)
    path = write_embeddings(
        tmp_path / "e", dict(zip(OIDS, vectors)), LATENT, encoder=encoder.hash, has_loss=True
    )
    encoder.save(path / "encoder")
    return path


def by_number(lengths: dict[Oid, int]) -> dict[int, int]:
    return {OIDS.index(oid): n for oid, n in lengths.items() if n}


@pytest.mark.parametrize("inputs", list(EXPECTED))
def test_training_cross_validation_and_prediction_use_the_same_frames(store: Path, inputs: str) -> None:
    embeddings = open_embeddings(store)
    model = tiny_classifier(LATENT, inputs=inputs, encoder=tiny_encoder(LATENT, decoder=True))
    config, selection = model.config, FrameSelection.of(model.config, LATENT)
    assert selection == model.selection == FrameSelection(LATENT, LEAST, inputs.endswith("loss"))

    counts, problems = usable_objects(embeddings, LABELS, selection)
    assert by_number(counts) == EXPECTED[inputs]
    assert [problem.where for problem in problems] == [str(OIDS[5])]
    assert problems[0].what == "2 usable frames; 3 are needed (data.min_frames)."

    trained = read_labelled(LABELS, embeddings, None, config).objects.sequences
    assert by_number(dict(zip(OIDS, map(len, trained)))) == EXPECTED[inputs]
    assert all(part.shape[1] == selection.width and np.isfinite(part).all() for part in trained)

    predicted = rbztf.predict(model=_saved(model, store), embeddings=store)
    assert by_number({Oid(entry.oid): entry.n_frames for entry in predicted.objects}) == EXPECTED[inputs]
    assert [(problem.where, problem.what) for problem in predicted.problems] == [
        (str(OIDS[5]), "2 usable frames; a score needs 3 (data.min_frames).")
    ]

    split = Split("mine", {0: list(counts)})
    (evaluation,), _ = evaluate_family(
        "mine", {0: model}, split, embeddings, LABELS, paddings=["masked"], draws=0
    )
    scores = dict(zip(evaluation.folds[0].oids.tolist(), evaluation.folds[0].scores))
    assert scores == pytest.approx({entry.oid: entry.p_bogus for entry in predicted.objects}, abs=1e-6)


def _saved(model: ClassifierBundle, store: Path) -> Path:
    folder = store.parent / "model"
    model.save(folder)
    return folder


def test_ensembles_read_the_same_frames(store: Path) -> None:
    config = Config.model_validate(
        {
            "data": {"min_frames": LEAST},
            "ensemble": {"members": {"trees": {"kind": "trees", "inputs": ["image"]}}},
            "classifier": {"inputs": "vectors+loss"},  # of single networks alone
        }
    )
    objects = read_objects(OIDS, open_embeddings(store), None, config)
    assert by_number(dict(zip(OIDS, map(len, objects.sequences)))) == EXPECTED["vectors"]
    assert {part.shape[1] for part in objects.sequences} == {LATENT}


def test_what_is_usable_for_several_models() -> None:
    first, second = FrameSelection(4, 3, with_loss=True), FrameSelection(4, 5)
    assert FrameSelection.strictest([first, second]) == FrameSelection(4, 5, with_loss=True)


def test_an_object_that_is_not_there_has_no_frames(store: Path) -> None:
    selection = FrameSelection(LATENT, 1, with_loss=True)
    missing = Oid(make_oid(99))
    (nothing,) = read_sequences(open_embeddings(store), [missing], selection)
    assert nothing.shape == (0, LATENT + 1)
    assert read_sequences(None, [missing], selection)[0].shape == (0, LATENT + 1)


def test_a_reader_refuses_what_cannot_be_scored(store: Path) -> None:
    model = tiny_classifier(LATENT)
    reader = ObjectReader.open(model, InputPaths(None, store, None), torch.device("cpu"), None)
    assert isinstance(reader.embeddings, Embeddings)
    assert len(reader.read(OIDS[4], []).sequence) == LEAST
    with pytest.raises(rbztf.RbztfError, match="not found in the cutouts, embeddings or feature table"):
        reader.read(Oid(make_oid(99)), [])
