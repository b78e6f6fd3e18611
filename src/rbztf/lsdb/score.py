"""Scores of a whole catalog, lazily, partition by partition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rbztf.config import load_config
from rbztf.errors import UsageError
from rbztf.features import snad_set
from rbztf.features.lightcurve import check_until
from rbztf.features.sets import FeatureSet
from rbztf.lsdb.partitions import COLUMNS, HatsColumns, Job, check_columns, empty_scores, score_partition
from rbztf.models.decision.decisions import Goal
from rbztf.models.load import load_model
from rbztf.models.objects.object_set import Modality
from rbztf.verbs.paths import locate_model
from rbztf.verbs.predict import model_hash


def score(
    catalog: Any,
    *,
    model: Path | str | None = None,
    goal: Goal | None = None,
    until_mjd: float | None = None,
    force: bool = False,
    columns: HatsColumns = COLUMNS,
    n_threads: int = 1,
) -> Any:
    """Score the objects of an LSDB catalog by their light curves.

    Nothing is read or computed until the answer is (``compute``, ``write_catalog``); the answer has the same
    partitions. Epochs are chosen as for the training: finite, errors above 0, no bit of ``catflags`` set, one
    of those at the same time. Filters of your own, such as ``catalog.query("filterid == 2")``, come first.

    Parameters
    ----------
    catalog : lsdb.Catalog
        With one nested light curve a row, as IRSA's ``ztf/enhanced/dr24/lc/hats``; open it with
        ``columns=rbztf.lsdb.COLUMNS.names``.
    model : path or name, optional
        As :func:`rbztf.predict`; it has to read light curves.
    goal, until_mjd, force
        As :func:`rbztf.predict`.
    columns : HatsColumns
        Names of the catalog's columns.
    n_threads : int
        Native threads a partition, for features. With one Dask worker a core leave it at 1.

    Returns
    -------
    lsdb.Catalog
        ``objectid, filterid, objra, objdec`` and :data:`rbztf.lsdb.partitions.SCORES`, a row an object: those
        of other bands or with too few epochs have null as ``p_bogus`` and the reason in ``input_reason``.

    Raises
    ------
    UsageError
        For a model that does not score light curves alone, or without the package light-curve.
    InputError
        For a catalog without the columns.
    """
    check_until(until_mjd)
    snad_set.package()
    path = locate_model(model, load_config()).absolute()
    loaded = load_model(path)
    if not loaded.can_score([Modality.LIGHTCURVE]):
        raise UsageError(f"{path} does not score light curves alone.", "Give another model.")
    if FeatureSet.of(loaded.feature_names).has_epochs:
        raise UsageError(
            f"{path} reads features of the PSF fit of each epoch, which catalogs do not have.",
            "Give a model of SNAD's features alone.",
        )
    schema = catalog.meta
    nested = schema[columns.lightcurve].array.field_names if columns.lightcurve in schema.columns else []
    check_columns(list(schema.columns), list(nested), columns)
    job = Job(path, model_hash(path), columns, goal, until_mjd, force, n_threads)
    return catalog.map_partitions(score_partition, job, meta=empty_scores(schema, columns))
