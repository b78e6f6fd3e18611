"""Label files: the SNAD knowledge base and plain CSV."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import UPSTREAM, make_oid, need
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import InputError
from rbztf.stores.labels import read_labels, read_usable
from rbztf.ztf import Band, Label, LabelRule, Oid, is_ambiguous

A, B, C = make_oid(1), make_oid(2), make_oid(3, fid=1)


def snad(oid: object, *tags: str) -> dict[str, object]:
    return {"oid": oid, "description": "", "simbadid": None, "tags": list(tags), "changed_by": "x"}


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_the_knowledge_base_in_its_own_form(tmp_path: Path) -> None:
    entries = [snad(B, "artefact", "ghost"), snad(str(A), "VAR"), snad(C, "uncertain", "not artefact")]
    labels = read_labels(write(tmp_path / "l.json", entries))
    assert list(labels) == [B, A, C]
    assert [labels[oid].label for oid in (B, A, C)] == [Label.ARTEFACT, Label.REAL, Label.REAL]
    assert labels[B].tags == {"artefact", "ghost"}
    assert labels.labels([A, B, C]).tolist() == [0, 1, 0]
    assert labels.labels([]).dtype == np.int64
    assert list(labels.in_bands([Band.R])) == [B, A]
    assert list(labels.in_bands([Band.G, Band.I])) == [C]


@pytest.mark.parametrize("text", ["oid,label\n{a},1\n{b},0\n", "label,note,oid\nArtefact,x,{a}\nreal,,{b}\n"])
def test_plain_csv(tmp_path: Path, text: str) -> None:
    labels = read_labels(write(tmp_path / "l.csv", "\ufeff" + text.format(a=A, b=B)))
    assert labels.labels([A, B]).tolist() == [1, 0]
    assert labels[A].tags == frozenset()


def test_the_published_file(tmp_path: Path) -> None:
    path = need(UPSTREAM / "akb.ztf.snad.space.json")
    labels = read_labels(path)
    entries = json.loads(path.read_text())
    assert len(labels) == len(entries) == 2256
    red = labels.in_bands([Band.R])
    assert len(red) == 1784
    for entry in entries:
        assert labels[entry["oid"]].label == int("artefact" in entry["tags"])
    # the authoritative labels of the two objects on which the feature table differs
    assert labels.labels([754209400025594, 864214100006623]).tolist() == [
        int("artefact" in next(e["tags"] for e in entries if e["oid"] == oid))
        for oid in (754209400025594, 864214100006623)
    ]


@pytest.mark.parametrize(
    "tag",
    [
        *("Artefact", "ARTEFACT", "artifact", "Artifact", "artefact ", " artefact\n", "artefacts", "Bogus"),
        *("\u00a0artefact\u00a0", "artefact\u200b", "\ufeffartefact", "ａｒｔｅｆａｃｔ"),
    ],
)
def test_an_artefact_is_one_however_its_tag_is_written(tmp_path: Path, tag: str) -> None:
    labels = read_labels(write(tmp_path / "l.json", [snad(A, "VAR", tag), snad(B, "not artefact")]))
    assert labels.labels([A, B]).tolist() == [1, 0]
    assert labels[A].tags == {"artefact", "VAR"}


@pytest.mark.parametrize("tag", ["artefact, ghost", "ghost/Artefact", "artifact?"])
def test_a_tag_that_speaks_of_an_artefact_in_other_words_is_refused_by_name(tmp_path: Path, tag: str) -> None:
    with pytest.raises(InputError, match="is not a known one; write 'artefact', each tag by itself"):
        read_labels(write(tmp_path / "l.json", [snad(A, tag)]))


def test_a_csv_whose_label_and_verdict_differ_is_refused(tmp_path: Path) -> None:
    for verdict in ("real", "unsure"):
        with pytest.raises(InputError, match=f"line 2: the label is '1', the verdict '{verdict}'"):
            read_labels(write(tmp_path / "l.csv", f"oid,label,verdict\n{A},1,{verdict}\n"))
    assert read_labels(write(tmp_path / "l.csv", f"oid,label,verdict\n{A},１,BOGUS\n")).labels([A]) == [1]


def test_known_tags_are_told_whatever_their_case(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "l.json", [snad(A, "artefact", "Ghost", "FRAME_EDGE", "Nova", "")]))
    assert labels[A].tags == {"artefact", "ghost", "frame_edge", "Nova"}


@pytest.mark.parametrize(
    "tags", [None, "artefact", {"name": "artefact"}, [{"name": "artefact"}], [1], [None], 5]
)
def test_tags_that_are_not_a_list_of_texts_are_refused_by_name(tmp_path: Path, tags: object) -> None:
    path = write(tmp_path / "l.json", [snad(A), {"oid": B, "tags": tags}])
    with pytest.raises(InputError, match=rf"Entry 2 of .*l.json \(oid {B}\): .*(not a list|not text)"):
        read_labels(path)


def test_an_object_given_twice_has_the_tags_of_both(tmp_path: Path) -> None:
    entries = [snad(A, "artefact", "ghost"), snad(B), snad(A, "Artefact", "spike"), snad(A, "artifact")]
    labels = read_labels(write(tmp_path / "l.json", entries))
    assert list(labels) == [A, B]
    assert labels[A].tags == {"artefact", "ghost", "spike"}


def test_a_file_of_no_known_ending_is_told_by_its_content(tmp_path: Path) -> None:
    for name, text in (("a", f"OID,Label\n{A},bogus\n"), ("b.txt", json.dumps([snad(A, "artefact")]))):
        assert read_labels(write(tmp_path / name, text)).labels([A]).tolist() == [1]


def test_an_object_given_twice_alike_is_taken_once(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "l.json", [snad(A, "artefact"), snad(B), snad(A, "artefact")]))
    assert list(labels) == [A, B]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("l.json", "not JSON", "is not JSON (line 1"),
        ("l.json", "[{]", "is not JSON (line 1"),
        ("l.json", {"oid": A}, "no JSON list"),
        ("l.json", [A], "Entry 1"),
        ("l.json", [snad(A), {"oid": B}], "Entry 2"),
        ("l.json", [snad(A), {"tags": []}], "Entry 2"),
        ("l.json", [{"oid": A, "tags": "artefact"}], "Entry 1"),
        ("l.json", [snad(12)], "'12' is not a ZTF OID"),
        ("l.json", [snad(A, "artefact"), snad(A)], "twice, as artefact and as real"),
        ("l.csv", "oid,class\n1,2\n", "lacks the column 'label' (its first line: oid, class)"),
        ("l.csv", "", "lacks the column 'oid' and 'label'"),
        ("l.csv", f"oid,label\n{A},2\n", "line 2: "),
        ("l.csv", f"oid,label\n{A},\n", "line 2: "),
        ("l.csv", f"oid,label\n{A}\n", "line 2: "),
        ("l.csv", "oid,label\nx,1\n", "'x' is not a ZTF OID"),
        ("l.csv", f"oid,label\n{A},1\n{A},0\n", "twice, as artefact and as real"),
        ("l.csv", 'oid,label\n"' + "x" * 200_000, "l.csv"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(
    tmp_path: Path, name: str, content: object, says: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(InputError) as caught:
        read_labels(path)
    assert says in str(caught.value)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 600


def test_of_an_export_what_cannot_be_used_is_left_out_but_not_all_of_it(tmp_path: Path) -> None:
    labels = read_usable(
        write(tmp_path / "l.json", [{"oid": B}, snad(A), 5, snad(C, "artefact"), snad(A, "artefact")])
    )
    assert list(labels) == [A, C]
    assert labels.labels([A, C]).tolist() == [1, 1]
    twice = [
        snad(A, "artefact", "ghost"),
        snad(A, "artefact", "spike"),
        snad(B, "artefact", "ghost"),
        snad(B),
    ]
    labels = read_usable(write(tmp_path / "l.json", twice))
    assert [labels[oid].tags for oid in (A, B)] == [{"artefact", "ghost", "spike"}, set()]
    for content, why in (
        ([{"oid": B}, 5], "it lacks 'oid' or 'tags'"),
        ([snad(12)], "is not a ZTF OID"),
        ([], ""),
    ):
        with pytest.raises(InputError, match="holds no object with 'oid' and 'tags'") as caught:
            read_usable(write(tmp_path / "l.json", content))
        assert why in caught.value.message


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_labels(tmp_path / "none.json")
    (tmp_path / "b.json").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match="not text"):
        read_labels(tmp_path / "b.json")
    with pytest.raises(InputError, match="directory"):
        read_labels(tmp_path)


@given(
    st.dictionaries(
        st.integers(1, 10**6).map(make_oid),
        st.lists(st.sampled_from(["artefact", "ghost", "VAR", "not artefact"])),
    )
)
def test_both_forms_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, objects: dict[int, list[str]]
) -> None:
    folder = tmp_path_factory.mktemp("labels")
    entries = [snad(oid, *tags) for oid, tags in objects.items()]
    rows = [f"{oid},{int('artefact' in tags)}" for oid, tags in objects.items()]
    from_json = read_labels(write(folder / "l.json", entries))
    from_csv = read_labels(write(folder / "l.csv", "\n".join(["oid,label", *rows])))
    assert list(from_json) == list(from_csv) == [Oid(oid) for oid in objects]
    assert np.array_equal(from_json.labels(objects), from_csv.labels(objects))


def test_tags_of_networks_are_known_whatever_their_case_and_others_stay(tmp_path: Path) -> None:
    """Among the others are types of variables with a name of one letter: M (Mira), L, N (nova)."""
    tags = ["sn", "agn", "pulsating", "Ghost", "M", "L", "N", "g"]
    (tmp_path / "l.json").write_text(json.dumps([{"oid": A, "tags": tags}]))
    found = read_labels(tmp_path / "l.json")[A].tags
    assert found == {"SN", "AGN", "Pulsating", "ghost", "M", "L", "N", "g"}


@pytest.mark.parametrize(
    ("tags", "ambiguous"),
    [
        ({"1-point"}, True),
        ({"1-point", "non-catalogued"}, False),
        ({"Galaxy"}, True),
        ({"Galaxy", "uncertain"}, True),
        ({"Galaxy", "SN"}, False),
        ({"interaction"}, True),
        ({"LSB", "uncertain"}, True),
        ({"LSB"}, False),
        ({"M_dwarf_flare", "uncertain"}, True),
        ({"M_dwarf_flare"}, False),
        ({"VAR", "uncertain"}, True),
        ({"VAR"}, False),
        ({"STAR", "VAR"}, True),
        ({"Comet"}, True),
        ({"Asteroid", "non-catalogued"}, True),
        ({"artefact", "uncertain", "ghost"}, True),
        ({"artefact", "ghost"}, False),
        ({"artefact", "Galaxy"}, False),
        (set(), False),
    ],
)
def test_which_labels_are_open_by_snads_rule(tags: set[str], ambiguous: bool) -> None:
    assert is_ambiguous(frozenset(tags)) is ambiguous
    assert is_ambiguous(list(tags)) is ambiguous


def test_a_rule_leaves_out_open_labels(tmp_path: Path) -> None:
    entries = [snad(A, "1-point"), snad(B, "artefact", "track"), snad(C, "artefact", "uncertain")]
    labels = read_labels(write(tmp_path / "l.json", entries))
    assert list(labels.by_rule(LabelRule.RB_ZTF)) == [A, B, C]
    assert list(labels.by_rule(LabelRule.SNAD2025)) == [B]
    plain = read_labels(write(tmp_path / "l.csv", f"oid,label\n{A},1\n{B},unsure\n"))
    kept = plain.by_rule(LabelRule.SNAD2025)
    assert list(kept) == [A]
    assert kept.undecided == {B}


def test_open_labels_of_the_published_file() -> None:
    red = read_labels(need(UPSTREAM / "akb.ztf.snad.space.json")).in_bands([Band.R])
    kept = red.by_rule(LabelRule.SNAD2025)
    assert len(red) - len(kept) == 159
    assert sum(entry.tags == {"1-point"} for entry in red.values()) == 52
    assert not any(entry.tags == {"1-point"} for entry in kept.values())
