"""How many CPU threads a model computes with: one for a small model, else the cores, shared by a run's processes."""

from __future__ import annotations

import os
import sys
from typing import Any

import torch

THREADS = "ONETHINKER_THREADS"
SMALL = 50_000_000
"""Parameters of a model whose matrices are too small to share: waking a second thread takes as long as its part."""


def set_threads(model: Any) -> int:
    """Set torch's threads for a model on the CPU and say so; returns how many it has now.

    `--threads` or ONETHINKER_THREADS decides, then OMP_NUM_THREADS, which torch has read itself, then the rule above.
    Raises ValueError for a number that is not one.
    """
    given = os.environ.get(THREADS, "")
    if given and not (given.isdecimal() and int(given) > 0):
        raise ValueError(f"{THREADS}={given!r}: expected a number of threads, 1 or more")
    if not given and (os.environ.get("OMP_NUM_THREADS") or next(model.parameters()).device.type != "cpu"):
        return torch.get_num_threads()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    small = sum(p.numel() for p in model.parameters()) < SMALL
    number = int(given) if given else 1 if small else max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    if number != torch.get_num_threads():
        torch.set_num_threads(number)
        print(f"threads: {number} for the model (of {cores} cores); --threads N sets another", file=sys.stderr)
    return number
