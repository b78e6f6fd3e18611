"""Encoder bundle: encoder, normaliser and decoder; embedding of frames; saving and loading."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from rbztf.config import Config, parse_config
from rbztf.errors import DataError, InputError
from rbztf.frames.background import SIDE_CHANNELS, FrameFacts
from rbztf.models import bundle
from rbztf.models.vae.drift import PREFIX, VectorStatistics
from rbztf.models.vae.encoder_inputs import Inputs, make_inputs
from rbztf.models.vae.encoding import batches, encode, folded, frame_losses, reconstruct
from rbztf.models.vae.network import AnyDecoder, Encoder, Vae, make_decoder, make_encoder
from rbztf.stores.embeddings import EmbeddingInfo
from rbztf.ztf import SIZE_PIX

KIND = "encoder"
LEAST_LOSS = 1e-12
"""Keeps the logarithm of a loss finite."""
LABELLED = "labelled objects"
"""Key of the note that counts the labelled objects an encoder was trained with."""


@dataclass(frozen=True)
class EncoderBundle:
    """Encoder, its normaliser and, where it was trained here, its decoder.

    Attributes
    ----------
    encoder : Encoder
    decoder : Decoder, CompactDecoder or None
        None for published encoders, whose decoders are not available.
    config : Config
        Its ``frames`` and ``vae`` sections describe the model.
    notes : dict
        Its origin and training data; goes to the model card.
    statistics : VectorStatistics or None
        Of the vectors of its training set; None for published encoders.
    """

    encoder: Encoder
    decoder: AnyDecoder | None
    config: Config
    notes: dict[str, Any] = field(default_factory=dict)
    statistics: VectorStatistics | None = None

    @cached_property
    def hash(self) -> str:
        """Hash of the encoder's weights."""
        return bundle.weights_hash(self.encoder.state_dict())

    @property
    def latent(self) -> int:
        """Columns of a vector that describe the frame: latent means and side channels."""
        return len(self.columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of those columns."""
        means = (f"latent {k}" for k in range(self.encoder.latent))
        return (*means, *self.config.vae.side_channels)

    @property
    def stamp(self) -> EmbeddingInfo:
        """Description of the embeddings that this encoder makes, kept in their store."""
        frames = self.config.frames.model_dump(mode="json")
        return EmbeddingInfo(self.latent, self.hash, frames, has_loss=self.decoder is not None)

    @property
    def width(self) -> int:
        """Columns per frame that :meth:`embed` gives."""
        return 2 * self.latent + self.stamp.has_loss

    def checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Columns that are compared with the training set: latents, side channels and log10 of the loss.

        The loss is included because an unusual frame can have ordinary latents and still be
        reconstructed badly.

        Parameters
        ----------
        vectors : ndarray (n, width), float32
            As :meth:`embed` gives them.
        """
        if self.decoder is None:
            return vectors[:, : self.latent]
        loss = np.log10(np.maximum(vectors[:, -1:], LEAST_LOSS))
        return np.concatenate([vectors[:, : self.latent], loss], axis=1)

    @property
    def checked_columns(self) -> tuple[str, ...]:
        """Names of the columns of :meth:`checked`."""
        return self.columns if self.decoder is None else (*self.columns, "loss")

    def inputs(self, frames: NDArray[np.float32], facts: FrameFacts | None = None) -> Inputs:
        """Frames in DN, (n, 28, 28), normalised for this encoder."""
        return make_inputs(frames, self.config.frames, facts, with_side=bool(self.config.vae.side_channels))

    def embed(
        self, frames: NDArray[np.float32], device: torch.device, facts: FrameFacts | None = None
    ) -> NDArray[np.float32]:
        """Turn frames into vectors.

        Parameters
        ----------
        frames : ndarray (n, 28, 28), float32
            Pixels in DN, NaN where there is no data.
        facts : FrameFacts, optional
            Header values, for normalisers that use them.

        Returns
        -------
        ndarray (n, width), float32
            Latent means and side channels, log variances (those of side channels are 0) and,
            if there is a decoder, the VAE loss.
        """
        out = np.empty((len(frames), self.width), np.float32)
        for rows in batches(len(frames), device):
            inputs = self.inputs(frames[rows], None if facts is None else facts[rows])
            out[rows] = self.embed_inputs(inputs, device)
        return out

    def embed_inputs(self, inputs: Inputs, device: torch.device) -> NDArray[np.float32]:
        """Turn normalised frames into vectors, as :meth:`embed` does."""
        encoded = encode(self._network(device), inputs, device)
        means, log_variances = np.split(encoded, 2, axis=1)
        side = inputs.side[:, [SIDE_CHANNELS.index(name) for name in self.config.vae.side_channels]]
        parts = [means, side, log_variances, np.zeros_like(side)]
        if self.decoder is not None:
            vae = self._vae.eval().to(device)
            parts.append(frame_losses(vae, inputs, encoded, self.config.vae.kl_weight, device)[:, None])
        return np.concatenate(parts, axis=1)

    def reconstruct(self, inputs: Inputs, device: torch.device) -> NDArray[np.float32]:
        """Reconstruct n frames from their latent means, (n, 28, 28), normalised.

        Raises
        ------
        DataError
            If there is no decoder.
        """
        vae = self._vae.eval().to(device)
        return reconstruct(vae, encode(self._network(device), inputs, device), device)

    def ready(self, device: torch.device) -> None:
        """Bring what :meth:`embed` uses to ``device``, before several threads call it."""
        self._network(device)
        if self.decoder is not None:
            self._vae.eval().to(device)

    def _network(self, device: torch.device) -> nn.Sequential:
        """The encoder's network as it runs fastest, made once for each device."""
        if device not in self._networks:
            self._networks[device] = folded(self.encoder.eval()).to(device)
        return self._networks[device]

    @cached_property
    def _networks(self) -> dict[torch.device, nn.Sequential]:
        return {}

    @cached_property
    def _vae(self) -> Vae:
        if self.decoder is None:
            raise DataError("This encoder has no decoder.", "Train one with rbztf train-vae.")
        return Vae(self.encoder, self.decoder)

    def save(self, folder: Path) -> None:
        """Write the bundle; ``folder`` appears whole or stays as it was."""
        with bundle.new_bundle(folder) as part:
            self.write_into(part)

    def write_into(self, folder: Path) -> None:
        """Write the bundle's files into the existing ``folder``."""
        tensors: dict[str, Tensor] = dict(self.encoder.state_dict())
        if self.decoder is not None:
            tensors |= self.decoder.state_dict()
        if self.statistics is not None:
            tensors |= self.statistics.tensors()
        metadata = {
            "kind": KIND,
            "hash": self.hash,
            "stamp": asdict(self.stamp),
            "notes": self.notes,
            "config": self.config.model_dump(mode="json"),
        }
        bundle.write_parts(folder, metadata, tensors, encoder_card(self))


def load_encoder(folder: Path | str) -> EncoderBundle:
    """Load an encoder bundle, or the encoder inside a classifier bundle.

    Raises
    ------
    InputError
        If it is not such a bundle, or damaged.
    """
    folder = Path(folder)
    if (folder / KIND / bundle.METADATA).is_file():
        folder = folder / KIND
    metadata = bundle.read_metadata(folder, KIND)
    config = config_of(folder, metadata)
    tensors = bundle.read_weights(folder)
    encoder = make_encoder(config.frames, config.vae)
    bundle.load_exactly(encoder, _starting(tensors, "encoder."), folder)
    decoder = None
    if others := {name: tensors[name] for name in tensors if not name.startswith(("encoder.", PREFIX))}:
        decoder = make_decoder(config.vae)
        bundle.load_exactly(decoder, others, folder)
    try:
        statistics = VectorStatistics.from_tensors(tensors)
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(
            f"{folder} is damaged or lacks {error}.", "Make or import the model again."
        ) from None
    made = EncoderBundle(
        encoder.eval(), decoder.eval() if decoder else None, config, metadata.get("notes", {}), statistics
    )
    if metadata.get("hash") not in (None, made.hash):
        raise InputError(
            f"The weights in {folder} are not those that its {bundle.METADATA} names: they are {made.hash}.",
            "Make or import the model again.",
        )
    return made


def _starting(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def seen_labels(encoder: EncoderBundle | None) -> list[str]:
    """A warning if the encoder was trained with labels."""
    if encoder is None or LABELLED not in encoder.notes:
        return []
    return [
        f"The encoder of these vectors was trained with the labels of {encoder.notes[LABELLED]} objects: "
        "metrics are too optimistic if those objects are among the ones evaluated."
    ]


def encoder_in(folder: Path, hash_: str = "") -> EncoderBundle | None:
    """The encoder inside a classifier's bundle or an embedding store; None if there is none.

    Parameters
    ----------
    hash_ : str
        Of its weights, where the folder names it.

    Raises
    ------
    InputError
        If it is damaged, or another encoder.
    """
    found = load_encoder(folder / "encoder") if (folder / "encoder").is_dir() else None
    if found is not None and hash_ and found.hash != hash_:
        raise InputError(
            f"{folder / 'encoder'} is not the encoder that belongs to {folder}: its weights are {found.hash}, "
            f"not {hash_}.",
            "Make or import it again.",
        )
    return found


MODEL_SECTIONS = ("name", "frames", "vae", "classifier", "ensemble")
"""Parts of a configuration that describe a model; the others record its making."""
MODEL_DATA = ("min_frames", "bands")
"""Settings of ``data`` that say which objects a model can score."""


def config_of(folder: Path, metadata: dict[str, Any]) -> Config:
    """The sections of a bundle's configuration that describe the model itself.

    Training settings are not read back, so a bundle stays readable when those change.
    """
    kept = metadata.get("config") or {}
    described = {name: kept[name] for name in MODEL_SECTIONS if name in kept}
    data = kept.get("data")
    if isinstance(data, dict):
        described["data"] = {name: data[name] for name in MODEL_DATA if name in data}
    return parse_config(yaml.safe_dump(described), str(folder / bundle.METADATA))


def encoder_card(model: EncoderBundle) -> str:
    """The model card of an encoder, in Markdown."""
    rows = "\n".join(f"- {key}: {value}" for key, value in model.notes.items())
    decoder = "with" if model.decoder else "without"
    side = ", ".join(model.config.vae.side_channels)
    side = f"Side channels after the means: {side}. " if side else ""
    return (
        f"# Encoder of ZTF frames\n\n"
        f"{SIZE_PIX} x {SIZE_PIX}-pixel frames to {model.encoder.latent} latent means and log variances, {decoder} decoder. "
        f"{side}"
        f"Normaliser `{model.config.frames.normaliser}`, invalid pixels `{model.config.frames.invalid}`. "
        f"Hash of the weights `{model.hash}`.\n\n{rows}\n\n"
        "Use: `rbztf embed --model THIS --data CUTOUTS --out EMBEDDINGS`.\n"
    )
