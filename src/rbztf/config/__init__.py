"""Configuration: frozen, validated sections read from YAML, with ``--set`` on top."""

from __future__ import annotations

from rbztf.config.frames import FramesSection, Section, VaeSection
from rbztf.config.load import (
    HOME_FILE,
    PROJECT_FILE,
    STANDARD_CLASSIFIER,
    STANDARD_VAE,
    find_config,
    load_config,
    parse_config,
    shipped_configs,
)
from rbztf.config.sections import (
    ClassifierSection,
    Config,
    CvSection,
    DataSection,
    EnsembleSection,
    Member,
    NetworkMember,
    TrainingSection,
    TreesMember,
)

__all__ = [
    "HOME_FILE",
    "PROJECT_FILE",
    "STANDARD_CLASSIFIER",
    "STANDARD_VAE",
    "ClassifierSection",
    "Config",
    "CvSection",
    "DataSection",
    "EnsembleSection",
    "FramesSection",
    "Member",
    "NetworkMember",
    "Section",
    "TrainingSection",
    "TreesMember",
    "VaeSection",
    "find_config",
    "load_config",
    "parse_config",
    "shipped_configs",
]
