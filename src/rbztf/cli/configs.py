"""``rbztf configs`` on the command line."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from rbztf.cli.options import Json, Set, renamed_settings_told
from rbztf.cli.screen import screen
from rbztf.config import load_config
from rbztf.errors import UsageError


class Action(StrEnum):
    """What to do with configurations."""

    LIST = "list"
    SHOW = "show"
    DIFF = "diff"


NAMES = {Action.LIST: 0, Action.SHOW: 1, Action.DIFF: 2}
"""How many configurations each action takes."""
WHAT = {0: "no configuration", 1: "one configuration", 2: "two configurations"}


def configs(
    action: Annotated[Action, typer.Argument(help="What to do.")] = Action.LIST,
    names: Annotated[
        list[str] | None, typer.Argument(help="Names of shipped ones, or files.", metavar="[NAME]…")
    ] = None,
    set_: Set = None,
    as_json: Json = False,
) -> None:
    """List the shipped configurations, show one resolved, or show how two differ."""
    with screen(as_json) as show:
        given = names or []
        if len(given) != NAMES[action]:
            raise UsageError(
                f"configs {action} takes {WHAT[NAMES[action]]}, not {len(given)}.",
                "Example: rbztf configs diff gru bigru-l2.",
            )
        from rbztf.verbs.configs import diff_configs, list_configs

        if action is Action.LIST:
            entries = list_configs()
            if as_json:
                show.document({"configs": [{**asdict(entry), "path": str(entry.path)} for entry in entries]})
                return
            rows = [[entry.name, entry.kind, entry.about] for entry in entries]
            show.table("Shipped configurations", ["name", "trains", "about"], rows, left=3, prose=True)
            return
        with renamed_settings_told(show):
            resolved = [load_config(name, set_ or ()) for name in given]
        if action is Action.SHOW:
            if as_json:
                show.document(resolved[0].model_dump(mode="json"))
            else:
                show.write(resolved[0].dump())
            return
        differences = diff_configs(*resolved)
        if as_json:
            show.document({"differences": [asdict(each) for each in differences]})
        else:
            rows = [[each.key, str(each.first), str(each.second)] for each in differences]
            show.table(
                f"{given[0]} and {given[1]} differ in {len(rows)} keys",
                ["key", *given],
                rows,
                left=3,
                prose=True,
            )
