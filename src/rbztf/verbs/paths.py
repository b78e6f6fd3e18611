"""Where a verb's inputs are: options first, then the configuration's ``data:`` section."""

from __future__ import annotations

from pathlib import Path

from rbztf.config import Config
from rbztf.errors import DataError, UsageError
from rbztf.stores.labels import LabelTable, read_labels

_OPTIONS = {
    "embeddings": "--embeddings PATH",
    "labels": "--labels FILE",
    "features": "--features CSV",
    "cutouts": "--data DIR",
    "model": "--model DIR",
}


def locate(name: str, option: Path | str | None, config: Config) -> Path:
    """The path of an input.

    Parameters
    ----------
    name : str
        A path of the ``data:`` section.
    option : path or None
        What the caller gave.

    Raises
    ------
    UsageError
        If neither names it.
    """
    found = locate_optional(name, option, config)
    if found is None:
        raise UsageError(
            f"No {name} given.",
            f"Give {_OPTIONS[name]}, or set data.{name} in the configuration or ./rbztf.yaml.",
        )
    return found


def locate_optional(name: str, option: Path | str | None, config: Config) -> Path | None:
    """As :func:`locate`, None if neither names it."""
    if option is not None:
        return Path(option)
    found: Path | None = getattr(config.data, name)
    return found


def labels_in_bands(option: Path | str | None, config: Config) -> LabelTable:
    """The labels of the configuration's bands.

    Raises
    ------
    DataError
        If there is none.
    """
    path = locate("labels", option, config)
    table = read_labels(path).in_bands(config.data.bands)
    if not table:
        bands = ", ".join(config.data.bands)
        raise DataError(
            f"{path} has no object in the band {bands}.", "Choose bands: --set 'data.bands=[g, r]'."
        )
    return table
