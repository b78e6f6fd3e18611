"""LightGBM's text is refused unless it is sound: rows could go round in circles in a forged one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rbztf.models.ensemble.binned_trees import BinnedTrees
from rbztf.models.ensemble.trees_text import check_trees

COLUMNS = 3
SETTINGS = {
    **{"objective": "binary", "num_leaves": 6, "min_data_in_leaf": 4, "verbosity": -1},
    **{"deterministic": True, "force_row_wise": True, "num_threads": 1, "extra_trees": True, "seed": 3},
}
READER = """
import sys
import numpy as np
from pathlib import Path
from rbztf.models.ensemble.binned_trees import BinnedTrees
from rbztf.models.ensemble.trees_text import check_trees
rows = np.random.default_rng(0).normal(size=(40, 3))
rows[3, 1], rows[4, 2] = np.nan, np.inf
print("ready", flush=True)
for line in sys.stdin:
    text = Path(line.rstrip("\\n")).read_bytes().decode("utf-8", "surrogateescape")
    try:
        check_trees(text, 3)
    except ValueError as error:
        print("refused", repr(error)[:100], flush=True)
    else:
        finite = np.isfinite(BinnedTrees([text]).sums(rows)).all()
        print("read" if finite else "not finite", flush=True)
"""


def values(n: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(n, COLUMNS))
    labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    rows[0, 1] = np.inf
    return rows, labels


def train(rows: np.ndarray, labels: np.ndarray, trees: int = 3) -> lightgbm.Booster:
    table = lightgbm.Dataset(rows, labels, params={"verbosity": -1})
    return lightgbm.train(SETTINGS, table, trees)


@pytest.fixture(scope="module")
def text() -> str:
    return str(train(*values()).model_to_string())


@pytest.fixture(scope="module")
def read() -> Iterator[Callable[[Path], str]]:
    """Says what another process makes of a file; it fails if that process is ended by it."""
    with subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        assert stdout.readline() == "ready\n"

        def ask(path: Path) -> str:
            stdin.write(f"{path}\n")
            stdin.flush()
            answer = stdout.readline()
            assert answer, f"the process was ended: {process.wait()}"
            return answer.strip()

        yield ask
        stdin.close()


def test_sound_trees_score_as_by_lightgbm(text: str) -> None:
    rows, _ = values()
    check_trees(text, COLUMNS)
    expected = lightgbm.Booster(model_str=text).predict(rows, raw_score=True, num_threads=1)
    np.testing.assert_array_equal(BinnedTrees([text]).sums(rows)[0], expected)


def test_a_tree_of_one_leaf_is_sound() -> None:
    rows = np.ones((30, COLUMNS))
    text = train(rows, np.arange(30) % 2).model_to_string()
    assert "num_leaves=1\n" in text
    check_trees(text, COLUMNS)
    assert (BinnedTrees([text]).sums(rows) == 0).all()


def of_first_tree(name: str, *numbers: str) -> Callable[[str], str]:
    """Other numbers in the first tree, at the end of its line."""

    def change(text: str) -> str:
        before, start, rest = text.partition(f"\n{name}=")
        line, _, rest = rest.partition("\n")
        kept = line.split(" ")[: -len(numbers)] if numbers else line.split(" ")[:-1]
        return f"{before}{start}{' '.join([*kept, *numbers])}\n{rest}"

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (of_first_tree("num_leaves", "999999999"), "numbers as"),
        (of_first_tree("num_leaves", "-1"), "number of leaves"),
        (of_first_tree("num_leaves", "0"), "number of leaves"),
        (of_first_tree("num_cat", "1"), "num_cat"),
        (of_first_tree("is_linear", "1"), "is_linear"),
        (of_first_tree("split_feature", "3"), "one of its 3"),
        (of_first_tree("split_feature", "-1"), "one of its 3"),
        (of_first_tree("split_feature", "1.5"), "not made of numbers"),
        (of_first_tree("split_feature", "99999999999999999999"), "feature"),
        (of_first_tree("split_feature"), "numbers as split_feature"),
        (of_first_tree("threshold", "nan"), "not made of numbers"),
        (of_first_tree("threshold", "1e999"), "not finite"),
        (of_first_tree("threshold", "1-2"), "not made of numbers"),
        (of_first_tree("threshold", "1 "), "numbers as threshold"),
        (of_first_tree("threshold", "e"), "not made of numbers"),
        (of_first_tree("leaf_value", "nan"), "not made of numbers"),
        (of_first_tree("leaf_value", "inf"), "not made of numbers"),
        (of_first_tree("leaf_value", "-1e400"), "not finite"),
        (of_first_tree("leaf_value"), "numbers as leaf_value"),
        (of_first_tree("shrinkage", "nan"), "shrinkage"),
        (of_first_tree("decision_type", "1"), "unknown way"),
        (of_first_tree("decision_type", "12"), "unknown way"),
        (of_first_tree("left_child", "0"), "child that it cannot have"),
        (of_first_tree("left_child", "5"), "child that it cannot have"),
        (of_first_tree("right_child", "-7"), "child that it cannot have"),
        (of_first_tree("right_child", "-1"), "child of several"),
        (lambda text: text.replace("num_class=1", "num_class=2"), "num_class"),
        (lambda text: text.replace("sigmoid:1", "sigmoid:-1"), "objective"),
        (lambda text: text.replace("max_feature_idx=2", "max_feature_idx=900000000"), "reads 900000001"),
        (lambda text: text.replace("max_feature_idx=2", "max_feature_idx=x"), "'x'"),
        (lambda text: text.replace("=Column_0 ", "=Column_1 "), "names of features"),
        (lambda text: text.replace("feature_infos=[", "feature_infos=(["), "ranges"),
        (lambda text: text.replace("label_index=0", "label_index=0\naverage_output"), "not whole"),
        (lambda text: text.replace("Tree=1", "Tree=2"), "lines of Tree"),
        (lambda text: text.replace("threshold=", "treshold=", 1), "in place of its threshold"),
        (lambda text: text[: len(text) // 3], "not whole"),
        (lambda text: text.replace("Tree=0", "Trée=0"), "not whole"),
    ],
)
def test_a_forged_text_is_refused(text: str, change: Callable[[str], str], says: str) -> None:
    forged = change(text)
    assert forged != text
    with pytest.raises(ValueError, match=says):
        check_trees(forged, COLUMNS)


NUMBERS = (
    "0",
    "1",
    "-1",
    "2",
    "-2",
    "3",
    "-5",
    "6",
    "1.5",
    "1e308",
    "1e999",
    "nan",
    "inf",
    "",
    "x",
    "2147483648",
)


@settings(max_examples=150)
@given(data=st.data())
def test_no_changed_text_ends_the_process(
    text: str, read: Callable[[Path], str], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = text
    for _ in range(data.draw(st.integers(1, 3))):
        content = mutated(content, data)
    path = tmp_path_factory.getbasetemp() / "trees.txt"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    answer = read(path)
    assert answer == "read" or answer.startswith("refused")


def mutated(text: str, data: st.DataObject) -> str:
    """``text`` with another number, line or byte."""
    lines = (text.partition("end of trees")[0] + "end of trees\n").split("\n")
    place = data.draw(st.integers(0, len(lines) - 1))
    kind = data.draw(st.sampled_from(["number", "number", "number", "drop", "double", "swap", "byte"]))
    if kind == "number":
        name, sign, numbers = lines[place].partition("=")
        found = numbers.split(" ")
        found[data.draw(st.integers(0, len(found) - 1))] = data.draw(st.sampled_from(NUMBERS))
        lines[place] = name + sign + " ".join(found)
    elif kind == "drop":
        del lines[place]
    elif kind == "double":
        lines.insert(place, lines[place])
    elif kind == "swap":
        other = data.draw(st.integers(0, len(lines) - 1))
        lines[place], lines[other] = lines[other], lines[place]
    else:
        content = bytearray("\n".join(lines).encode("utf-8", "surrogateescape"))
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        return content.decode("utf-8", "surrogateescape")
    return "\n".join(lines)
