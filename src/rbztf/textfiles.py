"""Text and JSON: written strictly, read with limits."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(content: Any) -> str:
    """Indented JSON; NaN and infinity, for which JSON has no name, become null."""
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _finite(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content
