"""Text and JSON: read with limits, written strictly."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from rbztf.errors import InputError

MAX_CHARACTERS = 64 * 2**20
"""Of a text that is read as a whole."""
PIPE_WAIT_S = 10.0
"""How long a named pipe may be without anybody who writes to it."""


@contextmanager
def open_text(path: Path, what: str, next_step: str) -> Iterator[TextIO]:
    """Open UTF-8 text, with or without a byte-order mark, line ends as they are.

    A pipe is read as a file is: once, from its start to its end.

    Parameters
    ----------
    what : str
        What the file is called in messages, such as ``The label file``.
    next_step : str
        What to do where it cannot be read.

    Raises
    ------
    InputError
        On opening or within the block, if the file is not there, not text or cannot be read.
    """
    with opened(path, what, next_step) as binary, as_text(binary, path, what, next_step) as stream:
        yield stream


@contextmanager
def opened(path: Path, what: str, next_step: str) -> Iterator[BinaryIO]:
    """Open a file, or a pipe, for its bytes.

    Raises
    ------
    InputError
        On opening or within the block, if it is not there or cannot be read.
    """
    try:
        with _open(path) as binary:
            yield binary
    except OSError as error:
        raise InputError(f"{what} {path} cannot be read ({error.strerror}).", next_step) from None


@contextmanager
def as_text(binary: BinaryIO, path: Path, what: str, next_step: str) -> Iterator[TextIO]:
    """The text of an opened file; see :func:`open_text`."""
    try:
        with io.TextIOWrapper(binary, "utf-8-sig", newline="") as stream:
            yield stream
    except UnicodeDecodeError:
        raise InputError(f"{what} {path} cannot be read (it is not text).", next_step) from None


def read_text(path: Path, what: str, next_step: str) -> str:
    """All of :func:`open_text`.

    Raises
    ------
    InputError
        As there, or for more than :data:`MAX_CHARACTERS`.
    """
    with open_text(path, what, next_step) as stream:
        return limited(stream, f"{what} {path}", next_step)


def limited(stream: TextIO, origin: str, next_step: str) -> str:
    """The rest of ``stream``; ``origin`` is what messages call it.

    Raises
    ------
    InputError
        For more than :data:`MAX_CHARACTERS`.
    """
    text = stream.read(MAX_CHARACTERS + 1)
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"{origin} is longer than {MAX_CHARACTERS >> 20} million characters.", next_step)
    return text


def parse_json(text: str | bytes, origin: str, next_step: str) -> Any:
    """The content of a JSON text; ``origin`` is what messages call it.

    Raises
    ------
    InputError
        If it is not JSON, is nested too deeply, or holds a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno}: {error.msg}"
    except UnicodeDecodeError:
        reason = "it is not text"
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError:
        reason = "a number has too many digits"
    raise InputError(f"{origin} is not JSON ({reason}).", next_step)


def json_list(text: Any, origin: str, next_step: str) -> list[Any]:
    """As :func:`parse_json`, of a list: bare, as ``objects``, or as ``results`` of a service that answers in pages.

    ``text`` may be the content, parsed already.

    Raises
    ------
    InputError
        As there, if it is another thing than a list, or one page of several.
    """
    content = parse_json(text, origin, next_step) if isinstance(text, str | bytes) else text
    if isinstance(content, dict) and isinstance(content.get("objects"), list):
        content = content["objects"]
    if isinstance(content, dict) and isinstance(content.get("results"), list):
        if content.get("next"):
            raise InputError(f"{origin} is one page of several (it has a 'next').", next_step)
        content = content["results"]
    if not isinstance(content, list):
        raise InputError(f"{origin} holds no JSON list.", next_step)
    return content


def json_text(content: Any) -> str:
    """Indented JSON; NaN and infinity, for which JSON has no name, become null."""
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def json_line(content: Any) -> str:
    """As :func:`json_text`, on one line."""
    return json.dumps(_finite(content), allow_nan=False) + "\n"


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def _open(path: Path) -> BinaryIO:
    """Open a file, or a pipe to which somebody writes: without a writer, opening would wait for ever."""
    if not path.is_fifo():
        return path.open("rb")
    opened: list[BinaryIO] = []
    opening = threading.Thread(target=lambda: opened.append(path.open("rb")), daemon=True)
    opening.start()
    opening.join(PIPE_WAIT_S)
    if opened:
        return opened[0]
    with suppress(OSError):  # a writer for a moment lets go of the thread
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    raise OSError(errno.EPIPE, "nothing writes to this pipe")
