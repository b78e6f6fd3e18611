"""Output of a verb: data on stdout, progress and messages on stderr, the exit code."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from rbztf.errors import Problem, RbztfError, printable
from rbztf.progress import NOTICE
from rbztf.textfiles import json_text

PARTIAL = 3
SHOWN_PROBLEMS = 10
LOG_EVERY_S = 30.0
WIDE = 160
"""Columns of a table that goes to a file or a pipe."""


INTERRUPTED = "Interrupted."
GO_ON = "What was finished is kept; the same command goes on from there."
OUT_OF_MEMORY = (
    "out of memory",
    "cannot allocate memory",
    "can't allocate memory",
    "can't start new thread",
    "failed to map segment",
    "std::bad_alloc",
)
"""Parts of messages, in lower case, by which libraries say that memory is short."""
COLUMN_GAP = 3
"""Characters that a table puts between two columns, at most."""


def fitting(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> int:
    """How many columns, from the left, fit whole into ``width`` characters; at least one."""
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows)]
    used = 0
    for number, each in enumerate(widths):
        used += each + COLUMN_GAP
        if number and used > width:
            return number
    return len(widths)


class Screen:
    """One verb's output. Whatever it shows comes from archives and files, so all of it is made printable.

    Parameters
    ----------
    as_json : bool
        Print one JSON document on stdout instead of tables.
    quiet : bool
        No progress.
    """

    def __init__(self, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.out = Console(width=None if sys.stdout.isatty() else WIDE, emoji=False)
        self.err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
        self._quiet = quiet
        self._notes: list[str] = []
        self._logged = time.monotonic()
        self._tasks: dict[str, Any] = {}
        self._bars = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim", markup=False),
            console=self.err,
            transient=True,
        )

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """A progress callback (:class:`rbztf.progress.Progress`): bars, or a line now and then in a log."""
        if self._quiet or total == 0:
            return
        note = printable(note)
        if stage == NOTICE:
            self.err.print(note, markup=False)
            return
        if not self.err.is_terminal:
            self._log(stage, done, total, note)
            return
        if stage not in self._tasks:
            self._bars.start()
            self._tasks[stage] = self._bars.add_task(stage, total=total, note=note, rate="")
        task = self._bars.tasks[self._bars.task_ids.index(self._tasks[stage])]
        rate = f"{task.speed:,.1f}/s" if task.speed else ""
        unfinished = total is None or done < total
        self._bars.update(task.id, completed=done, total=total, note=note, rate=rate, visible=unfinished)

    def _log(self, stage: str, done: int, total: int | None, note: str) -> None:
        """One line at most every :data:`LOG_EVERY_S` seconds."""
        now = time.monotonic()
        if now - self._logged < LOG_EVERY_S:
            return
        self._logged = now
        of = f" of {total}" if total is not None else ""
        self.err.print(f"{stage}: {done}{of} {note}".rstrip(), markup=False)

    def stop(self) -> None:
        """Take the bars away."""
        if self._tasks:  # rich prints an empty line for bars that were never shown
            self._bars.stop()

    def say(self, message: str) -> None:
        """A message on stderr."""
        self.stop()
        self.err.print(printable(message, lines=True), markup=False)

    def table(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[str]],
        left: int = 1,
        *,
        prose: bool = False,
    ) -> None:
        """A table on stdout; the first ``left`` columns are aligned left, the others right.

        Columns come in the order of their importance: where the terminal is too narrow, whole
        columns are left out from the right and named, and no cell is cut. With ``prose`` the last
        column is text that may go over several lines, and is never left out.
        """
        self.stop()
        columns = [printable(column) for column in columns]
        rows = [[printable(cell) for cell in row] for row in rows]
        n_whole = len(columns) - prose
        shown = len(columns) if prose else fitting(columns, rows, self.out.width)
        table = Table(box=box.SIMPLE, pad_edge=False)
        for number, column in enumerate(columns[:shown]):
            table.add_column(
                escape(column),
                justify="left" if number < left else "right",
                no_wrap=number < n_whole,
                overflow="fold",
            )
        for row in rows:
            table.add_row(*map(escape, row[:shown]))
        self.out.print(printable(title), style="bold", highlight=False, markup=False)
        self.out.print(table)
        if shown < len(columns):
            self.say(f"The terminal is too narrow for the columns {', '.join(columns[shown:])}.")

    def note(self, warning: str) -> None:
        """A warning at once, and among the ``warnings`` of the document."""
        if warning not in self._notes:
            self._notes.append(warning)
            self.say(f"Warning: {printable(warning)}")

    def write(self, text: str) -> None:
        """Text on stdout, as it is, but for what steers a terminal if there is one."""
        self.stop()
        sys.stdout.write(printable(text, lines=True) if sys.stdout.isatty() else text)

    def document(self, content: dict[str, Any]) -> None:
        """The verb's answer as one JSON document on stdout."""
        if self._notes:
            content = {**content, "warnings": [*self._notes, *content.get("warnings", ())]}
        self.write(json_text(content))

    def fail(self, error: RbztfError) -> None:
        """Why nothing could be done: a sentence on stderr, and a document on stdout if one was asked for."""
        self.say(f"Error: {error}")
        if self.as_json:
            content = {"message": error.message, "next_step": error.next_step, "exit_code": error.exit_code}
            with suppress(BrokenPipeError):
                self.document({"error": content})

    def finish(self, problems: Sequence[Problem] = (), warnings: Sequence[str] = ()) -> None:
        """Say what went wrong with the rest done; exits with 3 if anything did."""
        self.stop()
        for warning in warnings:
            self.say(f"Warning: {printable(warning)}")
        for problem in problems[:SHOWN_PROBLEMS]:
            self.say(f"Not done: {problem}")
        if len(problems) > SHOWN_PROBLEMS:
            self.say(f"Not done: {len(problems) - SHOWN_PROBLEMS} more (--json lists all).")
        if problems:
            raise typer.Exit(PARTIAL)


@contextmanager
def screen(as_json: bool = False, quiet: bool = False) -> Iterator[Screen]:
    """Run a verb: an error becomes one sentence on stderr, a document with ``--json``, and the right exit code."""
    shown = Screen(as_json, quiet)
    try:
        yield shown
    except RbztfError as error:
        shown.fail(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        shown.fail(RbztfError(INTERRUPTED, GO_ON))
        raise typer.Exit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise typer.Exit(1) from None
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        known = system_error(error)
        if known is None:
            raise
        shown.fail(known)
        raise typer.Exit(known.exit_code) from None
    finally:
        shown.stop()


def system_error(error: BaseException) -> RbztfError | None:
    """The sentence for an error of the machine that no verb has explained; None for a fault of the program.

    Too little memory arrives in many forms: Python's MemoryError, the ENOMEM of a system call, an
    ImportError when a shared library cannot be mapped, a RuntimeError of torch or of a thread that
    cannot start.
    """
    text = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    lowered = str(error).lower()
    if (
        isinstance(error, MemoryError)
        or getattr(error, "errno", None) == errno.ENOMEM
        or any(sign in lowered for sign in OUT_OF_MEMORY)
    ):
        return RbztfError(
            f"There is too little memory ({text}).",
            "Close other programs, raise the limit, or give fewer objects or --workers 1.",
        )
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename is not None else ""
        return RbztfError(
            f"{where}{error.strerror or text}.",
            "Check the path, the disk and the permissions, then run again.",
        )
    return None
