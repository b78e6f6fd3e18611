"""The trees of LightGBM, summed from their text alone and bit for bit as LightGBM does.

LightGBM takes seconds to import, and walks one row after another. Few rows walk through all trees side by side
here. For many rows each value becomes a number: how many of the thresholds of its feature, of all trees together,
lie below it. A split is then a comparison of small whole numbers, done for thousands of rows by one call, and
the leaf of a tree is found as QuickScorer finds it (Lucchese et al. 2015, SIGIR '15, p. 73, section 3): a split
that a row goes right at takes the leaves on its left away, and the first leaf that is left is the one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
FEW = 384
"""Rows up to which walking is faster."""
ROWS = 32768
"""Scored at once: their numbers fit in the processor's cache, and Python's share of the time is small."""
WALKED_AT_ONCE = 2_000_000
"""Rows times trees."""
WORDS = {16: np.uint16, 32: np.uint32, 64: np.uint64}
"""By the most leaves a tree may have: what holds one bit a leaf."""
MOST_THRESHOLDS = 65534
"""Of a feature: numbers are 16 bits wide, and the largest is kept for unknown values that go right."""
ZERO = 1.0000000180025095e-35
"""LightGBM takes values up to this for 0 (kZeroThreshold in its include/LightGBM/meta.h)."""
DEFAULT_LEFT, UNKNOWN_IS_ZERO, ZERO_IS_UNKNOWN, UNKNOWN_HAS_A_SIDE = 2, 0, 4, 8
"""Bits of LightGBM's decision_type (its include/LightGBM/tree.h): the default side, and how NaN is taken."""


@dataclass(frozen=True)
class Tree:
    """A tree as LightGBM writes it; a negative child c is the leaf ``~c``.

    Attributes
    ----------
    leaves : ndarray (leaves,), float64
    feature, kind, left, right : ndarray (leaves - 1,), int64
        Of each split; ``kind`` is LightGBM's decision_type.
    threshold : ndarray (leaves - 1,), float64
        Up to which a value goes left.
    """

    leaves: Array
    feature: Whole
    threshold: Array
    kind: Whole
    left: Whole
    right: Whole

    @classmethod
    def read(cls, lines: dict[str, str]) -> Tree:
        """From the lines of LightGBM's text by their names."""
        leaves = np.array(lines["leaf_value"].split(), np.float64)
        names = ("split_feature", "decision_type", "left_child", "right_child")
        feature, kind, left, right = (np.array(lines.get(name, "").split(), np.int64) for name in names)
        threshold = np.array(lines.get("threshold", "").split(), np.float64)
        near = np.abs(threshold) <= ZERO  # values near 0 count as 0: where values as they are go the same way
        threshold[near] = np.where(threshold[near] >= 0, ZERO, np.nextafter(-ZERO, -np.inf))
        return cls(leaves, feature, threshold, kind, left, right)

    def in_order(self) -> tuple[Array, list[int]]:
        """Leaves from left to right, and of each split one bit for each leaf on its left."""
        order: list[int] = []
        bits = [0] * len(self.feature)
        todo = [0] if bits else [-1]
        while todo:  # depth first, left before right; a split comes again when its left side is done
            node = todo.pop()
            if node < 0:
                order.append(~node)
            elif bits[node]:
                bits[node] = (1 << len(order)) - bits[node]
                todo.append(int(self.right[node]))
            else:
                bits[node] = 1 << len(order)
                todo += [node, int(self.left[node])]
        return self.leaves[order], bits


