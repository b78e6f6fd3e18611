"""Columns of a table of features: which are features, which only keep books or give the label away."""

from __future__ import annotations

import re

from rbztf.features.snad_set import FEATURE_NAMES

_KNOWN = {name.lower(): name for name in FEATURE_NAMES}
_OF_THE_OBJECT = (
    "oid objectid object_id object id name ra dec raj2000 dej2000 gal_l gal_b field fieldid ccd ccdid quadrant qid "
    "rcid filter filterid filter_code filtercode fid band source"
)
_OF_THE_LABEL = (
    "label labels class classes classification target targets y truth type category kind kinds tag tags "
    "artefact artefacts artifact artifacts is_artefact is_artifact bogus is_bogus real is_real rb drb"
)
_OF_A_TABLE = "index idx row rows row_id rowid row_number rownumber number no n i"
_OF_A_RUN = (
    "fold folds split position draw set subset train test weight weights config variant model score scores "
    "prediction predictions decision threshold p p_bogus p_real p_low p_high probability inputs features_verified"
)
NOT_FEATURES = frozenset(" ".join((_OF_THE_OBJECT, _OF_THE_LABEL, _OF_A_TABLE, _OF_A_RUN)).split()) | {""}
"""Names, in lower case and with ``_`` for blanks, that say who an object is, what it was called, or
where it stands in a table or a run. The nameless one is the row number that pandas writes."""
_NUMBERED = re.compile(r"(unnamed:?|level)_[0-9]+(_level_[0-9]+)?")
"""Row numbers as pandas names them when it reads or resets them."""


def is_feature(name: str) -> bool:
    """Whether a column of this name is a feature, and does not keep books."""
    plain = re.sub(r"[\s.-]+", "_", name.strip().lower())
    return plain not in NOT_FEATURES and not _NUMBERED.fullmatch(plain)


def canonical(name: str) -> str:
    """The known name of a feature that is written with other capitals; any other name as it is."""
    return _KNOWN.get(name.lower(), name)
