"""The trees of LightGBM for many rows at once, with the same sums bit for bit and several times as fast.

Each value of a row becomes a number: how many of the thresholds of its feature, of all trees together, lie
below it. A split is then a comparison of small whole numbers, done for thousands of rows by one call, and
the leaf of a tree is found as QuickScorer finds it (Lucchese et al. 2015, SIGIR '15, p. 73, section 3): a split
that a row goes right at takes the leaves on its left away, and the first leaf that is left is the one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ROWS = 32768
"""Scored at once: their numbers fit in the processor's cache, and Python's share of the time is small."""
WORDS = {16: np.uint16, 32: np.uint32, 64: np.uint64}
"""By the most leaves a tree may have: what holds one bit a leaf."""
MOST_THRESHOLDS = 65534
"""Of a feature: numbers are 16 bits wide, and the largest is kept for unknown values that go right."""
ZERO = 1.0000000180025095e-35
"""LightGBM takes values up to this for 0 (kZeroThreshold in its include/LightGBM/meta.h)."""
DEFAULT_LEFT, UNKNOWN_IS_ZERO, UNKNOWN_HAS_A_SIDE = 2, 0, 8
"""Bits of LightGBM's decision_type (its include/LightGBM/tree.h): the default side, and how NaN is taken."""

Split = tuple[int, int, Any]
"""Column of numbers, number of the threshold, bits of the leaves on the left."""


@dataclass(frozen=True)
class Tree:
    """A tree: its leaves from left to right and its splits.

    Attributes
    ----------
    leaves : ndarray (leaves,), float64
    splits : tuple of (int, float, int, int)
        Feature, threshold up to which a value goes left, decision_type, and one bit for each leaf on the left.
    """

    leaves: Array
    splits: tuple[tuple[int, float, int, int], ...]

    @classmethod
    def read(cls, lines: dict[str, str]) -> Tree:
        """From the lines of LightGBM's text by their names."""
        values = np.array(lines["leaf_value"].split(), np.float64)
        if len(values) == 1:
            return cls(values, ())
        feature, kind, left, right = (
            [int(word) for word in lines[name].split()]
            for name in ("split_feature", "decision_type", "left_child", "right_child")
        )
        threshold = [_for_exact_values(float(word)) for word in lines["threshold"].split()]
        order: list[int] = []
        bits: dict[int, int] = {}
        todo = [0]
        while todo:  # depth first, left before right; a node comes again when its left side is done
            node = todo.pop()
            if node < 0:
                order.append(~node)
            elif node in bits:
                bits[node] = (1 << len(order)) - bits[node]
                todo.append(right[node])
            else:
                bits[node] = 1 << len(order)
                todo += [node, left[node]]
        splits = [(feature[node], threshold[node], kind[node], bits[node]) for node in bits]
        return cls(values[order], tuple(splits))


def _for_exact_values(threshold: float) -> float:
    """The threshold that sends values as they are where this one sends them with the smallest taken for 0."""
    if abs(threshold) > ZERO:
        return threshold
    return ZERO if threshold >= 0 else float(np.nextafter(-ZERO, -np.inf))


def read_trees(text: str) -> Iterator[Tree]:
    """The trees of a sound text of LightGBM (see :func:`rbztf.models.ensemble.trees_text.checked_trees`)."""
    body = text.partition("end of trees")[0]
    for block in body.split("\nTree=")[1:]:
        pairs = (line.partition("=") for line in block.splitlines())
        yield Tree.read({name: value for name, _, value in pairs})


