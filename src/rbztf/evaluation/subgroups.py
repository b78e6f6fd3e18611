"""Metrics of subgroups of the test objects: by tag, class, sequence length and magnitude.

Every row says how many objects it is made of and gives each figure with a 95 % interval from a
bootstrap over fields. All out-of-fold scores count together, those of all draws of the folds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rbztf.evaluation.bootstrap import interval, share
from rbztf.evaluation.metrics import accuracy, brier, ece, roc_auc
from rbztf.evaluation.scores import Array, Scored
from rbztf.features.table import FeatureTable
from rbztf.stores.labels import LabelTable
from rbztf.ztf import Oid

CLASS_TAGS: dict[str, tuple[str, ...]] = {
    "supernova": ("SN", "SNIa", "CCSN", "SLSN"),
    "active nucleus": ("AGN", "QSO"),
    "M-dwarf flare": ("M_dwarf_flare",),
    "pulsating": ("Pulsating", "RR", "RRAB", "DSCT", "DCEP", "SR", "M", "L", "LPV", "RSG"),
    "eclipsing": ("Eclipsing", "EA", "EB", "EW"),
    "cataclysmic": ("Cataclysmic", "UG", "UGZ", "UGSS", "AM", "N"),
    "rotating or eruptive": ("Rotating", "RSCVn", "BY", "Eruptive", "YSO"),
    "galaxy": ("Galaxy",),
    "star": ("STAR",),
    "variable of unknown type": ("VAR",),
}
"""Tags of each class.

