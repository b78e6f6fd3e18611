"""Read YAML that anyone may have written: of bounded size, in bounded time, refused in one sentence."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from rbztf.errors import InputError, UsageError

MOST_BYTES = 250_000
MOST_VALUES = 20_000
"""Values and keys, those behind aliases counted each time they are used."""
MOST_LEVELS = 50


class _Refused(Exception):
    """What is wrong, as the rest of a sentence that begins with the name of the text."""

    def __init__(self, what: str, line: int | None = None) -> None:
        super().__init__(what)
        self.what, self.line = what, line


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with bounds; a key that stands twice is refused, as the first would be lost."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._level = 0
        self._count = 0
        self._counts: dict[str, int] = {}
        """Values below each anchor that is complete."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: yaml.NodeEvent = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, yaml.AliasEvent):
            assert event.anchor is not None
            if event.anchor in self.anchors and event.anchor not in self._counts:
                raise _Refused(f"has an alias *{event.anchor} that contains itself", line)
            self._add(self._counts.get(event.anchor, 0))
            return super().compose_node(parent, index)
        before = self._count
        self._add(1)
        self._level += 1
        if self._level > MOST_LEVELS:
            raise _Refused(f"is nested more than {MOST_LEVELS} levels deep", line)
        node = super().compose_node(parent, index)
        self._level -= 1
        if event.anchor is not None:
            self._counts[event.anchor] = self._count - before
        return node

    def _add(self, count: int) -> None:
        self._count += count
        if self._count > MOST_VALUES:
            raise _Refused(f"holds more than {MOST_VALUES:,} values, aliases written out")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = (key.tag, key.value)
            if isinstance(key, yaml.ScalarNode) and name in seen:
                raise _Refused(f"has the key {key.value!r:.80} twice", key.start_mark.line + 1)
            if isinstance(key, yaml.ScalarNode):
                seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, AttributeError, KeyError):
            # PyYAML lets these escape: 2024-02-31, an integer of 5,000 digits, !!timestamp x, !!bool x
            raise _Refused("has a number or date that is not valid", node.start_mark.line + 1) from None


def parse_yaml(
    text: str, origin: str, *, refuse: type[UsageError] = InputError, advice: str = "Check the file."
) -> Any:
    """What a YAML text says; None if it is empty.

    Parameters
    ----------
    text : str
    origin : str
        Where it comes from, for messages.
    refuse : type of UsageError
        Raised where the text cannot be read.
    advice : str
        What to do then.

    Raises
    ------
    UsageError
        Of type ``refuse``: for text that is not YAML, or beyond :data:`MOST_BYTES`,
        :data:`MOST_VALUES` or :data:`MOST_LEVELS`.
    """
    try:
        if len(text) > MOST_BYTES:
            raise _Refused(f"is larger than {MOST_BYTES:,} bytes")
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except _Refused as error:
        where = f", line {error.line}" if error.line is not None else ""
        raise refuse(f"{origin}{where} {error.what}.", advice) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        tagged = isinstance(error, yaml.constructor.ConstructorError)
        what = "holds something else than plain data" if tagged else "is not valid YAML"
        raise refuse(f"{origin}{where} {what}.", advice) from None


def read_yaml(path: Path, *, refuse: type[UsageError] = InputError, advice: str = "Check the file.") -> Any:
    """As :func:`parse_yaml`, of a file; no more than :data:`MOST_BYTES` of it are read.

    Raises
    ------
    UsageError
        Of type ``refuse``: besides, for a file that is not there, or not text.
    """
    try:
        if not path.is_file():  # a pipe would block, a device never end
            raise refuse(f"{path} is not a file.", advice)
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise refuse(f"{path} cannot be read ({error.strerror}).", advice) from None
    except ValueError:
        raise refuse(f"{path} is not a text file in UTF-8.", advice) from None
    return parse_yaml(text, str(path), refuse=refuse, advice=advice)
