"""A classifier with all it needs, from frames or vectors to the probability of bogus."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rbztf.config import Config
from rbztf.errors import InputError, UsageError
from rbztf.features.latent_statistics import frame_moments
from rbztf.features.table import Definition
from rbztf.models import bundle
from rbztf.models.batching import by_bucket, by_length, pad
from rbztf.models.decision.decisions import FixedThreshold
from rbztf.models.objects.object_set import Modalities, Modality, ObjectSet
from rbztf.models.objects.ranges import Ranges, range_tensors, take_ranges
from rbztf.models.objects.read import FrameSelection
from rbztf.models.objects.scores import ObjectScores
from rbztf.models.rnn.network import RecurrentClassifier
from rbztf.models.training import threads
from rbztf.models.vae.bundle import EncoderBundle, config_of, encoder_in

KIND = "classifier"
FRAMES_PER_BATCH = 16384
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Standardisation:
    """Offset and scale of each input column, (inputs,) float32, from the training objects."""

    mean: Vectors
    scale: Vectors

    def __call__(self, vectors: Vectors) -> Vectors:
        """``(vectors - mean) / scale``, (n, inputs) float32."""
        return np.asarray((vectors - self.mean) / self.scale, np.float32)

    @classmethod
    def identity(cls, inputs: int) -> Standardisation:
        """Leave the inputs alone, as published."""
        return cls(np.zeros(inputs, np.float32), np.ones(inputs, np.float32))

    @classmethod
    def fit(cls, sequences: Sequence[Vectors], floor: float = 0.0) -> Standardisation:
        """Mean and standard deviation over all frames.

        A constant column keeps scale 1; another one is divided by ``floor`` at least.
        """
        mean, variance = frame_moments(sequences)
        scale = np.sqrt(variance)
        scale[scale < 1e-6 * np.maximum(np.abs(mean), 1)] = 1
        scale = np.maximum(scale, floor)
        return cls(np.asarray(mean, np.float32), scale.astype(np.float32))


@dataclass(frozen=True)
class ClassifierBundle:
    """Network, standardisation, decision threshold and, unless unknown, the encoder.

    Attributes
    ----------
    network : RecurrentClassifier
    standardisation : Standardisation
    config : Config
        Its ``classifier`` section describes the network.
    threshold : float
        Probability of bogus from which an object is called bogus.
    encoder : EncoderBundle or None
        None if the vectors it was trained on came from an unknown encoder.
    notes : dict
        Where it comes from and its measured figures; goes to the model card.
    ranges : dict of Modality to TrainingRange
        Where its training objects lie; empty if not kept.
    """

    network: RecurrentClassifier
    standardisation: Standardisation
    config: Config
    threshold: float = 0.5
    encoder: EncoderBundle | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)

    modalities: ClassVar[Modalities] = (Modality.IMAGE,)
    reader: ClassVar[None] = None
    feature_names: ClassVar[tuple[str, ...]] = ()
    definition: ClassVar[Definition] = Definition()
    inner_auc: ClassVar[dict[Modalities, float]] = {}
    attributes_frames: ClassVar[bool] = False
    prior: ClassVar[None] = None
    combinations: ClassVar[dict[Modalities, Any]] = {}
    out_of_fold: ClassVar[dict[int, dict[Modalities, float]]] = {}

    @property
    def selection(self) -> FrameSelection:
        """What it reads of frames."""
        width = len(self.standardisation.mean)
        return FrameSelection.of(self.config, width - self.config.classifier.reads_loss)

    @property
    def latent(self) -> int:
        """Latent means per frame that the network reads."""
        return self.selection.latent

    def reading_only(self, modality: Modality) -> ClassifierBundle | None:
        """Itself for images, which are all it reads."""
        return self if modality is Modality.IMAGE else None

    def can_score(self, have: Collection[Modality]) -> bool:
        """Whether an object that has these modalities gets a score."""
        return Modality.IMAGE in have

    def decision_rule(self, inputs: Modalities) -> FixedThreshold:
        """What decides of objects."""
        return FixedThreshold(self.threshold)

    def score(self, objects: ObjectSet, device: torch.device | None = None) -> ObjectScores:
        """Score objects, all of which have frames; see :meth:`logits`."""
        p = self.probabilities(objects.sequences, device)
        unknown = np.full(len(p), np.nan)
        return ObjectScores(p, unknown, unknown, [self.modalities] * len(p), {})

    def frame_contributions(self, objects: ObjectSet) -> list[NDArray[np.float64]]:
        """Not known of a recurrent network.

        Raises
        ------
        UsageError
            Always.
        """
        raise UsageError("A recurrent network cannot name epochs.", "Train an ensemble: --config default.")

    def with_padding(self, padding: str) -> ClassifierBundle:
        """The same weights with ``padding`` "masked" or "reference"."""
        section = self.config.classifier.model_copy(update={"padding": padding})
        network = build_network(self.config.model_copy(update={"classifier": section}), self.latent)
        network.load_state_dict(self.network.state_dict())
        return replace(
            self, network=network.eval(), config=self.config.model_copy(update={"classifier": section})
        )

    @torch.inference_mode()
    def logits(self, sequences: Sequence[Vectors], device: torch.device | None = None) -> NDArray[np.float32]:
        """Score objects.

        With masked padding a score does not depend on the company an object is scored in;
        with reference padding it does, and batches are those of the published evaluation:
        objects in the given order, in buckets of length.

        Parameters
        ----------
        sequences : sequence of ndarray (n_frames, inputs), float32
            Before standardisation, finite, at least one frame each.

        Returns
        -------
        ndarray (n, 2), float32
            Logits: real, artefact.
        """
        device = device or torch.device("cpu")
        self.network.eval().to(device)
        lengths = np.array([len(sequence) for sequence in sequences], np.int64)
        published = self.config.classifier.padding == "reference"
        batches = by_bucket(lengths) if published else by_length(lengths, FRAMES_PER_BATCH)
        out = np.empty((len(sequences), 2), np.float32)
        with threads(1):
            for members in batches:
                batch, n_frames = pad([self.standardisation(sequences[i]) for i in members])
                out[members] = self.network(batch.to(device), n_frames).cpu().numpy()
        return out

    def probabilities(
        self, sequences: Sequence[Vectors], device: torch.device | None = None
    ) -> NDArray[np.float64]:
        """Probability of bogus of each object, (n,) float64, NaN for logits not finite; see :meth:`logits`.

        The softmax runs in float32, as in the reference: read through hundreds of frames of
        padding, published LSTMs end in few distinct states, and their AUC depends on which
        scores that are equal in float32 count as ties.
        """
        logits = torch.from_numpy(self.logits(sequences, device))
        p = logits.softmax(dim=1)[:, 1].numpy().astype(np.float64)
        p[~logits.isfinite().all(dim=1).numpy()] = np.nan  # of one infinite logit softmax would make 0 or 1
        return p

    def save(self, folder: Path) -> None:
        """Write the bundle; ``folder`` appears whole or stays as it was."""
        with bundle.new_bundle(folder) as part:
            self.write_into(part)

    def write_into(self, folder: Path) -> None:
        """Write the bundle's files into the existing ``folder``."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        tensors |= range_tensors(self.ranges)
        tensors["standardisation.mean"] = torch.from_numpy(self.standardisation.mean)
        tensors["standardisation.scale"] = torch.from_numpy(self.standardisation.scale)
        metadata = {
            "kind": KIND,
            "latent": self.latent,
            "threshold": self.threshold,
            "encoder": self.encoder.hash if self.encoder else "",
            "notes": self.notes,
            "config": self.config.model_dump(mode="json"),
        }
        bundle.write_parts(folder, metadata, tensors, classifier_card(self))
        if self.encoder:
            (folder / "encoder").mkdir()
            self.encoder.write_into(folder / "encoder")