The types within pulsating, eclipsing, cataclysmic and rotating stars are those of the General
Catalogue of Variable Stars (Samus et al. 2017, Astronomy Reports 61, 80), whose abbreviations
the tags are: M is Mira, SR semiregular, L slow irregular, N nova, AM a polar, UG a dwarf nova.
"""
GENERAL = ("star", "variable of unknown type")
"""Classes that count only where no other does: most stars of a known type bear these tags too."""
UNCLASSIFIED = "unclassified"
ARTEFACT = "artefact"
_CLASS_OF = {tag: name for name, tags in CLASS_TAGS.items() for tag in tags}


def classes_of(tags: Iterable[str], is_artefact: bool) -> frozenset[str]:
    """Classes of one object, at least one.

    An artefact is of the class ``artefact`` alone, whatever lies beneath it. A real object is of
    every class that its tags name, of ``unclassified`` if they name none.
    """
    if is_artefact:
        return frozenset({ARTEFACT})
    found = {_CLASS_OF[tag] for tag in tags if tag in _CLASS_OF}
    special = found - {*GENERAL}
    return frozenset(special or found or {UNCLASSIFIED})


MIN_TAGGED = 10
"""Tags and classes with fewer objects are not reported on."""
N_BINS = 4
Row = dict[str, Any]
Mask = NDArray[np.bool_]


def tag_masks(scored: Scored, labels: LabelTable) -> dict[str, Mask]:
    """Which objects bear each tag, (n,) bool; the commonest tag first."""
    return _masks([tags_of(labels, oid) for oid in scored.oids.tolist()], scored)


def class_masks(scored: Scored, labels: LabelTable) -> dict[str, Mask]:
    """Which objects are of each class of :mod:`rbztf.evaluation.subgroups`, (n,) bool."""
    groups = [
        classes_of(tags_of(labels, oid), bool(label))
        for oid, label in zip(scored.oids.tolist(), scored.labels)
    ]
    return _masks(groups, scored)


def called_table(scored: Scored, masks: Mapping[str, Mask], weights: Array) -> dict[str, Row]:
    """For each group of objects, how many of them are called bogus.

    Parameters
    ----------
    scored : Scored
        Pooled, n objects.
    masks : mapping of str to ndarray (n,), bool
    weights : ndarray (draws, n), float64

    Returns
    -------
    dict
        Per group ``n`` and ``artefacts`` (objects), ``called_bogus`` (share of all, interval
        ``ci95``), ``recall`` (share of its artefacts found) and ``false_alarms`` (share of its
        real objects called bogus), both with interval.
    """
    is_artefact = scored.labels == 1
    table = {}
    for name, mask in masks.items():
        called, ci95 = share(scored.called, mask, weights)
        table[name] = {
            "n": count(scored, mask),
            "artefacts": count(scored, mask & is_artefact),
            "called_bogus": called,
            "ci95": list(ci95),
            "recall": share_json(scored.called, mask & is_artefact, weights),
            "false_alarms": share_json(scored.called, mask & ~is_artefact, weights),
        }
    return table


def quartile_table(scored: Scored, values: Array, weights: Array) -> list[Row]:
    """AUC, accuracy and calibration in bins of equal numbers of objects by some ``values``.

    Parameters
    ----------
    values : ndarray (n,), float64
        For example frames, or magnitudes; objects for which it is NaN make a last row whose
        ``from`` and ``to`` are NaN.

    Returns
    -------
    list of dict
        ``from``, ``to`` (least and largest value in the bin), ``n``, ``artefacts``, ``roc_auc``,
        ``accuracy`` (at the threshold), ``brier`` and ``ece``, each of these four with interval;
        ``mean_score`` and ``share_artefacts``, which are equal where the scores are right on average.
    """
    rows = []
    for mask in _bins(values):
        inside, weight = scored.only(mask), weights[:, mask]
        rows.append(
            {
                "from": float(values[mask].min()),
                "to": float(values[mask].max()),
                "n": count(scored, mask),
                "artefacts": count(scored, mask & (scored.labels == 1)),
                "roc_auc": _figure(roc_auc, inside, weight),
                "accuracy": _figure(accuracy, inside, weight),
                "brier": _figure(brier, inside, weight),
                "ece": _figure(ece, inside, weight),
                "mean_score": float(inside.scores.mean()),
                "share_artefacts": float(inside.labels.mean()),
            }
        )
    return rows


def magnitudes_of(features: FeatureTable) -> dict[int, float]:
    """Mean magnitude of each object, from the first column called ``mean…``; empty without one."""
    columns = [i for i, name in enumerate(features.names) if name.startswith("mean")]
    return dict(zip(features.oids.tolist(), features.values[:, columns[0]].tolist())) if columns else {}


def count(scored: Scored, mask: Mask) -> int:
    """Objects in ``mask``, each once however many draws of the folds there are."""
    return len(np.unique(scored.oids[mask]))


def share_json(chosen: Mask, among: Mask, weights: Array) -> Row | None:
    """Share of the objects ``among`` that are ``chosen`` with interval; None without any."""
    if not among.any():
        return None
    value, ci95 = share(chosen, among, weights)
    return {"value": value, "ci95": list(ci95)}


def _figure(metric: Any, inside: Scored, weights: Array) -> Row:
    with np.errstate(invalid="ignore", divide="ignore"):
        value = metric(inside, np.ones((1, len(inside))))[0]
        return {"value": float(value), "ci95": list(interval(metric(inside, weights)))}


def tags_of(labels: LabelTable, oid: int) -> Collection[str]:
    found = labels.get(Oid(oid))
    return found.tags if found else ()


def _masks(groups: Sequence[Collection[str]], scored: Scored) -> dict[str, Mask]:
    names = sorted({name for group in groups for name in group})
    masks = {name: np.array([name in group for group in groups], bool) for name in names}
    sizes = {name: count(scored, mask) for name, mask in masks.items()}
    kept = [name for name in names if sizes[name] >= MIN_TAGGED]
    return {name: masks[name] for name in sorted(kept, key=lambda name: -sizes[name])}


def _bins(values: Array) -> list[Mask]:
    known = np.isfinite(values)
    if not known.any():
        return []
    inner = np.quantile(values[known], np.arange(1, N_BINS) / N_BINS)
    place = np.searchsorted(np.unique(inner), values, side="left")
    bins = [known & (place == k) for k in range(N_BINS)] + [~known]
    return [mask for mask in bins if mask.any()]


COMMON = 80
"""Objects from which a kind counts in the macro average."""
MACRO = "macro"


def kind_table(scored: Scored, labels: LabelTable, weights: Array) -> dict[str, dict[str, Any]] | None:
    """AUC of each artefact kind against all other objects; None without probabilities of kinds.

    Parameters
    ----------
    scored : Scored
        Pooled, n objects.
    weights : ndarray (draws, n), float64

    Returns
    -------
    dict
        Per kind with some objects ``n`` and ``roc_auc`` with interval; under ``macro`` the mean
        over kinds with at least :data:`COMMON` objects, and ``n``, how many kinds these are.
    """
    if scored.kinds is None:
        return None
    rows: dict[str, dict[str, Any]] = {}
    common: list[tuple[float, Array]] = []
    for kind, shares in scored.kinds.items():
        truth = np.array([kind in tags_of(labels, oid) for oid in scored.oids.tolist()], np.int64)
        known = np.isfinite(shares)
        n = count(scored, known & (truth == 1))
        if not n or truth[known].all():
            continue
        inside = Scored(scored.oids[known], truth[known], shares[known], np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(roc_auc(inside, np.ones((1, len(inside))))[0])
            drawn = roc_auc(inside, weights[:, known])
        rows[kind] = {"n": n, "roc_auc": {"value": value, "ci95": list(interval(drawn))}}
        if n >= COMMON:
            common.append((value, drawn))
    if common:
        value = float(np.mean([value for value, _ in common]))
        ci95 = list(interval(np.mean([drawn for _, drawn in common], axis=0)))
        rows[MACRO] = {"n": len(common), "roc_auc": {"value": value, "ci95": ci95}}
    return rows
