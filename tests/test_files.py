"""Files and folders appear whole or not at all, whatever goes wrong on the way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    files_below,
    largest_file,
    make_oid,
    random_frames,
    tiny_encoder,
    write_cutouts,
    write_embeddings,
)

from rbztf.archive.images.quadrants import read_quadrant
from rbztf.config import load_config
from rbztf.errors import RbztfError, UsageError, WriteError
from rbztf.features.files import write_features
from rbztf.features.table import FeatureTable
from rbztf.files import cannot_write, put_back, whole, whole_folder, write_bytes, write_text
from rbztf.models.bundle import read_metadata
from rbztf.models.rnn.published import encoder_from
from rbztf.models.vae.bundle import load_encoder
from rbztf.stores.cutouts import open_cutouts
from rbztf.stores.embedding_writer import EmbeddingWriter
from rbztf.stores.embeddings import EmbeddingInfo, open_embeddings
from rbztf.stores.epochs import no_photometry


def write_folder(folder: Path, content: str) -> None:
    with whole_folder(folder) as part:
        for name in ("a", "b/c"):
            (part / name).parent.mkdir(exist_ok=True)
            (part / name).write_text(content)


def content(folder: Path) -> str:
    (text,) = {(folder / name).read_text() for name in ("a", "b/c")}
    return text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write_text(path, "one\r\né\n")
    assert path.read_bytes() == "one\r\né\n".encode()
    with whole(path) as part:
        part.write_text("two")
        assert path.read_bytes().startswith(b"one")
    assert path.read_text() == "two"
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_an_error_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    def half(part: Path) -> None:
        part.write_text("half")
        raise error

    write_text(tmp_path / "a", "old")
    with pytest.raises(type(error)), whole(tmp_path / "a") as part:
        half(part)
    write_folder(tmp_path / "f", "old")
    with pytest.raises(type(error)), whole_folder(tmp_path / "f") as part:
        half(part / "a")
    assert (tmp_path / "a").read_text() == content(tmp_path / "f") == "old"
    assert names(tmp_path) == ["a", "f"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    for write, name in ((write_text, "file"), (write_folder, "folder")):
        link = tmp_path / f"link to {name}"
        link.symlink_to(tmp_path / "disk" / name)
        write(link, "one")
        write(link, "two")
        assert link.is_symlink()
    assert (tmp_path / "disk/file").read_text() == content(tmp_path / "disk/folder") == "two"
    assert names(tmp_path / "disk") == ["file", "folder"]


@pytest.mark.parametrize(
    ("number", "kind", "says"),
    [
        (errno.ENOSPC, WriteError, "the disk is full. Free some space"),
        (errno.EDQUOT, WriteError, "your quota of disk space is used up. Free some space"),
        (errno.EFBIG, WriteError, "it would be larger than files may be here. Raise the limit"),
        (errno.EROFS, WriteError, "the file system is read-only. Choose another place"),
        (errno.EACCES, WriteError, "permission denied. Choose another place"),
        (errno.ENOENT, WriteError, "its folder is not there, or was deleted meanwhile. Run the same"),
        (errno.EIO, WriteError, "Input/output error. Check the disk"),
        (errno.ENOTDIR, UsageError, "a file is in the way. Choose another name"),
        (errno.ENAMETOOLONG, UsageError, "its name is too long. Choose another name"),
    ],
)
def test_a_failure_is_one_sentence_with_the_next_step(
    tmp_path: Path, number: int, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind) as caught, whole(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert str(caught.value).startswith(f"{tmp_path / 'a'} cannot be written: ")
    assert says in str(caught.value)
    assert names(tmp_path) == []


def test_what_numpy_says_of_a_full_disk_is_a_sentence_too() -> None:
    error = cannot_write(Path("a.npy"), OSError("784 requested and 12 written"))
    assert str(error).startswith("a.npy cannot be written: only a part of it was taken. Check the disk")


@pytest.mark.parametrize("write", [lambda path: write_text(path, "x"), lambda path: write_folder(path, "x")])
def test_a_name_that_cannot_be_is_wrong_use(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "file").write_text("x")
    for place in ("file/a", "n" * 300):
        with pytest.raises(UsageError, match="cannot be written"):
            write(tmp_path / place)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for place, reason in (("pipe", "not a regular file"), ("folder", "it is a folder")):
        with pytest.raises(UsageError, match=reason):
            write_text(tmp_path / place, "x")
    assert files_below(tmp_path) == {"file", "pipe", "folder"}


def test_a_limit_of_the_system_is_one_sentence_from_every_writer(tmp_path: Path) -> None:
    oid = make_oid(1)
    writers: dict[str, Callable[[Path], object]] = {
        "a": lambda path: write_bytes(path, bytes(100_000)),
        "encoder/weights.safetensors": lambda path: tiny_encoder(4).save(path.parent),
        "embeddings": lambda path: write_embeddings(path, {oid: np.zeros((9000, 4), np.float32)}, 4),
        f"{oid}.fits": lambda path: write_cutouts(path.parent, {oid: random_frames(40)}),
        "p.csv": lambda path: write_features(path, table),
    }
    names_of_many = tuple(f"feature {i}" for i in range(900))
    table = FeatureTable(np.arange(9) + oid, names_of_many, np.ones((9, 900)) / 3)
    for name, write in writers.items():
        with largest_file(20_000), pytest.raises(WriteError) as caught:
            write(tmp_path / name)
        assert caught.value.message == (
            f"{tmp_path / name} cannot be written: it would be larger than files may be here."
        )
        assert caught.value.exit_code == 1
    assert names(tmp_path) == []


KILLED = """
import os, sys
from pathlib import Path
from rbztf.files import whole, whole_folder
target = Path(sys.argv[1])
with whole_folder(target / "f") as folder, whole(target / "a") as part:
    (folder / "half").write_text("half")
    part.write_text("half")
    print("here", flush=True)
    sys.stdin.read()
