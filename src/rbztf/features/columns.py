"""Columns of a table of features: which are features, which only keep books or give the label away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rbztf.errors import InputError
from rbztf.features.epoch_set import EPOCH_NAMES
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.features.table import FeatureTable
from rbztf.wording import counted

LARGEST_AUC = 0.999
"""Of a single column; the best one of SNAD's table has 0.76."""
LEAST_OF_A_KIND = 10
"""Objects of each label below which a column may order them by chance."""
LEAST_SHARE = 0.5
"""Of the features a model reads, below which an object counts as one without features."""
SHOWN = 5
"""Names that a message repeats."""
_KNOWN = {name.lower(): name for name in (*FEATURE_NAMES, *EPOCH_NAMES)}
_OF_THE_OBJECT = (
    "oid objectid object_id object id name obj_id source_id star_id ztf_id snad_id ztf_oid ra dec raj2000 dej2000 gal_l gal_b field fieldid ccd ccdid quadrant qid "
    "rcid filter filterid filter_code filtercode fid band source"
)
_OF_THE_LABEL = (
    "label labels class classes classification target targets y truth type category kind kinds tag tags "
    "artefact artefacts artifact artifacts is_artefact is_artifact bogus is_bogus real is_real rb drb real_bogus verdict true_label"
)
_OF_A_TABLE = "index idx row rows row_id rowid row_number rownumber row_num number no nr n i"
_OF_A_RUN = (
    "fold folds cv_fold kfold split position draw set subset train test weight weights config variant model score scores "
    "prediction predictions decision threshold p p_bogus p_real p_low p_high probability inputs features_verified"
)
NOT_FEATURES = frozenset(" ".join((_OF_THE_OBJECT, _OF_THE_LABEL, _OF_A_TABLE, _OF_A_RUN)).split()) | {""}
"""Names, in lower case and with ``_`` for blanks, that say who an object is, what it was called, or
where it stands in a table or a run. The nameless one is the row number that pandas writes."""
_BARE = frozenset(name.replace("_", "") for name in NOT_FEATURES)
"""The same without ``_``: ``objid`` is ``obj_id``, and ``isArtefact`` is ``is_artefact``."""
_COPIED = re.compile(r"_(x|y|[0-9]+|true|pred)$")
"""What joining two tables, or reading a name twice, adds to it."""
_NUMBERED = re.compile(r"(unnamed:?|level|index_level)(_[0-9]+)+(_level_[0-9]+)?")
"""Row numbers as pandas names them when it reads or resets them."""


def is_feature(name: str) -> bool:
    """Whether a column of this name is a feature, and does not keep books; however it is written."""
    usual = unicodedata.normalize("NFKC", name).strip("\ufeff\u200b ").lower()
    plain = re.sub(r"[^\w:]+", "_", usual).strip("_") or usual
    if plain in _KNOWN:
        return True
    bare, copy = (each.replace("_", "") or each for each in (plain, _COPIED.sub("", plain)))
    return not ({bare, copy} & _BARE) and not _NUMBERED.fullmatch(plain)


def canonical(name: str) -> str:
    """The known name of a feature that is written with other capitals; any other name as it is."""
    return _KNOWN.get(name.lower(), name)


def name_warnings(names: Sequence[str], path: Path) -> list[str]:
    """What to know of columns that are not among the known features: they are used all the same."""
    unknown = [name for name in names if name not in _KNOWN.values()]
    if not unknown:
        return []
    return [
        f"{path} has {len(unknown)} columns that are not among the {len(_KNOWN)} known features ({_some(unknown)}). "
        "They are used as features; take out what is not one."
    ]


def lacking_warnings(names: Sequence[str], wanted: Sequence[str], path: Path | None) -> list[str]:
    """What to know of a table that lacks features which a model reads."""
    lacking = [name for name in wanted if name not in names]
    if not lacking:
        return []
    use = "they count as unknown" if len(lacking) <= (1 - LEAST_SHARE) * len(wanted) else "it is not used"
    return [
        f"{path} lacks {len(lacking)} of the {counted(len(wanted), 'feature')} that the model reads ({_some(lacking)}): {use}."
    ]


def counting_columns(table: FeatureTable) -> tuple[str, ...]:
    """Names of columns that count the rows: consecutive whole numbers, each once, in any order."""
    n = len(table)
    if n < LEAST_OF_A_KIND:
        return ()
    ordered = np.sort(table.values, axis=0)  # unknown values last
    counts = (np.diff(ordered, axis=0) == 1).all(axis=0) & (ordered[0] == np.floor(ordered[0]))
    return tuple(name for name, each in zip(table.names, counts.tolist()) if each)


def counting_fault(table: FeatureTable) -> str:
    """Why no row of a table can be scored soundly; empty if they may be."""
    names = counting_columns(table)
    return f"{names[0]} of the table of features counts its rows" if names else ""


def is_enough(values: NDArray[np.float64]) -> bool:
    """Whether so many of an object's features are known that a model may score by them."""
    return bool(np.isfinite(values).mean() >= LEAST_SHARE)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


def check_identity(table: FeatureTable, path: Path) -> None:
    """Refuse a column that says which object, or which row of the table, this is, whatever its name.

    Raises
    ------
    InputError
        If a column holds the OIDs, or counts the rows.
    """
    identity = (table.values == table.oids[:, None]).all(axis=0) & (len(table) > 0)
    oids = [name for name, each in zip(table.names, identity.tolist()) if each]
    for what, found in (("holds the OIDs", oids), ("counts the rows", counting_columns(table))):
        if found:
            raise InputError(f"The column {found[0]!r} of {path} {what}.", "Take it out: it is no feature.")


def check_columns(table: FeatureTable, labels: NDArray[np.int64], path: Path) -> None:
    """Refuse a column that tells the label by itself: it is the label, or the place in a sorted list.

    Parameters
    ----------
    table : FeatureTable
        Of the objects with these labels, in their order.
    labels : ndarray (n,), int64
        1 = artefact.

    Raises
    ------
    InputError
        If a column, or whether it is known, orders the objects by their label: an AUC above 0.999 or
        below 0.001 on at least 10 objects of each kind.
    """
    known = table.known()
    values, labels = table.values[known], labels[known]
    n_artefacts = int(labels.sum())
    n_real = len(labels) - n_artefacts
    if min(n_artefacts, n_real) < LEAST_OF_A_KIND:
        return
    from scipy.stats import rankdata

    for unknown in (-np.inf, np.inf):  # where a value is unknown may tell the label too
        ranks = rankdata(np.where(np.isnan(values), unknown, values), axis=0)
        least = n_artefacts * (n_artefacts + 1) / 2
        aucs = (ranks[labels == 1].sum(axis=0) - least) / (n_artefacts * n_real)
        for name, auc in zip(table.names, aucs.tolist()):
            if abs(auc - 0.5) > LARGEST_AUC - 0.5:
                raise InputError(
                    f"The column {name!r} of {path} tells the label by itself (AUC {auc:.4f} on {counted(len(labels), 'object')}).",
                    "Take it out: it is made from the label, or says where the object stands in a sorted list.",
                )
