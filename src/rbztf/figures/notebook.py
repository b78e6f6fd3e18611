"""What a notebook shows of results: small tables of HTML in which every word of a file stays text."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from rbztf.errors import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_ROWS = 20
"""Of a long table."""
LONGEST_CELL = 200
"""Characters of a cell."""


def text(content: object) -> str:
    """``content`` as HTML in which it is nothing but text, cut where it is very long."""
    said = printable(str(content))
    return escape(said if len(said) <= LONGEST_CELL else f"{said[:LONGEST_CELL]}…")


def table(
    caption: object, header: Sequence[str], rows: Sequence[Sequence[object]], notes: Iterable[object] = ()
) -> str:
    """A table of HTML: the first rows, how many there are more, and notes below.

    Parameters
    ----------
    caption : object
    header : sequence of str
    rows : sequence of sequence of object
        None is an empty cell.
    notes : iterable of object
    """
    head = "".join(f"<th>{text(name)}</th>" for name in header)
    body = "".join(
        f"<tr>{''.join(f'<td>{text(cell) if cell is not None else str()}</td>' for cell in row)}</tr>"
        for row in rows[:SHOWN_ROWS]
    )
    more = f"<p>… and {len(rows) - SHOWN_ROWS} more</p>" if len(rows) > SHOWN_ROWS else ""
    below = "".join(f"<p>{text(note)}</p>" for note in notes)
    return (
        f"<table><caption>{text(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>{more}{below}"
    )


def picture(figure: Figure, alternative: object) -> str:
    """A figure as an image within the page, with words for those who cannot see it."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=80)
    content = base64.b64encode(stream.getvalue()).decode()
    return f'<img alt="{text(alternative)}" src="data:image/png;base64,{content}">'
