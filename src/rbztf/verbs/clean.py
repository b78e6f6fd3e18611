"""``rbztf clean``: light curves with a flag on the epochs that artefacts spoil."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rbztf.config import Config, load_config
from rbztf.errors import Problem, RbztfError
from rbztf.prediction.clean import write_clean
from rbztf.prediction.result import PredictResult
from rbztf.progress import Progress, silent
from rbztf.stores.cutouts import open_cutouts
from rbztf.verbs.fetch import DEFAULT_OUT
from rbztf.verbs.paths import locate_optional
from rbztf.verbs.predict import predict


@dataclass(frozen=True)
class CleanResult:
    """Light curves that were written, and the predictions behind them.

    Attributes
    ----------
    paths : dict of int to Path
        File of each object.
    n_epochs_flagged : int
    predictions : PredictResult
        Its problems are those of ``clean`` as well.
    """

    paths: dict[int, Path]
    n_epochs_flagged: int
    predictions: PredictResult

    def to_json(self) -> dict[str, Any]:
        """As printed by ``clean --json``."""
        return {
            "paths": {str(oid): str(path) for oid, path in self.paths.items()},
            "n_epochs_flagged": self.n_epochs_flagged,
            "predictions": self.predictions.to_json(),
        }


def clean(
    oids: int | str | Iterable[int | str] | None = None,
    *,
    out: Path | str,
    data: Path | str | None = None,
    ending: str = ".ecsv",
    config: Config | None = None,
    progress: Progress = silent,
    **options: Any,
) -> CleanResult:
    """Score objects, and write their light curves with the spoilt epochs flagged.

    Parameters
    ----------
    oids, data, config
        As for :func:`rbztf.predict`.
    out : path
        Folder; gets ``OID.ecsv`` or ``OID.fits``, see :func:`rbztf.prediction.clean.write_clean`.
    ending : ".ecsv" or ".fits"
    options
        Any further ones of :func:`rbztf.predict`, such as ``model``.

    Raises
    ------
    RbztfError
        As :func:`rbztf.predict` does; the model must tell what each frame contributes.
    """
    config = config or load_config()
    made = predict(oids, data=data, config=config, progress=progress, **options | {"explain": True})
    folder = locate_optional("cutouts", data, config) or DEFAULT_OUT
    return write_light_curves(made, folder, Path(out), ending)


def write_light_curves(made: PredictResult, cutouts: Path, out: Path, ending: str = ".ecsv") -> CleanResult:
    """Write the light curves of predicted objects from the cutout store ``cutouts``."""
    paths: dict[int, Path] = {}
    problems: list[Problem] = []
    n_flagged = 0
    store = open_cutouts(cutouts)
    for entry in made.objects:
        try:
            paths[entry.oid] = write_clean(out, entry, store, ending)
        except RbztfError as error:
            if error.exit_code == 2:  # wrong for every object
                raise
            problems.append(Problem(str(entry.oid), str(error)))
            continue
        n_flagged += sum(epoch.dropped for epoch in entry.blamed)
    return CleanResult(paths, n_flagged, replace(made, problems=(*made.problems, *problems)))
