"""Score catalogs of light curves with LSDB: ``rbztf.lsdb.score(catalog)`` (needs ``rbztf[lsdb]``)."""

from rbztf.lsdb.partitions import COLUMNS, HatsColumns
from rbztf.lsdb.score import score

__all__ = ["COLUMNS", "HatsColumns", "score"]