"""


def start_writer(folder: Path) -> subprocess.Popen[bytes]:
    other = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == b"here\n"
    return other


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with start_writer(tmp_path) as other:
        other.send_signal(signal.SIGKILL)
    assert len(names(tmp_path)) == 2
    (tmp_path / ".a.77.part").write_text("of an older version")
    (tmp_path / ".ab.77.part").write_text("of another file")
    (tmp_path / ".f.part").mkdir()
    write_text(tmp_path / "a", "whole")
    write_folder(tmp_path / "f", "whole")
    assert names(tmp_path) == [".ab.77.part", "a", "f"]


def test_living_writers_do_not_disturb_each_other(tmp_path: Path) -> None:
    with start_writer(tmp_path) as other:
        write_text(tmp_path / "a", "mine")
        with pytest.raises(UsageError, match="Another process is writing"):
            write_folder(tmp_path / "f", "mine")
        assert other.stdin is not None
        other.stdin.close()
    assert other.returncode == 0
    assert (tmp_path / "a").read_text() == "half"  # the last one to finish
    assert names(tmp_path / "f") == ["half"]
    assert names(tmp_path) == ["a", "f"]


def test_many_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(20):
            write_bytes(tmp_path / "a", bytes([number]) * 50_000)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = (tmp_path / "a").read_bytes()
    assert data == data[:1] * 50_000
    assert names(tmp_path) == ["a"]


SWAP = """
import os, sys
from pathlib import Path
from rbztf import files

folder, left, can_exchange = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rename = Path.rename

def rename_or_die(self, target):
    global left
    if not left:
        os._exit(0)
    left -= 1
    return rename(self, target)

Path.rename = rename_or_die
if not can_exchange:
    files._exchange = lambda one, other: False
with files.whole_folder(folder) as part:
    (part / "a").write_text("new")
    (part / "b").mkdir()
    (part / "b/c").write_text("new")
"""


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_swap_killed_at_any_rename_leaves_the_old_or_the_new(tmp_path: Path, can_exchange: bool) -> None:
    for kill_at in range(3):
        folder = tmp_path / str(kill_at) / "f"
        write_folder(folder, "old")
        arguments = [str(folder), str(kill_at), "exchange" if can_exchange else ""]
        subprocess.run([sys.executable, "-c", SWAP, *arguments], check=True)
        put_back(folder)
        assert content(folder) in ("old", "new")
        write_folder(folder, "next")
        assert content(folder) == "next"
        assert names(folder.parent) == ["f"]


def test_readers_find_a_folder_whose_replacement_was_killed(tmp_path: Path) -> None:
    vectors = {make_oid(1): np.ones((2, 4), np.float32)}
    write_embeddings(tmp_path / "e", vectors, 4).rename(tmp_path / ".e.old")
    (tmp_path / ".e.part").mkdir()
    assert list(open_embeddings(tmp_path / "e")) == list(vectors)
    with whole_folder(tmp_path / "m") as part:
        (part / "model.yaml").write_text("{schema: 1, kind: encoder}")
    (tmp_path / "m").rename(tmp_path / ".m.old")
    assert read_metadata(tmp_path / "m", "encoder")["kind"] == "encoder"


def piped(path: Path) -> Path:
    """``path`` as a pipe to which nothing is ever written."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


def test_pipes_are_refused_where_a_file_is_needed(tmp_path: Path) -> None:
    oid = make_oid(1)
    tiny_encoder(4).save(tmp_path / "encoder")
    write_embeddings(tmp_path / "e", {oid: np.ones((3, 4), np.float32)}, 4)
    pipe = piped(tmp_path / f"{oid}.fits")
    readers: list[Callable[[], object]] = [
        lambda: open_cutouts(tmp_path)[oid],
        lambda: open_cutouts(tmp_path).epochs(oid),
        lambda: read_quadrant(pipe),
        lambda: encoder_from(pipe, load_config(project_file=None)),
    ]
    for name in ("vectors.npy", "times.npy", "objects.npy"):
        write_embeddings(tmp_path / name, {oid: np.ones((3, 4), np.float32)}, 4)
        piped(tmp_path / name / name)
        readers.append(partial(open_embeddings, tmp_path / name))
    piped(tmp_path / "encoder/weights.safetensors")
    readers.append(lambda: load_encoder(tmp_path / "encoder"))
    for read in readers:
        with pytest.raises(RbztfError, match="not a regular file"):
            read()


def test_of_two_writers_of_one_embedding_store_the_second_is_told(tmp_path: Path) -> None:
    vectors = {make_oid(1): np.ones((2, 4), np.float32)}
    with EmbeddingWriter(tmp_path / "e", EmbeddingInfo(4, "first"), 4) as writer:
        writer.add(make_oid(2), np.zeros((3, 4), np.float32), no_photometry(3))
        with pytest.raises(UsageError, match="Another process is writing"):
            write_embeddings(tmp_path / "e", vectors, 4, encoder="second")
    assert open_embeddings(tmp_path / "e").stamp.encoder == "first"
    assert list(open_embeddings(tmp_path / "e")) == [make_oid(2)]
    assert names(tmp_path) == ["e"]
