"""Data as classic scripts, which a page from disk may load where it may not fetch."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from rbztf.errors import printable


def script(what: str, content: Any) -> str:
    """A script that hands data to the page; no text in it can end the script or start another."""
    return f"RBZTF.take({json_of(what)},{json_of(content)});\n"


def json_of(content: Any) -> str:
    """Compact ASCII JSON without ``<``, ``>`` and ``&``; NaN and infinity become null."""
    text = json.dumps(plain(content), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def plain(content: Any) -> Any:
    """Content as JSON has it: numbers finite or None, texts without what steers a terminal or hides."""
    if isinstance(content, dict):
        return {printable(str(key)): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    return printable(content, lines=True) if isinstance(content, str) else content


def digest(*texts: str) -> str:
    """Hash of texts, 16 hexadecimal digits."""
    whole = hashlib.sha256()
    for text in texts:
        whole.update(text.encode())
    return whole.hexdigest()[:16]
