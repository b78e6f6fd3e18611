"""Find and open what training and cross-validation read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rbztf.config import Config
from rbztf.models.objects.object_set import Modality
from rbztf.models.objects.read import fit_to_data
from rbztf.progress import Progress
from rbztf.verbs.paths import locate, locate_optional


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
