"""Where a verb's inputs are: options first, then the configuration's ``data:`` section."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rbztf.archive.labels import LabelTable, read_labels
from rbztf.config import Config
from rbztf.errors import DataError, UsageError
from rbztf.evaluation.reading import fit_to_data
from rbztf.models.objects import Modality
from rbztf.progress import Progress

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


@dataclass(frozen=True)
class Inputs:
    """What models are trained on.

    Attributes
    ----------
    embeddings, features : Path or None
    configs : tuple of Config
        Members of ensembles that read what is not there left out.
    warnings : tuple of str
        What was left out.
    """

    embeddings: Path | None
    features: Path | None
    configs: tuple[Config, ...]
    warnings: tuple[str, ...]


def locate_inputs(
    configs: Sequence[Config],
    embeddings: Path | str | None,
    features: Path | str | None,
    data: Path | str | None,
    scratch: Path,
    progress: Progress,
) -> Inputs:
    """Find what ``configs`` read; the first one's ``data`` section fills in paths left out.

    Raises
    ------
    UsageError
        If a network lacks its embeddings, or no member of an ensemble has what it reads.
    """
    first = configs[0]
    vectors = locate_optional("embeddings", embeddings, first)
    networks = [config for config in configs if config.ensemble is None]
    if networks:
        vectors = locate_vectors(embeddings, data, networks[0], scratch, progress)
    table = locate_optional("features", features, first)
    places = {Modality.IMAGE: vectors, Modality.LIGHTCURVE: table}
    have = {modality for modality, path in places.items() if path}
    fitted, warnings = [], dict[str, None]()
    for config in configs:
        fitting, warned = fit_to_data(config, have)
        fitted.append(fitting)
        warnings |= dict.fromkeys(warned)
    reads = {
        name
        for config in configs
        if config.ensemble
        for m in config.ensemble.members.values()
        for name in m.inputs
    }
    used = table if "lightcurve" in reads else None
    return Inputs(vectors, used, tuple(fitted), tuple(warnings))


def locate_vectors(
    embeddings: Path | str | None,
    data: Path | str | None,
    config: Config,
    scratch: Path,
    progress: Progress,
) -> Path:
    """The embeddings to train on; frames are embedded into ``scratch`` where those are asked for.

    With ``classifier.inputs`` of frames the encoder is part of the model but frozen, so each
    frame is encoded once, before the first epoch, which is the same function as encoding it
    anew in each.
    """
    if not config.classifier.inputs.startswith("frames"):
        return locate("embeddings", embeddings, config)
    if not (scratch / "store.yaml").is_file():
        from rbztf.verbs.embed import embed

        embed(None, data, scratch, config=config, progress=progress)
    return scratch


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