def build_network(config: Config, latent: int) -> RecurrentClassifier:
    """The network that a configuration describes, for vectors of ``latent`` means."""
    section = config.classifier
    return RecurrentClassifier(
        latent + section.reads_loss,
        cell=section.cell,
        hidden=section.hidden,
        bidirectional=section.bidirectional,
        padding=section.padding,
        dropout=section.dropout,
    )


def load_classifier(folder: Path | str) -> ClassifierBundle:
    """Load a classifier bundle.

    Raises
    ------
    InputError
        If it is not such a bundle, or damaged.
    """
    folder = Path(folder)
    metadata = bundle.read_metadata(folder, KIND)
    config = config_of(folder, metadata)
    tensors = bundle.read_weights(folder)
    try:
        latent = int(bundle.number_in(metadata, "latent", 1, bundle.MOST_COLUMNS))
        threshold = bundle.number_in(metadata, "threshold", 0.0, np.nextafter(1, 2))
        standardisation = _standardisation(tensors, latent + config.classifier.reads_loss)
        ranges = take_ranges(tensors, {Modality.IMAGE: 2 * len(standardisation.mean)})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder} lacks {error}.", "Make or import the model again.") from None
    network = build_network(config, latent)
    bundle.load_exactly(network, {name.removeprefix("network."): t for name, t in tensors.items()}, folder)
    encoder = encoder_in(folder, str(metadata.get("encoder") or ""))
    return ClassifierBundle(
        network.eval(), standardisation, config, threshold, encoder, metadata.get("notes", {}), ranges
    )


def _standardisation(tensors: dict[str, Tensor], inputs: int) -> Standardisation:
    """Taken out of ``tensors``."""
    found = {}
    for part in ("mean", "scale"):
        found[part] = bundle.array_in(tensors, f"standardisation.{part}", torch.float32)
        del tensors[f"standardisation.{part}"]
        if found[part].shape != (inputs,):
            raise ValueError(f"a standardisation.{part} of its {inputs} inputs")
    if not (found["scale"] > 0).all():
        raise ValueError("a standardisation.scale above 0")
    return Standardisation(**found)


def classifier_card(model: ClassifierBundle) -> str:
    """The model card of a classifier, in Markdown."""
    section = model.config.classifier
    kind = ("bidirectional " if section.bidirectional else "") + section.cell.upper()
    rows = "\n".join(f"- {key}: {value}" for key, value in model.notes.items())
    encoder = f"`{model.encoder.hash}`, in `encoder/`" if model.encoder else "unknown: it scores vectors only"
    return (
        f"# Classifier of ZTF objects\n\n"
        f"{kind}, hidden size {section.hidden}, over {model.latent} latent means per frame, padding "
        f"`{section.padding}`. Encoder: {encoder}. Decision threshold {model.threshold:.3f}.\n\n{rows}\n\n"
        "Use: `rbztf predict --model THIS --data CUTOUTS` or `--embeddings EMBEDDINGS`.\n"
    )
