"""The command line: parse, call a verb, render. Nothing else imports typer or rich."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Entry point of the command ``rbztf``."""
    # Threads that wait by spinning halve the speed on a machine that has other work too. OpenMP
    # reads this once, when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115  # closed by the caller
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that lacks a character shows ? instead
            stream.reconfigure(errors="replace")
    try:
        from rbztf.cli.app import app

        app(prog_name="rbztf")
    except KeyboardInterrupt:  # while modules are loaded; a verb says what it has kept
        sys.stderr.write("Interrupted.\n")
        sys.exit(130)
    except OSError as error:  # likewise: too few open files or too little memory to load them
        sys.stderr.write(f"Error: rbztf cannot run: {error.strerror or error}.\n")
        sys.exit(1)
