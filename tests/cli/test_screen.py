"""What a verb shows when something goes wrong, and on a narrow terminal."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from helpers import run, strict_json, tiny_classifier
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rbztf.archive.irsa import parse_light_curves
from rbztf.cli.screen import Screen, fitting, screen, system_error
from rbztf.errors import Problem, RbztfError, UnsoundAnswer, printable

COLUMNS = ["oid", "P(bogus)", "95 %", "decision", "likely kind", "frames", "missing", "without the blamed"]
ROW = [
    "1686103400034440",
    "0.981",
    "0.97–0.99",
    "bogus",
    "bright_star 0.98",
    "138",
    "0",
    "0.885 (69 dropped)",
]


def shown(width: int) -> str:
    show = Screen(as_json=False, quiet=True)
    show.out = Console(width=width, file=io.StringIO())
    show.table("Scores", COLUMNS, [ROW])
    assert isinstance(show.out.file, io.StringIO)
    return show.out.file.getvalue()


def test_80_columns_hold_the_answer_uncut() -> None:
    text = shown(80)
    assert all(cell in text for cell in ROW[:5])
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert all(cell in shown(160) for cell in ROW)


def test_columns_left_out_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    shown(60)
    assert "likely kind, frames, missing, without the blamed" in capsys.readouterr().err


@given(st.integers(1, 300))
def test_no_cell_is_ever_cut(width: int) -> None:
    n = fitting(COLUMNS, [ROW], width)
    assert n >= 1
    used = [max(len(name), len(cell)) for name, cell in zip(COLUMNS, ROW)][:n]
    assert n == 1 or sum(used) + 3 * (n - 1) <= width
    assert fitting(COLUMNS, [ROW], width + 1) >= n


def test_a_failure_is_a_document_too(tmp_path: Path) -> None:
    done = run("predict", "--model", tmp_path / "nowhere", "--json")
    assert done.exit_code == 2
    content = strict_json(done.stdout)["error"]
    assert content["exit_code"] == 2
    assert "nowhere" in content["message"]
    assert content["message"] in done.stderr


def no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device", "/data/x.csv")


def no_memory() -> None:
    raise MemoryError


def no_thread() -> None:
    raise RuntimeError("can't start new thread")


def not_mapped() -> None:
    raise ImportError("libtorch_cpu.so: failed to map segment from shared object")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (no_space, "/data/x.csv: No space left on device. Check the path"),
        (no_memory, "There is too little memory"),
        (no_thread, "There is too little memory"),
        (not_mapped, "There is too little memory"),
    ],
)
def test_a_fault_of_the_machine_is_one_sentence(
    fault: Callable[[], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as caught, screen():
        fault()
    assert caught.value.exit_code == 1
    assert said in capsys.readouterr().err


def test_a_fault_of_the_program_is_not_hidden() -> None:
    assert system_error(RuntimeError("shapes differ")) is None
    with pytest.raises(RuntimeError, match="shapes differ"), screen():
        raise RuntimeError("shapes differ")


def test_a_terminal_that_is_not_utf_8(tmp_path: Path, environment: dict[str, str]) -> None:
    tiny_classifier(4).save(tmp_path / "μ")
    command = [sys.executable, "-m", "rbztf", "predict", "--model", "μ/no", "--json"]
    latin = {**environment, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run(command, capture_output=True, env=latin, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"?/no" in done.stderr


INTERRUPTED = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "rbztf.cli.app":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
from rbztf.cli import main
main()
"""


def test_interrupted_while_it_starts(environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


ATTACK = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\u202etxt.\u2066\x7f\ud800"
STEERS = "".join(map(chr, [*range(10), *range(11, 32), *range(127, 160), 0x202E, 0x2066, 0xD800]))


def steers(text: str) -> bool:
    return any(character in STEERS for character in text)


@given(st.text())
def test_printable_text_steers_nothing_and_stays_so(text: str) -> None:
    made = printable(text)
    assert not steers(made)
    assert "\n" not in made
    assert printable(made) == made
    if text.isprintable():
        assert made == text


@given(st.text(alphabet=st.one_of(st.sampled_from(ATTACK + "[/]:x\n\t"), st.characters())))
def test_nothing_from_outside_steers_the_terminal(text: str) -> None:
    """Messages, warnings, problems, tables, progress: names of files, cells, tags and answers all come here."""
    streams = io.StringIO(), io.StringIO()
    show = Screen(as_json=False, quiet=False)
    show.out, show.err = (Console(file=each, width=200, emoji=False) for each in streams)
    show._logged = -1e9
    show.say(text)
    show.note(text)
    show.progress("notice", 0, None, text)
    show.progress("objects", 1, 2, text)
    show.table(text, [text, "b"], [[text, text]], prose=True)
    show.fail(RbztfError(text, text))
    with pytest.raises(typer.Exit):
        show.finish([Problem(text, text)], [text])
    for stream in streams:
        assert not steers(stream.getvalue())


def test_what_steers_becomes_visible_in_one_line() -> None:
    error = RbztfError(f"a\nb {ATTACK}", "c\td")
    assert str(error).startswith("a b \\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\r\\x08\\u202etxt.")
    assert str(error).endswith(" c d")
    assert str(Problem("x\ny", "z\x1b")) == "x y: z\\x1b"


def test_names_in_brackets_and_colons_stay_as_they_are() -> None:
    """Neither rich's markup nor its pictures."""
    stream = io.StringIO()
    show = Screen(as_json=False, quiet=False)
    show.out = Console(file=stream, width=200, emoji=False)
    show.table("t", ["[b]c[/b]"], [["[red]a[/red] :bug: [/]"]])
    assert "[red]a[/red] :bug: [/]" in stream.getvalue()
    assert "[b]c[/b]" in stream.getvalue()


def test_escape_codes_of_an_archive_a_list_and_labels_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """Each in the message that quotes it, at the command line."""

    with pytest.raises(UnsoundAnswer) as caught:
        parse_light_curves(f'<INFO name="QUERY_STATUS" value="ERROR">no {ATTACK}</INFO>')
    assert "\\x1b" in str(caught.value)
    assert not steers(str(caught.value))
    names = tmp_path / f"list{ATTACK[:-1]}.txt"
    names.write_text(f"12{ATTACK[:-1]}\n")
    labels = tmp_path / "labels.csv"
    labels.write_text(f"oid,label\n1{ATTACK[:-1]},1\n")
    header = tmp_path / "header.csv"
    header.write_text(f"oi{ATTACK[:-1]}d,label\n1,1\n")
    json_tags = tmp_path / "labels.json"
    json_tags.write_text('[{"oid": 600203100000005, "tags": ["\\u001b[2J", {"a": "\\u001b[2J"}]}]')
    commands = [
        ["fetch", "--from", names],
        ["fetch", names],
        ["train", "--labels", labels, "--embeddings", tmp_path],
        ["train", "--labels", header, "--embeddings", tmp_path],
        ["train", "--labels", json_tags, "--embeddings", tmp_path],
        ["fetch", "--images", tmp_path / ATTACK[:5]],
        ["fetch", "--check", tmp_path / ATTACK[:5]],
        ["predict", "600203100000005", "--model", tmp_path / ATTACK[:5]],
    ]
    for command in commands:
        found = run(*command)
        assert found.exit_code in (1, 2)
        assert not steers(found.stdout + found.stderr), command
        assert found.stderr
