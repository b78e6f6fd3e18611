"""Numbers and their nouns."""

from __future__ import annotations

import pytest

from rbztf.wording import counted


@pytest.mark.parametrize(("number", "said"), [(0, "0 frames"), (1, "1 frame"), (2230, "2230 frames")])
def test_one_is_not_many(number: int, said: str) -> None:
    assert counted(number, "frame") == said
