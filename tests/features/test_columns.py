"""Which columns are features; one that tells the label by itself is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers import UPSTREAM, make_oid, need

from rbztf.errors import InputError
from rbztf.features.columns import (
    canonical,
    check_columns,
    check_identity,
    is_enough,
    is_feature,
    lacking_warnings,
    name_warnings,
)
from rbztf.features.files import read_features
from rbztf.features.snad_set import FEATURE_NAMES
from rbztf.features.table import FeatureTable
from rbztf.stores.labels import read_labels

PATH = Path("f.csv")
N = 40
LABELS = np.arange(N) % 2
RNG = np.random.default_rng(0)


def table_of(**columns: object) -> FeatureTable:
    noise = RNG.normal(size=N)
    values = np.column_stack([np.asarray(values, float) for values in (noise, *columns.values())])
    return FeatureTable(np.array([make_oid(i) for i in range(N)]), ("noise", *columns), values)


@pytest.mark.parametrize(
    "name",
    [
        *("", "oid", "OID", "ObjectId", "object id", "Label", "LABEL", " label ", "class", "Target", "tags"),
        *(
            "Unnamed: 0",
            "unnamed: 0",
            "Unnamed: 12",
            "Unnamed: 0_level_0",
            "Unnamed: 0.1",
            "level_0",
            "Index",
        ),
        *("fold", "Fold", "split", "row", "Row Number", "is_artefact", "is-artifact", "p_bogus", "Decision"),
        *(
            "obj_id",
            "ObjID",
            "source_id",
            "oid_x",
            "label_y",
            "y_true",
            "index.1",
            "\ufeffindex",
            "Ｉｎｄｅｘ",
        ),
        *("isArtefact", "P(bogus)", "real/bogus", "cv_fold", "__index_level_0__", "verdict"),
        *("ra", "RA", "dec", "field", "filterid"),
    ],
)
def test_columns_that_keep_books_are_not_features(tmp_path: Path, name: str) -> None:
    assert not is_feature(name)
    path = tmp_path / "f.csv"
    path.write_text(f"oid,a,{name if name.strip().lower() != 'oid' else 'label'},b\n{make_oid(1)},1,x,2\n")
    assert read_features(path).names == ("a", "b")


def test_every_known_feature_is_one_whatever_its_case(tmp_path: Path) -> None:
    assert all(map(is_feature, FEATURE_NAMES))
    assert canonical("Amplitude_Magn_R") == "amplitude_magn_r"
    assert canonical("Other") == "Other"
    path = tmp_path / "f.csv"
    path.write_text(",".join(["oid", *map(str.upper, FEATURE_NAMES)]) + "\n")
    assert read_features(path).names == FEATURE_NAMES
    path.write_text("oid,amplitude_magn_r,Amplitude_magn_r\n")
    with pytest.raises(InputError, match="twice"):
        read_features(path)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (LABELS, "AUC 1.0000"),
        (-LABELS, "AUC 0.0000"),
        (1000 * LABELS + np.arange(N), "AUC 1.0000"),
        (np.argsort(np.argsort(LABELS, kind="stable")), "AUC 1.0000"),
        (np.where(LABELS, 5.0, np.nan), "AUC 1.0000"),
        (np.where(LABELS, np.nan, np.arange(N)), "AUC 0.0000"),
    ],
    ids=["label", "negated", "ordered", "place in a sorted list", "known of artefacts", "known of real ones"],
)
def test_a_column_that_tells_the_label_is_refused_by_name(column: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=f"The column 'sneaky' of f.csv tells the label by itself .{says}"):
        check_columns(table_of(sneaky=column), LABELS, PATH)


def test_honest_columns_pass() -> None:
    check_columns(table_of(strong=LABELS + RNG.normal(0, 0.7, N), constant=np.ones(N)), LABELS, PATH)
    check_columns(table_of(unknown=np.full(N, np.nan)), LABELS, PATH)
    few = table_of(sneaky=LABELS).take(np.arange(16))
    check_columns(few, LABELS[:16], PATH)  # too few to tell


def test_objects_without_features_do_not_count() -> None:
    table = table_of(a=RNG.normal(size=N))
    table.values[LABELS == 1] = np.nan
    check_columns(table, LABELS, PATH)


def test_snads_table_passes() -> None:
    path = need(UPSTREAM / "lightcurve_features.csv")
    table, labels = read_features(path), read_labels(need(UPSTREAM / "akb.ztf.snad.space.json"))
    oids = [oid for oid in labels if oid in set(table.oids.tolist())]
    check_columns(table.rows(oids), labels.labels(oids), path)
    assert name_warnings(table.names, path) == []


def test_names_that_are_not_known_are_told() -> None:
    (warning,) = name_warnings([*FEATURE_NAMES[:3], *"abcdefg"], PATH)
    assert (
        "f.csv has 7 columns that are not among the 91 known features ('a', 'b', 'c', 'd', 'e', …)" in warning
    )


def test_features_that_lack_are_told_and_half_of_them_are_enough() -> None:
    assert lacking_warnings(FEATURE_NAMES, FEATURE_NAMES, PATH) == []
    (few,) = lacking_warnings(FEATURE_NAMES[1:], FEATURE_NAMES, PATH)
    assert (
        few
        == f"f.csv lacks 1 of the 54 features that the model reads ({FEATURE_NAMES[0]!r}): they count as unknown."
    )
    (most,) = lacking_warnings(FEATURE_NAMES[:1], FEATURE_NAMES, PATH)
    assert most.startswith("f.csv lacks 53 of the 54 features that the model reads (")
    assert most.endswith(", …): it is not used.")
    assert is_enough(np.array([1.0, np.nan]))
    assert not is_enough(np.array([1.0, np.nan, np.nan]))


@pytest.mark.parametrize(
    ("column", "what"),
    [
        ([make_oid(i) for i in range(N)], "holds the OIDs"),
        (np.arange(N), "counts the rows"),
        (RNG.permutation(N) + 7, "counts the rows"),
    ],
)
def test_a_column_that_names_the_object_or_the_row_is_refused_under_any_name(
    column: object, what: str
) -> None:
    with pytest.raises(InputError, match=f"'harmless' of f.csv {what}"):
        check_identity(table_of(harmless=column), PATH)
    check_identity(table_of(), PATH)


@pytest.mark.parametrize("name", [*FEATURE_NAMES, "feature_1", "period, days", "x"])
def test_features_stay_features(name: str) -> None:
    assert is_feature(name)
