"""``rbztf label``: the queue of objects to label, and label files of several people as one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import make_oid, refused, run_well, strict_json, write_embeddings
from report_helpers import HOSTILE, OIDS, prediction

import rbztf
from rbztf.config import load_config
from rbztf.errors import DataError, UsageError
from rbztf.prediction.result import PredictResult, write_predictions
from rbztf.stores.label_merge import LONGEST, read_said
from rbztf.stores.labels import read_labels
from rbztf.stores.oid_lists import read_oids
from rbztf.verbs.paths import labels_in_bands
from rbztf.ztf import Label, Oid

A, B, C, D, E, F = OIDS[:6]
HEADER = "oid,label,verdict,kind,comment,when"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def saved(path: Path, *lines: str) -> Path:
    """As the page of a report saves it."""
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def result() -> PredictResult:
    return PredictResult(
        "model", tuple(prediction(oid, p) for oid, p in zip(OIDS, (0.02, 0.52, 0.97, 0.4, 0.7)))
    )


@pytest.fixture
def scores(tmp_path: Path, result: PredictResult) -> Path:
    write_predictions(tmp_path / "scores.json", result)
    return tmp_path / "scores.json"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    lines = (
        f"{A},real,real,,fine,2026-01-01T00:00:00Z",
        f"{B},bogus,bogus,ghost,=SUM(1),2026-01-02T00:00:00Z",
    )
    return saved(tmp_path / "mine.csv", *lines, f"{C},,unsure,,,", f"{E},real,real,,,", f"{F},,,,look again,")


@pytest.fixture
def yours(tmp_path: Path) -> Path:
    lines = (f"{A},real,real,,same here,2026-02-01T00:00:00Z", f"{B},real,real,,no ghost,", f"{D},,unsure,,,")
    return saved(tmp_path / "yours.csv", *lines, f"{C},bogus,bogus,track,,")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """An export of the knowledge base."""
    path = tmp_path / "theirs.json"
    path.write_text(
        json.dumps([{"oid": B, "tags": ["Artefact", "column"]}, {"oid": E, "tags": ["artefact"]}])
    )
    return path


def test_the_queue_is_in_order_of_doubt(tmp_path: Path, scores: Path) -> None:
    out = tmp_path / "queue.csv"
    made = strict_json(run_well("label", scores, "--out", out, "--json").stdout)
    queue = rows(out)
    assert list(queue[0]) == ["oid", "rank", "p_bogus", "doubt", "novelty", "reason"]
    assert [int(row["oid"]) for row in queue] == [B, D, E, C, A]
    assert [row["rank"] for row in queue] == list("12345")
    assert float(queue[0]["doubt"]) == pytest.approx(0.96 + 0.04 * 0.2)
    assert queue[0]["reason"] == "p 0.52 is near the threshold 0.50"
    assert {row["novelty"] for row in queue} == {""}
    assert [entry["oid"] for entry in made["objects"]] == [B, D, E, C, A]
    assert [int(oid) for oid in read_oids(out)] == [B, D, E, C, A]


def test_what_is_labelled_or_was_called_unsure_is_left_out(tmp_path: Path, scores: Path, mine: Path) -> None:
    out = tmp_path / "queue.csv"
    done = run_well("label", scores, "--labels", mine, "--out", out)
    assert [int(row["oid"]) for row in rows(out)] == [D]
    assert "1 of 5 objects to label, 4 labelled already" in done.stderr


@pytest.mark.parametrize("kind", ["embeddings", "features"])
def test_new_objects_come_before_copies_of_labelled_ones(
    kind: str, tmp_path: Path, result: PredictResult
) -> None:
    """D is doubted more than E, but looks like the labelled B; C has no vector."""
    values = {A: 0.5, B: 5.0, D: 5.0, E: -4.0}
    saved(tmp_path / "known.csv", f"{B},real,real,,,")
    if kind == "features":
        path = tmp_path / "features.csv"
        lines = [f"{oid},{value},{-value},1" for oid, value in values.items()]
        path.write_text("\n".join(["oid,amplitude,skew,mean", *lines]))
    else:
        path = tmp_path / "vectors"
        path.mkdir()
        for oid, value in values.items():
            np.save(path / f"{oid}.npy", np.full((3, 4), value, np.float32))
    made = rbztf.label_queue(
        result, labels=tmp_path / "known.csv", out=tmp_path / "q.csv", **{kind: path}, number=3
    )
    assert [entry.oid for entry in made.objects] == [E, D, A]
    assert made.objects[0].reason.endswith("unlike what is labelled or above")
    assert made.objects[1].novelty == pytest.approx(0)
    everything = rbztf.label_queue(result, out=tmp_path / "q.csv", **{kind: path})
    assert {entry.oid: entry.novelty is None for entry in everything.objects} == {
        A: False, B: False, C: True, D: False, E: False,
    }  # fmt: skip


def test_damaged_vectors_are_named_and_the_object_stays(tmp_path: Path, scores: Path) -> None:
    objects = {oid: np.ones((3, 4), np.float32) for oid in (A, B, C, D, E)}
    store = write_embeddings(tmp_path / "e", objects, 4)
    content = bytearray((store / "vectors.npy").read_bytes())
    content[-1] ^= 0x10
    (store / "vectors.npy").write_bytes(content)
    done = run_well("label", scores, "--embeddings", store, "--out", tmp_path / "q.csv", code=3)
    assert "taken without its vectors" in done.stderr
    assert len(rows(tmp_path / "q.csv")) == 5


def test_two_agree_one_object_is_in_dispute(tmp_path: Path, mine: Path, yours: Path) -> None:
    out = tmp_path / "labels.csv"
    done = run_well("label", "--merge", mine, yours, "--out", out)
    assert "6 objects: people agree on 1 and disagree on 1." in done.stderr
    table = read_labels(out)
    assert dict(zip(table, table.labels(list(table)))) == {A: Label.REAL, C: Label.ARTEFACT, E: Label.REAL}
    assert table.undecided == {D, F}
    found = {int(row["oid"]): row for row in rows(out)}
    assert found[A]["comment"] == "fine | same here"
    assert found[A]["when"] == "2026-02-01T00:00:00Z"
    assert found[C]["kind"] == "track"
    assert (found[D]["verdict"], found[F]["verdict"], found[F]["comment"]) == ("unsure", "", "look again")
    differing = rows(tmp_path / "labels-disagreements.csv")
    assert [(row["oid"], row["file"], row["verdict"], row["kept"]) for row in differing] == [
        (str(B), str(mine), "bogus", ""),
        (str(B), str(yours), "real", ""),
    ]
    assert differing[0]["comment"] == "'=SUM(1)"


@pytest.mark.parametrize(
    ("rule", "kept"),
    [("leave-out", {}), ("first", {B: "bogus", E: "real"}), ("majority", {B: "bogus"})],
)
def test_rules_for_conflicts(
    rule: str, kept: dict[int, str], tmp_path: Path, mine: Path, yours: Path, theirs: Path
) -> None:
    """Of B bogus, real, bogus; of E real and bogus, which is a tie."""
    out = tmp_path / "labels.csv"
    made = rbztf.merge_labels([mine, yours, theirs], out=out, on_conflict=rule)
    assert (made.n_agree, made.n_disagree, made.n_left_out) == (1, 2, 2 - len(kept))
    found = {int(row["oid"]): row for row in rows(out)}
    assert {oid: found[oid]["label"] for oid in (B, E) if oid in found} == kept
    if B in found:
        assert found[B]["comment"] == "'=SUM(1) | no ghost"
        assert found[B]["kind"] == "ghost"


def test_files_that_agree_leave_an_empty_list_of_disagreements(
    tmp_path: Path, mine: Path, yours: Path
) -> None:
    out = tmp_path / "labels.csv"
    rbztf.merge_labels([mine, yours], out=out)
    (tmp_path / "short.csv").write_text(f"oid,label\n{A},0\n")
    (tmp_path / "other.csv").write_text(f"OID,Label\n{A},real\n{B},unsure\n")
    rbztf.merge_labels([tmp_path / "short.csv", tmp_path / "other.csv"], out=out)
    assert rows(tmp_path / "labels-disagreements.csv") == []
    assert [(row["label"], row["verdict"]) for row in rows(out)] == [("real", "real"), ("", "unsure")]


def test_a_merged_file_merged_again_says_the_same(tmp_path: Path, mine: Path, yours: Path) -> None:
    """Apostrophes before formulas do not pile up."""
    first, again = tmp_path / "first.csv", tmp_path / "again.csv"
    rbztf.merge_labels([mine, yours], out=first, on_conflict="first")
    rbztf.merge_labels([first, mine], out=again, on_conflict="first")
    read = [{**row, "comment": row["comment"].split(" | ")[0]} for row in rows(again)]
    assert read == [{**row, "comment": row["comment"].split(" | ")[0]} for row in rows(first)]
    assert rows(first)[1]["comment"].startswith("'=SUM(1)")


def test_hostile_and_endless_comments(tmp_path: Path) -> None:
    words = HOSTILE.replace('"', '""')
    one = saved(tmp_path / "one.csv", f'{A},1,,"{words}","  -{words}",@when', f"{B},1,,,{'x' * 90_000},")
    two = saved(tmp_path / "two.csv", f'{A},1,,,"a\nb, c",', f"{B},1,,,{'y' * 90_000},")
    out = tmp_path / "labels.csv"
    run_well("label", "--merge", one, two, "--out", out)
    first, second = rows(out)
    assert first["comment"].startswith("'-</script>")
    assert first["comment"].endswith(" | a b, c")
    assert "\x1b" not in out.read_text(encoding="utf-8")
    assert first["when"] == "'@when"
    assert len(second["comment"]) == LONGEST
    assert list(read_labels(out)) == [A, B]


def test_the_reader_of_train_rnn_and_cv_takes_what_was_merged(tmp_path: Path) -> None:
    oids = [make_oid(number, field=600 + number) for number in range(12)]
    halves = [[f"{oid},{number % 2},,,," for number, oid in enumerate(oids)][half::2] for half in (0, 1)]
    files = [saved(tmp_path / f"{half}.csv", *lines) for half, lines in enumerate(halves)]
    run_well("label", "--merge", *files, "--out", tmp_path / "labels.csv")
    table = labels_in_bands(tmp_path / "labels.csv", load_config())
    assert list(table) == oids
    assert table.labels(oids).tolist() == [0, 1] * 6


def test_an_object_given_twice_in_a_file_keeps_kinds_and_comments_of_both(tmp_path: Path, mine: Path) -> None:
    twice = tmp_path / "twice.csv"
    twice.write_text(f"oid,label,kind,comment\n{A},1,ghost,first\n{A},1,spike,second\n")
    assert read_said(twice)[Oid(A)].kind == "ghost, spike"
    assert read_said(twice)[Oid(A)].comment == "first | second"


def test_wrong_use_is_one_sentence(tmp_path: Path, scores: Path, mine: Path, yours: Path) -> None:
    out = ("--out", tmp_path / "out.csv")
    refused("label", scores, mine, *out, says=["2 files of scores"])
    refused("label", "--merge", mine, *out, says=["nothing to merge"])
    refused("label", "--merge", mine, mine, *out, says=["given twice"])
    refused("label", "--merge", mine, yours, "--out", mine, says=["would be replaced"])
    refused("label", "--merge", mine, yours, "--out", tmp_path / "l.json", says=[".csv"])
    refused("label", "--merge", mine, yours, *out, "--labels", mine, says=["--labels has no effect"])
    refused("label", scores, *out, "--on-conflict", "first", says=["--on-conflict has no effect"])
    refused("label", scores, *out, "--embeddings", "e", "--features", "f", says=["one of the two"])
    refused("label", tmp_path / "none.csv", *out, says=["none.csv"])
    refused("label", "--merge", mine, scores, *out, says=["scores.json", "tags"])
    (tmp_path / "twice.csv").write_text(f"oid,label\n{A},0\n{A},1\n")
    refused("label", "--merge", mine, tmp_path / "twice.csv", *out, says=["twice"])
    (tmp_path / "wild.csv").write_text(f"oid,p_bogus\n{A},3\n")
    refused("label", tmp_path / "wild.csv", *out, says=["is 3, not from 0 to 1"])
    (tmp_path / "f.csv").write_text(f"oid,amplitude\n{F},1\n")
    refused("label", scores, *out, "--features", tmp_path / "f.csv", code=1, says=["none of the objects"])
    assert not (tmp_path / "out.csv").exists()


def test_wrong_use_of_the_functions(tmp_path: Path, result: PredictResult, mine: Path, yours: Path) -> None:
    with pytest.raises(UsageError, match="no rule"):
        rbztf.merge_labels([mine, yours], out=tmp_path / "o.csv", on_conflict="both")
    with pytest.raises(UsageError, match="A queue of 0"):
        rbztf.label_queue(result, out=tmp_path / "o.csv", number=0)
    everyone = saved(tmp_path / "all.csv", *(f"{oid},0,,,," for oid in OIDS))
    with pytest.raises(DataError, match="left to label"):
        rbztf.label_queue(result, labels=everyone, out=tmp_path / "o.csv")
