"""Several processes in one run, as `torchrun` starts them: who does which part, and what all of them must know.

Every process reads the same recipe and samples and draws the same prompts. Each answers and trains on its own part;
what came of it is gathered before anything is decided, so that samplers, algorithms and weights are the same on all.
Randomness belongs to a prompt and its answer, never to a process: a run comes out the same on any number of them, up to
rounding, which Muon enlarges.
"""

from __future__ import annotations

import atexit
import json
import os
import pickle
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch

from onethinker.util.interrupt import STATUS, Interrupted
from onethinker.util.runs import CONFIG, RunError, differences, started

T = TypeVar("T")

APPEARS = 60.0
"""Seconds that a file system may take to show what was written on another host."""
COLLECTIVE_TIMEOUT = timedelta(hours=2)
"""How long one process waits for another: the longest answers of one may take that much longer than the other's."""


@dataclass(frozen=True)
class Processes:
    """The `size` processes of a run, of which this is number `rank`. Alone, every method is a plain function."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes to the run's folder and to the terminal."""
        return self.rank == 0

    def shard(self, items: Sequence[T]) -> list[T]:
        """This process's part of the items, dealt out in turn."""
        return list(items[self.rank :: self.size])

    def balanced_shards(self, costs: Sequence[int]) -> list[list[int]]:
        """Places, ascending, of each process's part: the dearest first, each to the process with the least so far."""
        parts: list[list[int]] = [[] for _ in range(self.size)]
        loads = [0] * self.size
        for place in sorted(range(len(costs)), key=lambda i: -costs[i]):
            least = loads.index(min(loads))
            parts[least].append(place)
            loads[least] += costs[place]
        return [sorted(part) for part in parts]

    def gather(self, value: T) -> list[T]:
        """Everybody's value, in the order of ranks. All processes must call it."""
        if self.size == 1:
            return [value]
        from torch.distributed import all_gather_object

        values: list[Any] = [None] * self.size
        all_gather_object(values, value)
        return values

    def exchange(self, parcels: Sequence[T]) -> list[T]:
        """What every process has for this one, in the order of ranks; parcels: what this one has for each of them.

        A parcel goes to its receiver alone, where `gather` would hold everything everywhere. All must call it.
        """
        if self.size == 1:
            return list(parcels)
        from torch.distributed import irecv, isend

        packed = [bytearray(pickle.dumps(parcel)) for parcel in parcels]
        sizes = self.gather([len(data) for data in packed])
        others = [rank for rank in range(self.size) if rank != self.rank]
        arriving = {rank: torch.empty(sizes[rank][self.rank], dtype=torch.uint8) for rank in others}
        # All are started before any is waited for: two that send to one another first would wait for ever.
        transfers = [isend(torch.frombuffer(packed[rank], dtype=torch.uint8), rank) for rank in others]
        transfers += [irecv(arriving[rank], rank) for rank in others]
        for transfer in transfers:
            if transfer is not None:  # None only outside the group
                transfer.wait()
        received = {rank: pickle.loads(data.numpy().tobytes()) for rank, data in arriving.items()}
        return [parcels[rank] if rank == self.rank else received[rank] for rank in range(self.size)]

    def any(self, value: int) -> int:
        """The largest of everybody's values: what one was asked, all do. All processes must call it."""
        return max(self.gather(value))

    def run_on_main(self, action: Callable[[], T]) -> T:
        """What the action returns in the leading process, which alone takes it. An error there ends the others too,
        quietly: one message is enough."""
        if self.size == 1:
            return action()
        from torch.distributed import broadcast_object_list

        found: list[Any] = [False, None]
        try:
            if self.is_main:
                found = [True, action()]
        finally:
            broadcast_object_list(found, src=0)
        if not found[0]:
            sys.exit(2)
        return found[1]


SINGLE_PROCESS = Processes()


def join_processes() -> Processes:
    """Those that torchrun or Ray Train started, joined on the first call, or this one alone.

    On GPUs the process takes the one of its local rank, which `cuda` means from then on.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return SINGLE_PROCESS
    import torch.distributed as dist

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():  # Ray Train has joined them by now
        dist.init_process_group(timeout=COLLECTIVE_TIMEOUT)
        atexit.register(dist.destroy_process_group)
    return Processes(dist.get_rank(), dist.get_world_size())


def gpus() -> str:
    """Those of this machine, such as `8 × NVIDIA H200`; empty without one."""
    count = torch.cuda.device_count()
    return f"{count} × {torch.cuda.get_device_name()}" if count else ""


def stopped(run: Path, step: int, steps: int, number: int) -> Interrupted:
    """What a run says that a signal ended after a step."""
    rest = "the same command goes on from there" if step < steps else "that was the last one"
    return Interrupted(f"{run}: step {step} of {steps} is saved; {rest}", STATUS + number)


@contextmanager
def run_folder(processes: Processes, out: Path, config: Mapping[str, Any], *, fresh: bool) -> Iterator[Path]:
    """The folder of a run of this config, opened and held by the leading process. See `open_run` and `locked`.

    A run that fails or is interrupted before its first step leaves nothing behind that was not there before. Raises
    RunError where a process was started with another config or other data, or does not see the folder: on a host that
    does not share it, it would go on from nothing.
    """
    with ExitStack() as held:

        def claim() -> Path:
            return held.enter_context(started(out, config, fresh=fresh))

        _tell_first(processes, _other_config(processes.gather(json.loads(json.dumps(config, default=str)))))
        folder = processes.run_on_main(claim)
        blind = [host for host in processes.gather("" if _appears(folder / CONFIG) else platform.node()) if host]
        problem = f"{folder} is not seen on {blind[0]}; put --out on storage that all hosts share" if blind else ""
        _tell_first(processes, problem)
        yield folder


def _tell_first(processes: Processes, problem: str) -> None:
    """Raise RunError with the problem, if any, which all processes know, in the leading one; the others end quietly."""

    def tell() -> None:
        if problem:
            raise RunError(problem)

    processes.run_on_main(tell)


def _other_config(given: Sequence[Any]) -> str:
    """What of the processes' configs is not as in the leading one's, in words."""
    for rank, config in enumerate(given):
        if changed := differences(given[0], config):
            lines = "\n  ".join(changed)
            return (
                f"process {rank} has another config, or other data:\n  {lines}\nstart all with one command on one set"
            )
    return ""


def _appears(file: Path) -> bool:
    """Whether a file is there that another process wrote; a network's file system may know it later."""
    until = time.monotonic() + APPEARS
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.1)
    return file.exists()
