"""``rbztf doctor`` on the command line."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from rbztf.cli.options import ConfigFile, Json, Set, resolve
from rbztf.cli.screen import screen


def doctor(
    online: Annotated[
        bool, typer.Option("--online", help="Also ask the archive for a sign of life.")
    ] = False,
    archive: Annotated[str | None, typer.Option(help="Address of the archive.", metavar="URL")] = None,
    config: ConfigFile = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """Show versions, device, extras, and which model and data would be used, and why."""
    with screen(as_json) as show:
        from rbztf.verbs.doctor import doctor as run

        found = run(resolve(show, "doctor", config, set_), online=online, archive_url=archive)
        if as_json:
            show.document({"findings": [asdict(each) for each in found]})
        else:
            rows = [[each.topic, each.what, each.value] for each in found]
            show.table("rbztf doctor", ["topic", "what", "found"], rows, left=3, prose=True)
        problems = [each for each in found if each.problem]
        for each in problems:
            show.say(f"Problem: {each.topic}, {each.what}: {each.problem}")
        if problems:
            raise typer.Exit(1)
