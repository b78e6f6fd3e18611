"""What a verb shows: data on stdout, progress and messages on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from rbztf.errors import Problem, RbztfError
from rbztf.files import json_text

PARTIAL = 3
SHOWN_PROBLEMS = 10
LOG_EVERY_S = 30.0
WIDE = 160
"""Columns of a table that goes to a file or a pipe."""


class Screen:
    """One verb's output.

    Parameters
    ----------
    as_json : bool
        Print one JSON document on stdout instead of tables.
    quiet : bool
        No progress.
    """

    def __init__(self, as_json: bool, quiet: bool) -> None:
        self.as_json = as_json
        self.out = Console(width=None if sys.stdout.isatty() else WIDE)
        self.err = Console(stderr=True, soft_wrap=True, highlight=False)
        self._quiet = quiet
        self._logged = time.monotonic()
        self._tasks: dict[str, Any] = {}
        self._bars = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=self.err,
            transient=True,
        )

    def progress(self, stage: str, done: int, total: int | None, note: str = "") -> None:
        """A progress callback (:class:`rbztf.progress.Progress`): bars, or a line now and then in a log."""
        if self._quiet:
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
        self.err.print(message, markup=False)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> None:
        """A table on stdout; the first ``left`` columns are aligned left, the others right."""
        self.stop()
        table = Table(box=box.SIMPLE, pad_edge=False)
        for number, column in enumerate(columns):
            table.add_column(column, justify="left" if number < left else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self.out.print(title, style="bold", highlight=False, markup=False)
        self.out.print(table)

    def document(self, content: dict[str, Any]) -> None:
        """The verb's answer as one JSON document on stdout."""
        self.stop()
        sys.stdout.write(json_text(content))

    def finish(self, problems: Sequence[Problem] = (), warnings: Sequence[str] = ()) -> None:
        """Say what went wrong with the rest done; exits with 3 if anything did."""
        self.stop()
        for warning in warnings:
            self.say(f"Warning: {warning}")
        for problem in problems[:SHOWN_PROBLEMS]:
            self.say(f"Not done: {problem}")
        if len(problems) > SHOWN_PROBLEMS:
            self.say(f"Not done: {len(problems) - SHOWN_PROBLEMS} more (--json lists all).")
        if problems:
            raise typer.Exit(PARTIAL)


@contextmanager
def screen(as_json: bool = False, quiet: bool = False) -> Iterator[Screen]:
    """Run a verb: errors become one sentence on stderr and the right exit code."""
    shown = Screen(as_json, quiet)
    try:
        yield shown
    except RbztfError as error:
        shown.stop()
        shown.say(f"Error: {error}")
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        shown.stop()
        shown.say("Interrupted. What was finished is kept; the same command goes on from there.")
        raise typer.Exit(130) from None
    except BrokenPipeError:
        sys.stderr.close()
        raise typer.Exit(1) from None
    finally:
        shown.stop()
