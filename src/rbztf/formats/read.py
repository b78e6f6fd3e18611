"""Open a table of whatever format: its content tells which, so pipes without a name work as files do."""

from __future__ import annotations

import atexit
import io
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from rbztf.csvfiles import CsvFile
from rbztf.errors import InputError, RbztfError
from rbztf.formats.column_file import LARGEST_BYTES, ColumnFile
from rbztf.formats.fits_table import read_fits
from rbztf.formats.json_table import read_json_table
from rbztf.formats.parquet import read_parquet
from rbztf.formats.votable import read_votable
from rbztf.textfiles import as_text, limited, opened

Reader = Callable[[BinaryIO, int, str, str], ColumnFile]
READERS: dict[str, Reader] = {"FITS": read_fits, "Parquet": read_parquet, "VOTable": read_votable}
_BLANK = b"\xef\xbb\xbf \t\r\n"


@dataclass(frozen=True)
class Text:
    """A file of text: ``JSON`` by its first character, or ``text`` of another kind."""

    kind: str
    stream: TextIO


@contextmanager
def open_table(path: Path, what: str, next_step: str) -> Iterator[CsvFile | ColumnFile]:
    """Open a table that has the column ``oid``: CSV, ECSV, JSON, FITS, VOTable or Parquet.

    Parameters
    ----------
    what : str
        What messages call it, such as ``The feature table``.
    next_step : str
        What to do about a wrong file.

    Raises
    ------
    InputError
        On opening or within the block, if it cannot be read, is damaged, or is larger than allowed.
    """
    origin = f"{what} {path}"
    with open_content(path, what, next_step) as content:
        if isinstance(content, ColumnFile):
            yield content
        elif content.kind == "JSON":
            yield read_json_table(limited(content.stream, origin, next_step), origin, next_step)
        else:
            yield CsvFile(content.stream, origin, ("oid",), next_step)


@contextmanager
def open_content(path: Path, what: str, next_step: str) -> Iterator[ColumnFile | Text]:
    """The table in a file that is not text, or the text.

    Raises
    ------
    InputError
        As :func:`open_table`.
    """
    origin = f"{what} {path}"
    with opened(path, what, next_step) as stream:
        head = stream.read(16)
        kind = _kind(head)
        if kind not in READERS:
            with as_text(_with_head(head, stream), path, what, next_step) as text:
                yield Text(kind, text)
            return
        whole, n_bytes = _whole(head, stream, origin)
        with damage(origin, kind, next_step):
            yield READERS[kind](whole, n_bytes, origin, next_step)


def spooled(path: Path) -> Path:
    """A file with what a pipe holds, which can be read more than once; any other path as it is.

    The file goes when this process ends.

    Raises
    ------
    InputError
        If the pipe cannot be read, or holds more than :data:`LARGEST_BYTES`.
    """
    if not path.is_fifo():
        return path
    with opened(path, "The pipe", "") as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise InputError(f"{path} holds more than {LARGEST_BYTES >> 20} MiB.", "Write it to a file.")
    folder = Path(tempfile.mkdtemp(prefix="rbztf-pipe-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / path.name
    copy.write_bytes(content)
    return copy


def _kind(head: bytes) -> str:
    if head.startswith(b"SIMPLE  ="):
        return "FITS"
    if head.startswith(b"PAR1"):
        return "Parquet"
    start = head.lstrip(_BLANK)[:1]
    return {b"<": "VOTable", b"[": "JSON", b"{": "JSON"}.get(start, "text")


def _with_head(head: bytes, stream: BinaryIO) -> BinaryIO:
    """The stream from its start, though ``head`` has been read."""
    if stream.seekable():
        stream.seek(0)
        return stream
    return io.BufferedReader(_Joined(head, stream))


class _Joined(io.RawIOBase):
    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """What was read before, then the rest."""
        piece = self._head[: len(buffer)] or self._stream.read1(len(buffer))  # type: ignore[attr-defined]
        self._head = self._head[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


def _whole(head: bytes, stream: BinaryIO, origin: str) -> tuple[BinaryIO, int]:
    """A stream that can be read at any place, and its size in bytes."""
    if stream.seekable():
        n_bytes = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        whole = stream
    else:
        content = head + stream.read(LARGEST_BYTES)
        whole, n_bytes = io.BytesIO(content), len(content)
    if n_bytes > LARGEST_BYTES:
        raise InputError(f"{origin} is larger than {LARGEST_BYTES >> 20} MiB.", "Split it into parts.")
    return whole, n_bytes


@contextmanager
def damage(origin: str, kind: str, next_step: str) -> Iterator[None]:
    """One sentence for all errors within the block: damaged bytes fail in a dozen ways, none of them documented.

    Raises
    ------
    InputError
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except RbztfError:
        raise
    except Exception as error:  # noqa: BLE001
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{origin} is not a sound {kind} file ({reason}).", next_step) from None
