"""docs/reliability.md: what was attacked, how often, and what held."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.attempt import LONGEST_S, MOST_MEMORY_MB
from chaos.figures import Part
from chaos.workshop import Workshop

HEAD = """# Reliability

What attacks on rbztf broke, and how often it held. Written in {minutes:.0f} minutes, two attacks at the same time, by

```console
$ {command}
```

For every call, held includes: exit code 0 to 3, one sentence on stderr where it failed, no traceback, at most
{memory_mb:.0f} MB of memory (the program that starts the calls included; {most_mb:.0f} MB was the most) and an end within
{limit_s:.0f} s. Every attack is a sample that the seed and the time decide: each part has its share of the time, and says what
it left out.

| part | tried | held | time |
|---|---:|---:|---:|
{rows}

"""


@dataclass(frozen=True)
class Attack:
    """A kind of attack and its share of the time."""

    run: Callable[[Workshop, random.Random, float, int | None], Part]
    share: float


def write(path: Path, parts: Mapping[str, Part], options: argparse.Namespace, seconds: float) -> None:
    """Write the report."""
    command = f"python -m chaos --seed {options.seed} --seconds {options.seconds:g} --out docs/{path.name}"
    command += "".join(f" --part {name}" for name in options.part or ())
    command += "".join(f" --verb {name}" for name in options.verb or ())
    rows = [
        f"| {part.title} | {part.tried:,} | {part.held:,} | {part.seconds:.0f} s |" for part in parts.values()
    ]
    rows.append(
        f"| all | {sum(p.tried for p in parts.values()):,} | {sum(p.held for p in parts.values()):,} | |"
    )
    text = HEAD.format(
        command=command,
        minutes=seconds / 60,
        rows="\n".join(rows),
        memory_mb=MOST_MEMORY_MB,
        most_mb=max(part.memory_mb for part in parts.values()),
        limit_s=LONGEST_S,
    )
    text += "\n".join("\n".join(part.lines()) for part in parts.values())
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