class BinnedTrees:
    """Sums of the trees of some boosters.

    Parameters
    ----------
    texts : sequence of str
        Of LightGBM, one a booster, which read the same columns.

    Raises
    ------
    ValueError
        For trees that are not made for this: more than 64 leaves, more than 65,534 thresholds of a feature,
        or zeros taken for unknown; and with NumPy 1, which cannot count bits.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        if not hasattr(np, "bitwise_count"):
            raise ValueError("NumPy 1 cannot count bits")
        forests = [list(read_trees(text)) for text in texts]
        trees = [tree for forest in forests for tree in forest]
        most = max((len(tree.leaves) for tree in trees), default=1)
        word: Any = next((kind for leaves, kind in WORDS.items() if most <= leaves), None)
        if word is None:
            raise ValueError(f"a tree has {most} leaves")
        self._word = word
        splits = [split for tree in trees for split in tree.splits]
        if any(kind & ~DEFAULT_LEFT not in (UNKNOWN_IS_ZERO, UNKNOWN_HAS_A_SIDE) for _, _, kind, _ in splits):
            raise ValueError("zeros count as unknown")
        by_feature: dict[int, list[float]] = {}
        for feature, threshold, _, _ in splits:
            by_feature.setdefault(feature, []).append(threshold)
        self._thresholds = {feature: np.unique(found) for feature, found in by_feature.items()}
        if any(len(found) > MOST_THRESHOLDS for found in self._thresholds.values()):
            raise ValueError("a feature has too many thresholds")
        self._columns = sorted({(feature, kind) for feature, _, kind, _ in splits})
        places = {column: place for place, column in enumerate(self._columns)}
        self._forests = [
            [
                (
                    tree.leaves,
                    [
                        (
                            places[feature, kind],
                            int(np.searchsorted(self._thresholds[feature], threshold)),
                            word(bits),
                        )
                        for feature, threshold, kind, bits in tree.splits
                    ],
                )
                for tree in forest
            ]
            for forest in forests
        ]

    def sums(self, values: NDArray[np.floating[Any]]) -> Array:
        """What LightGBM's ``predict(raw_score=True)`` gives for each booster.

        Parameters
        ----------
        values : ndarray (n, features), float64 or float32
            NaN where unknown.

        Returns
        -------
        ndarray (boosters, n), float64
        """
        out = np.zeros((len(self._forests), len(values)))
        for start in range(0, len(values), ROWS):
            block = values[start : start + ROWS]
            numbers = self._numbers(block)
            for row, forest in zip(out, self._forests):
                self._add(numbers, forest, row[start : start + len(block)])
        return out

    def _numbers(self, block: NDArray[np.floating[Any]]) -> list[NDArray[np.uint16]]:
        """Of each of the columns, how many thresholds lie below each value, (n,) each."""
        plain: dict[int, tuple[NDArray[np.uint16], NDArray[np.bool_]]] = {}
        for feature, thresholds in self._thresholds.items():
            values = np.ascontiguousarray(block[:, feature], np.float64)
            plain[feature] = np.searchsorted(thresholds, values).astype(np.uint16), np.isnan(values)
        out = []
        for feature, kind in self._columns:
            numbers, unknown = plain[feature]
            if unknown.any():
                numbers = np.where(unknown, np.uint16(self._of_unknown(feature, kind)), numbers)
            out.append(numbers)
        return out

    def _of_unknown(self, feature: int, kind: int) -> int:
        """The number that stands for NaN at splits of this kind."""
        if not kind & UNKNOWN_HAS_A_SIDE:
            return int(np.searchsorted(self._thresholds[feature], 0.0))
        return 0 if kind & DEFAULT_LEFT else MOST_THRESHOLDS + 1

    def _add(
        self,
        numbers: Sequence[NDArray[np.uint16]],
        forest: Sequence[tuple[Array, Sequence[Split]]],
        out: Array,
    ) -> None:
        """Add the leaf of each tree to ``out``, tree by tree, as LightGBM does."""
        n, word = len(out), self._word
        right, taken = np.empty(n, np.bool_), np.empty(n, np.uint8)
        gone, bits = np.empty(n, word), np.empty(n, word)
        leaf, value = np.empty(n, np.intp), np.empty(n)
        for leaves, splits in forest:
            gone.fill(0)
            for place, number, left in splits:
                np.greater(numbers[place], number, out=right)
                np.multiply(right.view(np.uint8), left, out=bits, dtype=word, casting="unsafe")
                np.bitwise_or(gone, bits, out=gone)
            np.add(gone, word(1), out=bits)  # its lowest set bit is the first leaf that is left
            np.invert(bits, out=bits)
            np.bitwise_and(gone, bits, out=bits)
            np.bitwise_count(bits, out=taken)
            np.copyto(leaf, taken)
            leaves.take(leaf, out=value, mode="clip")
            np.add(out, value, out=out)
