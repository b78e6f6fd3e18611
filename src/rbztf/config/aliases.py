"""Old names of settings, which still work, and settings that are gone; each is said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rbztf.errors import ConfigError

RENAMED = {
    "classifier.min_frames": "data.min_frames",
    "ensemble.bags": "ensemble.folds",
}
"""Old name of a setting, and the name that it has now."""
REMOVED = {"ensemble.photometry": "reading the magnitude of each frame added nothing"}
"""A setting that is no longer there, and why; it is left out."""


class RenamedSetting(FutureWarning):
    """A setting was given by its old name, or is no longer there."""


def with_new_names(tree: Mapping[str, Any], origin: str) -> tuple[dict[str, Any], list[str]]:
    """A tree of settings under their present names.

    Parameters
    ----------
    tree : mapping
        Sections of settings, as YAML gives them; it is left as it is.
    origin : str
        Where they come from, for messages.

    Returns
    -------
    dict
    list of str
        A sentence for each old name and each removed setting that was found.

    Raises
    ------
    ConfigError
        If a setting is given by both its names.
    """
    made, told = dict(tree), list[str]()
    for old, new in RENAMED.items():
        section, _, key = old.partition(".")
        inside = made.get(section)
        if not isinstance(inside, dict) or key not in inside:
            continue
        made[section] = {name: value for name, value in inside.items() if name != key}
        place, _, name = new.partition(".")
        there = made.setdefault(place, {})
        if not isinstance(there, dict):
            continue  # refused for what it is when the sections are checked
        if name in there:
            raise ConfigError(
                f"{origin} gives both '{new}' and '{old}', its old name.", f"Leave out '{old}'."
            )
        made[place] = there | {name: inside[key]}
        told.append(f"'{old}' ({origin}) is called '{new}' now; the old name still works.")
    for gone, reason in REMOVED.items():
        section, _, key = gone.partition(".")
        inside = made.get(section)
        if isinstance(inside, dict) and key in inside:
            made[section] = {name: value for name, value in inside.items() if name != key}
            told.append(f"'{gone}' ({origin}) is no longer there: {reason}. Leave it out.")
    return made, told
