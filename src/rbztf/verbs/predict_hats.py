"""``rbztf predict --hats``: score a catalog of light curves into another catalog."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from rbztf.archive.tap import parse_position, parse_radius
from rbztf.config import Config, load_config
from rbztf.errors import InputError, RbztfError, UsageError, reason
from rbztf.files import write_text
from rbztf.lsdb.partitions import COLUMNS
from rbztf.models.decision.decisions import Goal
from rbztf.parallel.processes import available_cores
from rbztf.parallel.scheduler import open_client
from rbztf.textfiles import json_text
from rbztf.verbs.paths import locate_model
from rbztf.verbs.predict import model_hash

REQUEST = "rbztf.json"
"""In the folder of the catalog: all that decides its scores."""


@dataclass(frozen=True)
class HatsResult:
    """What ``predict --hats`` wrote."""

    model: str
    out: Path
    n_objects: int
    n_partitions: int

    def to_json(self) -> dict[str, Any]:
        """As printed by ``predict --json``."""
        return {**asdict(self), "out": str(self.out)}


def predict_hats(
    catalog: Path | str,
    out: Path | str,
    *,
    region: str | None = None,
    partitions: str | None = None,
    model: Path | str | None = None,
    until_mjd: float | None = None,
    goal: Goal | None = None,
    force: bool = False,
    scheduler: str | None = None,
    workers: int = 0,
    progress_bar: bool = False,
    config: Config | None = None,
) -> HatsResult:
    """Score a HATS catalog of light curves; the same call again goes on where it was stopped.

    Without a scheduler one partition is in work at a time, its features on all cores; with one, a partition a
    worker thread. Memory is that of the partitions in work (a partition of a ZTF release takes up to 30 GB).

    Parameters
    ----------
    catalog : path or URL
        With the columns of IRSA's catalogs (:data:`rbztf.lsdb.COLUMNS`).
    out : path
        The catalog to write, with the columns of :func:`rbztf.lsdb.score`.
    region : str, optional
        ``RA,DEC,RADIUS``: ICRS in degrees, and a radius such as ``30arcmin``.
    partitions : str, optional
        ``A:B``: only those, counted from 0, as for the jobs of an array.
    model, until_mjd, goal, force
        As :func:`rbztf.predict`.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same files, or ``local``.
    workers : int
        Of ``local``, or threads without a scheduler; 0 takes one a core.

    Raises
    ------
    UsageError, InputError
        For a catalog that cannot be opened or has other columns, a region that is none or holds nothing,
        or an ``out`` that holds something else.
    """
    lsdb = _lsdb()
    from rbztf.lsdb.score import score

    config = config or load_config()
    out = Path(out)
    path = locate_model(model, config)
    request = {
        "catalog": str(catalog),
        "region": region,
        "partitions": partitions,
        "model": model_hash(path),
        "until_mjd": until_mjd,
        "goal": asdict(goal or Goal()),
        "force": force,
    }
    _check_target(out, request)
    with _sentence(f"The catalog {catalog}"):
        found = lsdb.open_catalog(str(catalog), columns=COLUMNS.names, search_filter=_region(lsdb, region))
    if partitions is not None:
        found = found.partitions[_slice(partitions, found.npartitions)]
    with ExitStack() as stack:
        n_threads = 1
        if scheduler is None:
            stack.enter_context(import_module("dask").config.set(scheduler="synchronous"))
            n_threads = workers or available_cores()
        else:
            stack.enter_context(open_client(scheduler, workers))
        scored = score(
            found,
            model=path,
            goal=goal,
            until_mjd=until_mjd,
            force=force,
            n_threads=n_threads,
        )
        write_text(out / REQUEST, json_text(request))
        with _sentence(f"The catalog {out}"):
            scored.write_catalog(
                str(out),
                catalog_name=f"{found.name}_rbztf",
                as_collection=False,
                resume=True,
                progress_bar=progress_bar,
                error_if_empty=False,
            )
            written = lsdb.open_catalog(str(out))
    return HatsResult(str(path), out, len(written), written.npartitions)


def _lsdb() -> Any:
    try:
        return import_module("lsdb")
    except ImportError:
        raise UsageError("--hats needs LSDB.", 'Install it: pip install "rbztf[lsdb]".') from None


def _check_target(out: Path, request: dict[str, Any]) -> None:
    """Refuse a folder that holds something else than this request's catalog."""
    stamp = out / REQUEST
    if stamp.is_file():
        try:
            known = json.loads(stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            known = None
        if known == json.loads(json_text(request)):
            return
        raise UsageError(
            f"{out} holds scores by another model or with other options ({REQUEST}).",
            "Choose another --out, or remove it.",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} is there and was not written by rbztf.", "Choose another --out.")


def _region(lsdb: Any, region: str | None) -> Any:
    if region is None:
        return None
    place, _, radius = region.rpartition(",")
    ra_deg, dec_deg = parse_position(place)
    return lsdb.ConeSearch(ra_deg, dec_deg, radius_arcsec=parse_radius(radius))


def _slice(text: str, n: int) -> slice:
    first, colon, last = text.partition(":")
    if not colon or not all(part == "" or part.isdecimal() for part in (first, last)):
        raise UsageError(
            f"{text!r} names no partitions.", "Give the first and the one after the last, as 0:10."
        )
    chosen = slice(int(first or 0), int(last or n))
    if not range(n)[chosen]:
        raise UsageError(f"The catalog has {n} partitions; {text} are none of them.", "Give others.")
    return chosen


@contextmanager
def _sentence(what: str) -> Iterator[None]:
    """Errors of LSDB within the block, in one sentence."""
    try:
        yield
    except RbztfError:
        raise
    except Exception as error:  # noqa: BLE001 - catalogs fail in a dozen ways, none of them documented
        raise InputError(
            f"{what} cannot be used ({reason(error)}).", "Check its path and its columns."
        ) from None
