"""Sums of the files of a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers import refusal
from hypothesis import given
from hypothesis import strategies as st

from rbztf.errors import InputError, WriteError
from rbztf.formats.sums import CARD, SUMS, faults, lists, verify, write_sums


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "m"
    (made / "members").mkdir(parents=True)
    (made / CARD).write_text("a card")
    (made / "model.yaml").write_text("kind: x\n")
    (made / "members/a b.txt").write_bytes(b"\x00\xff")
    (made / "encoder").mkdir()
    (made / "encoder/model.yaml").write_text("kind: y\n")
    write_sums(made / "encoder")
    write_sums(made)
    return made


def test_the_list_is_that_of_sha256sum(folder: Path) -> None:
    names = [line.split("  ", 1)[1] for line in (folder / SUMS).read_text().splitlines()]
    assert names == ["README.md", "members/a b.txt", "model.yaml"]  # the encoder has its own
    verify(folder, "model.yaml", others=True)
    assert faults(folder) == []
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", SUMS], cwd=folder, check=True)


def test_a_folder_without_a_list_is_read_as_before(folder: Path) -> None:
    (folder / SUMS).unlink()
    (folder / "model.yaml").write_text("another")
    verify(folder, "model.yaml", others=True)
    assert lists(folder, "anything")


def test_what_is_compared(folder: Path) -> None:
    (folder / CARD).write_text("my own notes")
    verify(folder, "model.yaml", others=True)  # nothing is read from the card
    assert [problem.where for problem in faults(folder)] == [str(folder / CARD)]
    (folder / "members/a b.txt").write_bytes(b"\x00\xfe")
    verify(folder, "model.yaml")
    error = refusal(lambda: verify(folder, "model.yaml", others=True))
    assert isinstance(error, InputError)
    assert error.message.startswith(f"{folder}/members/a b.txt is damaged or was changed")


@pytest.mark.parametrize("gone", ["model.yaml", "members"])
def test_a_missing_file_is_named(folder: Path, gone: str) -> None:
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    error = refusal(lambda: verify(folder, others=True))
    assert isinstance(error, InputError)
    assert str(path) in str(error)


def test_a_pipe_does_not_block(folder: Path) -> None:
    for name in ("model.yaml", SUMS):
        (folder / name).unlink()
        os.mkfifo(folder / name)
        assert isinstance(refusal(lambda: verify(folder, "model.yaml")), InputError)


def test_a_file_that_was_added_does_not_count(folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    verify(folder, "model.yaml", others=True)
    assert faults(folder) == []
    assert not lists(folder, "notes.txt")
    with pytest.raises(InputError, match=r"SHA256SUMS lacks notes.txt"):
        verify(folder, "notes.txt")


@pytest.mark.parametrize(
    "text", ["", "\n", "x  model.yaml\n", "0" * 64 + "  ../x\n", "0" * 64 + "  /x\n", "é\n", "0" * 64 + "  x"]
)
def test_a_damaged_list_is_refused(folder: Path, text: str) -> None:
    (folder / SUMS).write_text(text)
    error = refusal(lambda: verify(folder, "model.yaml"))
    assert isinstance(error, InputError)
    assert str(folder / SUMS) in str(error)


@given(data=st.data())
def test_every_flipped_bit_is_noticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("sums")
    (folder / "model.yaml").write_bytes(data.draw(st.binary(min_size=1, max_size=40)))
    write_sums(folder)
    path = folder / data.draw(st.sampled_from(["model.yaml", SUMS]))
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    assert isinstance(refusal(lambda: verify(folder, "model.yaml", others=True)), InputError)


def test_a_list_does_not_vouch_for_a_folder_that_lost_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"a")
    write_sums(tmp_path, "a.npy")
    (tmp_path / SUMS).unlink()
    with pytest.raises(WriteError, match=SUMS):
        write_sums(tmp_path, "a.npy", "b.npy")
    assert not (tmp_path / SUMS).exists()
