"""The command line: parse, call a verb, render. Nothing else imports typer or rich."""

from __future__ import annotations

import os


def main() -> None:
    """Entry point of the command ``rbztf``."""
    # Threads that wait by spinning halve the speed on a machine that has other work too. OpenMP
    # reads this once, when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from rbztf.cli.app import app

    app(prog_name="rbztf")
