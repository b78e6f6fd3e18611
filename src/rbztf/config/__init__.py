"""Configuration: frozen, validated sections read from YAML, with ``--set`` on top."""

from __future__ import annotations

from rbztf.config.aliases import RenamedSetting
from rbztf.config.load import (
    HOME_FILE,
    PROJECT_FILE,
    Resolved,
    load_config,
    parse_config,
    resolve_config,
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
from rbztf.config.shipped import DEFAULT_CLASSIFIER, DEFAULT_VAE, find_config, shipped_configs
from rbztf.config.usage import check_usage

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
    "Resolved",
    "Section",
    "TrainingSection",
    "TreesMember",
    "VaeSection",
    "check_usage",
    "find_config",
    "load_config",
    "parse_config",
    "resolve_config",
    "shipped_configs",
]
