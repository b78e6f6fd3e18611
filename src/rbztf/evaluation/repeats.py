"""Repeat a cross-validation on several draws of the folds, each with its own seed.

One draw of field folds says little of how much a figure owes to that draw. Draw ``d`` splits
with the seed ``seed + d``; its folds are numbered on from those of the draw before, so that a
fold's number is its own in scores, tables and checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rbztf.config import Config
from rbztf.errors import UsageError
from rbztf.evaluation.folds import Split, make_split
from rbztf.stores.labels import LabelTable
from rbztf.ztf import Oid

if TYPE_CHECKING:
    from rbztf.evaluation.crossval import FoldResult

DRAWN = ("field", "random")
"""Splits that depend on the seed."""


def make_splits(
    name: str, labels: LabelTable, n_folds: int, seed: int, available: set[Oid], repeats: int = 1
) -> list[Split]:
    """The folds called ``name``, drawn ``repeats`` times; the other arguments are :func:`make_split`'s.

    Returns
    -------
    list of Split
        One a draw, folds numbered on through all of them.

    Raises
    ------
    UsageError
        For several draws of a split that is always the same; besides what
        :func:`~rbztf.evaluation.folds.make_split` raises.
    """
    if repeats > 1 and name not in DRAWN:
        raise UsageError(
            f"The split {name} is always the same, so it cannot be drawn {repeats} times.",
            "Leave out --repeats, or use --split field or random.",
        )
    splits: list[Split] = []
    first = 0
    for draw in range(repeats):
        split = make_split(name, labels, n_folds, seed + draw, available)
        if draw:
            split = Split(split.name, {first + k: oids for k, oids in enumerate(split.folds.values())})
        splits.append(split)
        first += len(split.folds)
    return splits


def over_draws(
    configs: Sequence[Config],
    splits: Sequence[Split],
    run: Callable[[Sequence[Config], Split], list[list[FoldResult]]],
) -> list[list[FoldResult]]:
    """Cross-validate on every draw of the folds.

    Parameters
    ----------
    configs : sequence of Config
    splits : sequence of Split
        From :func:`make_splits`.
    run : callable
        Cross-validation of configurations on one split, such as
        :func:`rbztf.evaluation.crossval.cross_validate`; in draw ``d`` the seed of each
        configuration is ``d`` larger, so that its training varies as well.

    Returns
    -------
    list of list of FoldResult
        One list a configuration, with the folds of all draws.
    """
    results: list[list[FoldResult]] = [[] for _ in configs]
    for draw, split in enumerate(splits):
        seeded = [config.model_copy(update={"seed": config.seed + draw}) for config in configs]
        for mine, found in zip(results, run(seeded, split)):
            mine += [result.in_draw(draw) for result in found]
    return results
