"""Sections of the configuration that describe frames and the autoencoder."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """Base of all sections: immutable, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FramesSection(Section):
    """How pixels become the numbers an encoder sees."""

    normaliser: Literal[
        "minmax", "l2", "max", "standard", "three_sigma", "asinh_noise", "asinh_ccd", "asinh_flux"
    ] = "minmax"
    """The first five as in the reference; ``asinh_*``: sky subtracted, in units of the measured
    noise, of the noise by GAIN and READNOI, or of a fixed flux, stretched by asinh."""
    invalid: Literal["zero", "ignore", "mask"] = "zero"
    """Pixels off the chip: ``zero`` counts them as 0 DN, as published; ``ignore`` leaves them
    out; ``mask`` leaves them out, of the loss too, and tells the encoder which they are."""


class VaeSection(Section):
    """Architecture and loss of the variational autoencoder."""

    latent: int = Field(36, ge=1)
    kl_weight: float = Field(8e-5, ge=0)
    rotation_deg: float = Field(0.0, ge=0, le=180)
    """Augmentation: each frame turned by a random angle of up to this much (bilinear)."""
    flips: bool = False
    """Augmentation: each frame turned by quarters and mirrored at random, which loses nothing."""
    shift_share: float = Field(0.0, ge=0, le=1)
    """Augmentation: share of frames moved by part of a pixel, their noise kept at its level."""
    mask_share: float = Field(0.0, ge=0, le=1)
    """Augmentation: share of frames of which a side or a border is hidden, as at the chip's edge."""
    decoder: Literal["reference", "compact"] = "reference"
    side_channels: tuple[Literal["noise", "sky", "valid", "saturated"], ...] = ()
    """What the normaliser takes out of the pixels, appended to the latent means."""
    kl_warm_up: float = Field(0.0, ge=0, le=1)
    """Share of the training in which the weight of the KL term rises from 0."""
    free_bits: float = Field(0.0, ge=0)
    """Nats per latent below which its KL costs nothing, so that no latent is given up."""
    centre_weight: float = Field(0.0, ge=0)
    """How much more than 1 the pixels of the central object count in the loss."""
    measure_weight: float = Field(0.0, ge=0)
    """Weight of an auxiliary head that tells simple measures of the frame from its latent means."""
    artefact_weight: float = Field(0.0, ge=0)
    """Weight of an auxiliary head that tells the artefact of simulated frames from their means."""
    simulated_frames: int = Field(0, ge=0)
    """Simulated frames of known artefacts, added to those to train on."""
