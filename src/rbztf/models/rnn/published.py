"""Weights published with RB_ZTF: torch files, read without running what a stranger may have put in them."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import torch
from torch import Tensor

from rbztf.config import Config
from rbztf.errors import InputError
from rbztf.files import regular
from rbztf.models.bundle import load_exactly
from rbztf.models.rnn.bundle import ClassifierBundle, Standardisation, build_network
from rbztf.models.vae.bundle import EncoderBundle
from rbztf.models.vae.network import Encoder

SOURCE = "https://github.com/semtim/RB_ZTF"
CITATION = "T. A. Semenikhin (2024), Systems and Means of Informatics 34(1), 70-79"
_GATES = {3: "gru", 4: "lstm"}


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a torch state dict without unpickling anything but tensors.

    Raises
    ------
    InputError
        If the file is not a state dict, or tries to do anything else.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            content = torch.load(regular(path), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError:
        raise InputError(
            f"{path} is damaged or holds more than weights; it was refused and nothing in it was run.",
            "Get the published file again, from its own repository.",
        ) from None
    except Exception as error:  # noqa: BLE001 - torch meets damaged files with errors of any kind
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} is not a torch weight file ({reason}).", "Get it again.") from None
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(f"{path} does not hold a state dict.", "Get it again.")
    return dict(content)


def encoder_from(path: Path, config: Config) -> EncoderBundle:
    """A published encoder as a bundle; its latent size is read from the weights.

    Raises
    ------
    InputError
        If the weights are not those of an encoder.
    """
    tensors = read_state_dict(path)
    head = tensors.get("encoder.6.weight")
    if head is None or head.ndim != 2 or len(head) % 2:
        raise InputError(
            f"{path} does not hold an encoder (no usable 'encoder.6.weight').", "Check the file."
        )
    latent = len(head) // 2
    encoder = Encoder(latent)
    load_exactly(encoder, tensors, path)
    vae = config.vae.model_copy(update={"latent": latent})
    notes = {
        "source": f"{SOURCE}, {path.name}",
        "cite": CITATION,
        "trained on": "all frames of the 2,230 objects, unlabelled",
    }
    return EncoderBundle(encoder.eval(), None, config.model_copy(update={"vae": vae}), notes)


def classifier_from(path: Path, config: Config, encoder: EncoderBundle | None) -> ClassifierBundle:
    """A published classifier as a bundle; its architecture is read from the weights.

    Raises
    ------
    InputError
        If the weights are not those of a recurrent classifier, or not of ``encoder``'s width.
    """
    tensors = read_state_dict(path)
    try:
        gates_hidden, latent = tensors["rnn_layer.weight_ih_l0"].shape
        hidden = tensors["rnn_layer.weight_hh_l0"].shape[1]
        cell = _GATES[gates_hidden // hidden]
    except (KeyError, ValueError, IndexError, ZeroDivisionError):
        raise InputError(f"{path} does not hold a recurrent classifier.", "Check the file.") from None
    if encoder and encoder.latent != latent:
        raise InputError(
            f"{path} reads {latent} latents; the encoder gives {encoder.latent}.", "Check the files."
        )
    found = {
        "cell": cell,
        "hidden": hidden,
        "bidirectional": "rnn_layer.weight_ih_l0_reverse" in tensors,
        "padding": "masked",
        "standardise": False,
    }
    config = config.model_copy(update={"classifier": config.classifier.model_copy(update=found)})
    network = build_network(config, latent)
    load_exactly(network, tensors, path)
    notes = {
        "source": f"{SOURCE}, {path.parent.name}/{path.name}",
        "cite": CITATION,
        "trained on": f"the objects of all of the reference's folds but fold {path.stem.removeprefix('model')}",
        "padding": "masked here; published scores read the padding (classifier.padding: reference)",
        "threshold": "0.5, not tuned",
    }
    return ClassifierBundle(network.eval(), Standardisation.identity(latent), config, 0.5, encoder, notes)
