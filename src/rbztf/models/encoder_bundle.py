"""An encoder with all it needs to turn frames in DN into vectors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from rbztf.archive.embeddings import Stamp
from rbztf.config import Config, parse_config
from rbztf.errors import DataError
from rbztf.frames.normalise import normalise
from rbztf.models import bundle
from rbztf.models.encoding import encode, frame_losses
from rbztf.models.vae import Decoder, Encoder, Vae

KIND = "encoder"


@dataclass(frozen=True)
class EncoderBundle:
    """Encoder, its normaliser and, where it was trained here, its decoder.

    Attributes
    ----------
    encoder : Encoder
    decoder : Decoder or None
        None for published encoders, whose decoders are not available.
    config : Config
        Its ``frames`` and ``vae`` sections describe the model.
    notes : dict
        Where it comes from, what it was trained on; goes to the model card.
    """

    encoder: Encoder
    decoder: Decoder | None
    config: Config
    notes: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def hash(self) -> str:
        """Hash of the encoder's weights."""
        return bundle.weights_hash(self.encoder.state_dict())

    @property
    def latent(self) -> int:
        """Number of latent means."""
        return self.encoder.latent

    @property
    def stamp(self) -> Stamp:
        """What an embedding store made by this encoder is stamped with."""
        frames = self.config.frames.model_dump(mode="json")
        return Stamp(self.latent, self.hash, frames, has_loss=self.decoder is not None)

    @property
    def width(self) -> int:
        """Columns per frame that :meth:`embed` gives."""
        return 2 * self.latent + self.stamp.has_loss

    def normalise(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Frames in DN, (n, 28, 28), as this encoder wants them."""
        return normalise(frames, self.config.frames.normaliser, self.config.frames.invalid)

    def embed(self, frames: NDArray[np.float32], device: torch.device) -> NDArray[np.float32]:
        """Turn frames into vectors.

        Parameters
        ----------
        frames : ndarray (n, 28, 28), float32
            Pixels in DN, NaN where there is no data.

        Returns
        -------
        ndarray (n, width), float32
            Latent means, log variances and, if there is a decoder, the VAE loss.
        """
        inputs = self.normalise(frames)
        self.encoder.eval().to(device)
        vectors = encode(self.encoder, inputs, device)
        if self.decoder is None:
            return vectors
        losses = frame_losses(self._vae.eval().to(device), inputs, self.config.vae.kl_weight, device)
        return np.concatenate([vectors, losses[:, None]], axis=1)

    @cached_property
    def _vae(self) -> Vae:
        if self.decoder is None:
            raise DataError("This encoder has no decoder.", "Train one with rbztf train-vae.")
        vae = Vae(self.latent)
        vae.encoder, vae.decoder = self.encoder, self.decoder
        return vae

    def save(self, folder: Path) -> None:
        """Write the bundle; ``folder`` appears whole or stays as it was."""
        with bundle.new_bundle(folder) as part:
            self.write_into(part)

    def write_into(self, folder: Path) -> None:
        """Write the bundle's files into the existing ``folder``."""
        tensors: dict[str, Tensor] = dict(self.encoder.state_dict())
        if self.decoder is not None:
            tensors |= self.decoder.state_dict()
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
        If it is no such bundle, or damaged.
    """
    folder = Path(folder)
    if (folder / KIND / bundle.METADATA).is_file():
        folder = folder / KIND
    metadata = bundle.read_metadata(folder, KIND)
    config = config_of(folder, metadata)
    tensors = bundle.read_weights(folder)
    encoder = Encoder(config.vae.latent)
    mine = {name: tensor for name, tensor in tensors.items() if name.startswith("encoder.")}
    bundle.load_exactly(encoder, mine, folder)
    decoder = None
    if len(mine) < len(tensors):
        decoder = Decoder(config.vae.latent)
        bundle.load_exactly(decoder, {name: tensors[name] for name in tensors.keys() - mine.keys()}, folder)
    return EncoderBundle(
        encoder.eval(), decoder.eval() if decoder else None, config, metadata.get("notes", {})
    )


MODEL_SECTIONS = ("name", "frames", "vae", "classifier")
"""Parts of a configuration that describe a model; the others are kept as a record of its making."""


def config_of(folder: Path, metadata: dict[str, Any]) -> Config:
    """What the configuration kept in a bundle says of the model itself.

    How it was trained is not read back, so a bundle outlives changes to those settings.
    """
    kept = metadata.get("config") or {}
    described = {name: kept[name] for name in MODEL_SECTIONS if name in kept}
    return parse_config(yaml.safe_dump(described), str(folder / bundle.METADATA))


def encoder_card(model: EncoderBundle) -> str:
    """The model card of an encoder, in Markdown."""
    rows = "\n".join(f"- {key}: {value}" for key, value in model.notes.items())
    decoder = "with" if model.decoder else "without"
    return (
        f"# Encoder of ZTF frames\n\n"
        f"28 x 28-pixel frames to {model.latent} latent means and log variances, {decoder} decoder. "
        f"Normaliser `{model.config.frames.normaliser}`, invalid pixels `{model.config.frames.invalid}`. "
        f"Hash of the weights `{model.hash}`.\n\n{rows}\n\n"
        "Use: `rbztf embed --model THIS --data CUTOUTS --out EMBEDDINGS`.\n"
    )
