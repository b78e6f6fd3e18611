"""LightGBM's text of trees, checked before it is used: a forged one could send rows round in circles for ever.

LightGBM 4 writes the same lines in the same order for every tree, so each kind of line is checked for all
trees at once.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

END = "end of trees\n"
_HEAD = (
    "tree",
    "version=v4",
    "num_class=1",
    "num_tree_per_iteration=1",
    "label_index=0",
    "max_feature_idx=",
    "objective=binary sigmoid:1",
    "feature_names=",
    "feature_infos=",
    "tree_sizes=",
    "",
)
"""Lines above the trees, or their beginnings."""
_TREE = (
    "Tree",
    "num_leaves",
    "num_cat",
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "leaf_weight",
    "leaf_count",
    "internal_value",
    "internal_weight",
    "internal_count",
    "is_linear",
    "shrinkage",
    "",
    "",
)
"""Lines of a tree: names of what they hold."""
_INFO = re.compile(r"none|\[[-+.\deinf]+:[-+.\deinf]+\]")
_DECISIONS = (0, 2, 4, 6, 8, 10)
"""Numerical splits, with any way of missing values."""
_WHOLE, _FLOAT = b"0123456789 -", b"0123456789 -+.e"

Whole = NDArray[np.int64]
Lines = dict[str, list[str]]
"""Of each kind, one line a tree."""


def check_trees(text: str, columns: int) -> None:
    """Refuse a text that is not sound.

    Parameters
    ----------
    text : str
        As LightGBM writes a binary classifier of numerical features.
    columns : int
        Features that it is to read.

    Raises
    ------
    ValueError
        Saying what is wrong.
    """
    body, end, _ = text.partition(END)
    if not end or not text.isascii():
        raise ValueError("it is not a LightGBM model, or not whole")
    lines = body.split("\n")
    head, lines = lines[: len(_HEAD)], lines[len(_HEAD) : -1]
    n_trees, rest = divmod(len(lines), len(_TREE))
    if len(head) < len(_HEAD) or rest or not n_trees:
        raise ValueError("its trees are not whole")
    _check_head(head, columns)
    by_name = {name: lines[place :: len(_TREE)] for place, name in enumerate(_TREE)}
    _check_layout(by_name)
    _check_trees(by_name, columns)


def _check_layout(by_name: Lines) -> None:
    n_trees = len(by_name["Tree"])
    fixed = {name: [f"{name}=0"] * n_trees for name in ("num_cat", "is_linear")}
    fixed |= {"Tree": [f"Tree={number}" for number in range(n_trees)], "": [""] * n_trees}
    for name, lines in by_name.items():
        if name in fixed and lines != fixed[name]:
            raise ValueError(f"its lines of {name or 'space'} are not those of {n_trees} trees")
        for number, line in enumerate(lines):
            if not line.startswith(name):
                raise ValueError(f"tree {number} has {line[:40]!r} in place of its {name}")


def _check_trees(by_name: Lines, n_features: int) -> None:
    ones = np.ones(len(by_name["Tree"]), np.int64)
    leaves = _numbers("num_leaves", by_name, ones, np.int64)
    if (leaves < 1).any():
        raise ValueError("num_leaves of a tree is not a number of leaves")
    inner = leaves - 1
    feature, decision, left, right = (
        _numbers(name, by_name, inner, np.int64)
        for name in ("split_feature", "decision_type", "left_child", "right_child")
    )
    for name, counts in (("threshold", inner), ("leaf_value", leaves), ("shrinkage", ones)):
        if not np.isfinite(_numbers(name, by_name, counts, np.float64)).all():
            raise ValueError(f"{name} of a tree is not finite")
    if ((feature < 0) | (feature >= n_features)).any():
        raise ValueError(f"a tree splits by a feature that is not one of its {n_features}")
    if not np.isin(decision, _DECISIONS).all():
        raise ValueError("a tree decides in an unknown way")
    _check_children(leaves, left, right)


def _check_head(head: Sequence[str], columns: int) -> None:
    for line, expected in zip(head, _HEAD):
        if not (line.startswith(expected) if expected.endswith("=") else line == expected):
            raise ValueError(f"its line {line[:40]!r} should be {expected!r}")
    last, names, infos = (head[place].partition("=")[2] for place in (5, 7, 8))
    if last != str(columns - 1):
        found = f"{int(last) + 1}" if re.fullmatch(r"\d{1,9}", last) else repr(last[:40])
        raise ValueError(f"it reads {found} columns; {columns} are named")
    if names.split(" ") != [f"Column_{number}" for number in range(columns)]:
        raise ValueError("its names of features are not those of its columns")
    found_infos = infos.split(" ")
    if len(found_infos) != columns or not all(map(_INFO.fullmatch, found_infos)):
        raise ValueError("its ranges of features are not those of its columns")


def _check_children(leaves: Whole, left: Whole, right: Whole) -> None:
    """Every node but the first, and every leaf, is the child of one node, which comes before it."""
    inner = leaves - 1
    tree = np.repeat(np.arange(len(leaves)), inner)
    node = np.arange(len(tree)) - np.repeat(np.cumsum(inner) - inner, inner)
    for child in (left, right):
        is_node = child >= 0
        sound = np.where(is_node, (child > node) & (child < inner[tree]), ~child < leaves[tree])
        if not sound.all():
            raise ValueError(f"tree {tree[~sound][0]} has a child that it cannot have")
    first = np.cumsum(2 * leaves) - 2 * leaves  # places of each tree: its leaves, then its nodes
    used = np.zeros(int((2 * leaves).sum()), np.int64)
    for child in (left, right):
        np.add.at(used, first[tree] + np.where(child >= 0, leaves[tree] + child, ~child), 1)
    expected = np.ones_like(used)
    expected[first + leaves] = 0  # the first node
    expected[first + 2 * leaves - 1] = 0  # there is one node less than leaves
    expected[first[leaves == 1]] = 0  # a leaf alone is no child
    if not np.array_equal(used, expected):
        raise ValueError("a node or leaf of a tree is the child of several nodes, or of none")


def _numbers(name: str, by_name: Lines, counts: Whole, dtype: type) -> NDArray[Any]:
    """All numbers of one kind of line; ``counts`` says how many each tree has."""
    texts = [line.removeprefix(f"{name}=") for line in by_name[name]]
    found = np.array([text.count(" ") + 1 if text else 0 for text in texts], np.int64)
    if not np.array_equal(found, counts):
        tree = int(np.flatnonzero(found != counts)[0])
        raise ValueError(f"tree {tree} has {found[tree]} numbers as {name}, not {counts[tree]}")
    joined = " ".join(filter(None, texts))
    allowed = _WHOLE if dtype is np.int64 else _FLOAT
    if joined.encode().translate(None, allowed) or ("  " in f" {joined} " and joined):
        raise ValueError(f"{name} of a tree is not made of numbers")
    try:
        with warnings.catch_warnings(action="error"):  # what cannot be read to its end is a warning
            values: NDArray[Any] = np.fromstring(joined, dtype, sep=" ") if joined else np.empty(0, dtype)
    except (DeprecationWarning, ValueError):
        raise ValueError(f"{name} of a tree is not made of numbers") from None
    if len(values) != counts.sum():
        raise ValueError(f"{name} of a tree is not made of numbers")
    return values
