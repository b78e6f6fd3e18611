"""Optimisers, learning-rate schedules and mixed precision, as a configuration names them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from rbztf.config import TrainingSection
from rbztf.errors import UsageError

WARM_UP_SHARE = 0.2
"""Part of a one-cycle schedule in which the rate rises."""
LOWEST_SHARE = 0.01
"""Where a one-cycle schedule starts and ends, as a share of the peak rate."""


def make_optimiser(model: nn.Module, section: TrainingSection) -> torch.optim.Optimizer:
    """Adam, or AdamW, over the parameters that are trained."""
    kind = torch.optim.Adam if section.optimiser == "adam" else torch.optim.AdamW
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return kind(trained, lr=section.learning_rate, weight_decay=section.weight_decay)


def learning_rate(section: TrainingSection, step: int, n_steps: int) -> float:
    """Rate of step ``step`` out of ``n_steps``; a function of both alone, so a run can resume.

    ``one-cycle`` rises over the first fifth of the steps and falls by half a cosine after
    (Smith & Topin 2018, arXiv:1708.07120).
    """
    if section.schedule == "constant":
        return section.learning_rate
    rise = max(1, round(WARM_UP_SHARE * n_steps))
    if step < rise:
        share = LOWEST_SHARE + (1 - LOWEST_SHARE) * step / rise
    else:
        share = (
            LOWEST_SHARE + (1 - LOWEST_SHARE) * (1 + math.cos(math.pi * (step - rise) / (n_steps - rise))) / 2
        )
    return section.learning_rate * share


def take_step(
    model: nn.Module, optimiser: torch.optim.Optimizer, loss: torch.Tensor, rate: float, clip_norm: float
) -> None:
    """One step of ``optimiser`` down the gradient of ``loss``."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    if clip_norm:
        nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    optimiser.step()


def autocast(device: torch.device, section: TrainingSection) -> AbstractContextManager[object]:
    """Mixed precision (bfloat16) on CUDA where the configuration allows it; nothing elsewhere."""
    if section.mixed_precision and device.type == "cuda":
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def seed_epoch(seed: int, epoch: int) -> None:
    """Seed torch for one epoch, so that a resumed run draws what the whole one drew."""
    torch.manual_seed((seed * 1_000_003 + epoch) % 2**63)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch's CPU operations on ``count`` threads within the block; 0 leaves the number alone.

    One thread suits recurrent layers. They are thousands of small steps, with a barrier between
    threads in each: two threads gain at most a third, and lose a factor of 50 when another
    process holds a core.
    """
    before = torch.get_num_threads()
    if count:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name``; ``auto`` is CUDA where there is one, else the CPU.

    Raises
    ------
    UsageError
        If there is no such device here.
    """
    if name == "auto":
        return _in_full_precision(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"There is no kind of device {name!r}.", "Use auto, cpu, cuda or cuda:N.") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"Nothing here runs on {name!r}.", "Use auto, cpu, cuda or cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"This machine has no CUDA device {name!r}.", "Use --device auto or --device cpu.")
    return _in_full_precision(device)


def _in_full_precision(device: torch.device) -> torch.device:
    """The device, whose convolutions are in float32: the shortened TF32, which cuDNN takes by itself, gains
    a fifth in embedding, nothing in training (benchmarks/README.md), and moves scores away from a CPU's."""
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    return device
