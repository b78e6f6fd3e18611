"""docs/reliability.md: what was attacked, how often, and what held."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.figures import Part
from chaos.workshop import Workshop

HEAD = """# Reliability

What attacks on rbztf broke, and how often it held. Written by

```console
$ {command}
```

For every call, held includes: exit code 0 to 3, one sentence on stderr where it failed, no traceback, at most 1 GB of
memory (the program that starts the calls included) and an end within its limit of time.

| part | tried | held | time |
|---|---:|---:|---:|
{rows}

"""


@dataclass(frozen=True)
class Attack:
    """A kind of attack and its share of the time."""

    run: Callable[[Workshop, random.Random, float, int | None], Part]
    share: float


def write(path: Path, parts: Mapping[str, Part], options: argparse.Namespace) -> None:
    """Write the report."""
    command = f"python -m chaos --seed {options.seed} --seconds {options.seconds:g} --out docs/{path.name}"
    command += "".join(f" --part {name}" for name in options.part or ())
    rows = [
        f"| {part.title} | {part.tried} | {part.held} | {part.seconds:.0f} s |" for part in parts.values()
    ]
    text = HEAD.format(command=command, rows="\n".join(rows))
    text += "\n".join("\n".join(part.lines()) for part in parts.values())
    path.write_text(text, encoding="utf-8")
