"""Configuration: frozen, validated sections read from YAML, with ``--set`` on top."""

from __future__ import annotations

from rbztf.config.aliases import RenamedSetting
from rbztf.config.load import (
    DEFAULT_CLASSIFIER,
    DEFAULT_VAE,
    HOME_FILE,
    PROJECT_FILE,
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
    FramesSection,
    Member,
    MemberSection,
    NetworkMember,
    Section,
    TrainingSection,
    TreesMember,
    VaeSection,
)

__all__ = [
    "DEFAULT_CLASSIFIER",
    "DEFAULT_VAE",
    "HOME_FILE",
    "PROJECT_FILE",
    "ClassifierSection",
    "Config",
    "CvSection",
    "DataSection",
    "EnsembleSection",
    "FramesSection",
    "Member",
    "MemberSection",
    "NetworkMember",
    "RenamedSetting",
    "Section",
    "TrainingSection",
    "TreesMember",
    "VaeSection",
    "find_config",
    "load_config",
    "parse_config",
    "shipped_configs",
]
