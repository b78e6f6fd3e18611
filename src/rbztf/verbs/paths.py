"""Find a verb's inputs: options first, then the configuration's ``data:`` section."""

from __future__ import annotations

from pathlib import Path

from rbztf.config import Config
from rbztf.errors import DataError, UsageError
from rbztf.formats.read import spooled
from rbztf.stores.labels import LabelTable, read_labels

_OPTIONS = {
    "embeddings": "--embeddings PATH",
    "labels": "--labels FILE",
    "features": "--features FILE",
    "ordinary": "--ordinary FILE",
    "cutouts": "--data DIR",
    "model": "--model DIR",
}
_COMMANDS = {
    "embeddings": "rbztf embed",
    "labels": "rbztf fetch --labels",
    "features": "rbztf features",
    "cutouts": "rbztf fetch OID",
    "model": "rbztf import",
}
"""What makes each of them."""


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
            f"Give {_OPTIONS[name]}, set data.{name} in ./rbztf.yaml, or make it first: {_COMMANDS[name]}.",
        )
    return found


def locate_optional(name: str, option: Path | str | None, config: Config) -> Path | None:
    """As :func:`locate`, None if neither names it. What a pipe holds of features is kept, to be read again."""
    if option is not None:
        return spooled(Path(option)) if name in ("features", "ordinary") else Path(option)
    found: Path | None = getattr(config.data, name)
    return found


def locate_model(option: Path | str | None, config: Config) -> Path:
    """The folder of the model to predict with.

    In this order: what the caller names (a path, or a name from ``rbztf models``), ``data.model`` of
    the configuration (``./rbztf.yaml``, else what was imported into the user's cache), the model
    that comes with the package. A named one that is missing is an error, never a reason to take
    another.

    Raises
    ------
    UsageError
        If the named one is not there.
    """
    from rbztf.models.catalogue import find_model, shipped_model

    named = locate_optional("model", option, config)
    if named is not None:
        return find_model(named)
    if not shipped_model().is_dir():
        raise UsageError("No model is given, imported or shipped.", "Train one first: rbztf import --train.")
    return shipped_model()


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
