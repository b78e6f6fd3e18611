"""Which device to run on, and what makes a run repeatable."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from rbztf.errors import UsageError


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` is CUDA where there is one, else the CPU.

    Raises
    ------
    UsageError
        If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"There is no kind of device {name!r}.", "Use auto, cpu, cuda or cuda:N.") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"Nothing here runs on {name!r}.", "Use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"This machine has no CUDA device {name!r}.", "Use --device auto or --device cpu.")
    return device


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one CPU thread within the block.

    A recurrent layer is thousands of small steps, with a barrier between threads in each:
    two threads gain at most a third, and lose a factor of 50 when another process holds a core.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