def read_trees(text: str) -> Iterator[Tree]:
    """The trees of a sound text of LightGBM (see :func:`rbztf.models.ensemble.trees_text.check_trees`)."""
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
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._forests = [list(read_trees(text)) for text in texts]
        self._trees = [tree for forest in self._forests for tree in forest]

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
        walks = len(values) <= FEW or self._bins is None
        rows = max(1, WALKED_AT_ONCE // max(1, len(self._trees))) if walks else ROWS
        for start in range(0, len(values), rows):
            block = values[start : start + rows]
            place = out[:, start : start + len(block)]
            if walks or self._bins is None:
                self._walks.add(np.asarray(block, np.float64), place)
            else:
                self._bins.add(block, place)
        return out

    @cached_property
    def _walks(self) -> _Walks:
        return _Walks(self._forests)

    @cached_property
    def _bins(self) -> _Bins | None:
        """None for trees that are not made for it: more than 64 leaves, too many thresholds, zeros that count as
        unknown; and with NumPy 1, which cannot count bits."""
        most = max((len(tree.leaves) for tree in self._trees), default=1)
        word: Any = next((kind for leaves, kind in WORDS.items() if most <= leaves), None)
        kinds = {int(kind) & ~DEFAULT_LEFT for tree in self._trees for kind in tree.kind}
        if word is None or ZERO_IS_UNKNOWN in kinds or not hasattr(np, "bitwise_count"):
            return None
        made = _Bins(self._forests, word)
        return made if made.largest <= MOST_THRESHOLDS else None


class _Walks:
    """Trees that rows walk through, all side by side."""

    def __init__(self, forests: Sequence[Sequence[Tree]]) -> None:
        trees = [tree for forest in forests for tree in forest]
        splits = np.cumsum([0, *(len(tree.feature) for tree in trees)])
        leaves = np.cumsum([0, *(len(tree.leaves) for tree in trees)])
        self._ends = np.cumsum([0, *(len(forest) for forest in forests)])

        def joined(name: str) -> Any:
            return np.concatenate([getattr(tree, name) for tree in trees])

        self._leaves, self._feature, self._threshold = (
            joined(name) for name in ("leaves", "feature", "threshold")
        )
        kind = joined("kind")
        side = (kind & DEFAULT_LEFT) > 0
        zero = (kind & ~DEFAULT_LEFT) == UNKNOWN_IS_ZERO
        self._unknown_left = np.where(zero, self._threshold >= 0, side)
        self._zero_unknown = (kind & ~DEFAULT_LEFT) == ZERO_IS_UNKNOWN
        first = np.repeat(splits[:-1], np.diff(splits))
        first_leaf = np.repeat(leaves[:-1], np.diff(splits))
        self._children = np.stack(
            [
                np.where(child >= 0, child + first, child - first_leaf)
                for child in (joined("left"), joined("right"))
            ]
        )
        self._first = np.where(np.diff(splits) > 0, splits[:-1], ~leaves[:-1])

    def add(self, values: Array, out: Array) -> None:
        """Add the sums of each booster to ``out``, (boosters, n)."""
        n = len(values)
        node = np.tile(self._first, n)
        row = np.repeat(np.arange(n), len(self._first))
        going = np.flatnonzero(node >= 0)
        while len(going):
            at = node[going]
            x = values[row[going], self._feature[at]]
            left = x <= self._threshold[at]
            unknown = np.isnan(x) | (self._zero_unknown[at] & (np.abs(x) <= ZERO))
            left = np.where(unknown, self._unknown_left[at], left)
            node[going] = self._children[np.where(left, 0, 1), at]
            going = going[node[going] >= 0]
        found = self._leaves[~node].reshape(n, -1)
        for sums, (start, stop) in zip(out, pairwise(self._ends.tolist())):
            if stop > start:
                sums += np.add.accumulate(found[:, start:stop], axis=1)[
                    :, -1
                ]  # one after another, as LightGBM


class _Bins:
    """Trees whose splits compare numbers of thresholds.

    Attributes
    ----------
    largest : int
        Thresholds of a feature.
    """

    def __init__(self, forests: Sequence[Sequence[Tree]], word: Any) -> None:
        self._word = word
        trees = [tree for forest in forests for tree in forest]
        feature, threshold, kind = (
            np.concatenate([getattr(tree, name) for tree in trees])
            for name in ("feature", "threshold", "kind")
        )
        self._thresholds = {
            place: np.unique(threshold[feature == place]) for place in np.unique(feature).tolist()
        }
        self.largest = max((len(found) for found in self._thresholds.values()), default=0)
        self._columns = sorted(set(zip(feature.tolist(), kind.tolist())))
        places = {column: place for place, column in enumerate(self._columns)}
        self._forests = [[self._tree(tree, places) for tree in forest] for forest in forests]

    def _tree(
        self, tree: Tree, places: dict[tuple[int, int], int]
    ) -> tuple[Array, list[tuple[int, int, Any]]]:
        """Leaves from left to right; of each split its column, the number of its threshold, and the leaves it takes."""
        leaves, bits = tree.in_order()
        splits = zip(tree.feature.tolist(), tree.threshold.tolist(), tree.kind.tolist(), bits)
        return leaves, [
            (
                places[feature, kind],
                int(np.searchsorted(self._thresholds[feature], threshold)),
                self._word(left),
            )
            for feature, threshold, kind, left in splits
        ]

    def add(self, block: NDArray[np.floating[Any]], out: Array) -> None:
        """Add the sums of each booster to ``out``, (boosters, n)."""
        numbers = self._numbers(block)
        for sums, forest in zip(out, self._forests):
            self._add(numbers, forest, sums)

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
        forest: Sequence[tuple[Array, Sequence[tuple[int, int, Any]]]],
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
