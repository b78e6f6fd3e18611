"""The command line: parse, call a verb, render. Nothing else imports typer or rich."""

from __future__ import annotations


def main() -> None:
    """Entry point of the command ``rbztf``."""
    from rbztf.cli.app import app

    app(prog_name="rbztf")
