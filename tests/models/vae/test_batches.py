"""Batches that are read ahead."""

from __future__ import annotations

import pytest

from rbztf.models.vae.batches import ahead


def test_batches_made_ahead_come_in_order_and_errors_come_through() -> None:
    assert list(ahead(range(20))) == list(range(20))
    assert list(ahead([])) == []

    def failing() -> object:
        yield 1
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        list(ahead(failing()))
