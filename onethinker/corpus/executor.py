"""Stages over batches of rows, in local processes or on Ray: the same rows in the same order for any number of them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, cast

from onethinker.sample import DataError
from onethinker.util.ray import map_in_order

if TYPE_CHECKING:
    import pyarrow as pa

Stage = Callable[["pa.RecordBatch"], "pa.RecordBatch"]
"""A picklable object: one row or more in → any rows out, order kept, nothing remembered between batches. What is wrong
with one sample becomes a reason in its row, never an exception."""
AHEAD = 3
"""Batches under way for each process: few, so that memory stays bounded where whoever takes the results is slow."""
ATTEMPTS = 3


def map_batches(
    stage: Stage, batches: Iterable[pa.RecordBatch], *, workers: int = 0, ray: str = ""
) -> Iterator[pa.RecordBatch]:
    """`stage(batch)` of each batch, lazily and in order.

    workers: local processes; 0 for the machine's cores, 1 for this process. ray: an address of Ray, whose processors
    are then the workers (`util.ray`). A worker that is killed, for want of memory say, costs its batches another
    attempt. Raises DataError, on Ray RunError, where one batch kills ATTEMPTS of them.
    """
    source = iter(batches)
    first = list(islice(source, 2))
    count = workers or os.cpu_count() or 1
    if len(first) < 2 or (count == 1 and not ray):  # nothing to share
        yield from map(stage, chain(first, source))
        return
    if ray:
        root = getattr(stage, "root", None)
        yield from map_in_order(stage, chain(first, source), ray, sees=[root] if root else [])
        return
    yield from _in_processes(stage, chain(first, source), count)


def _in_processes(stage: Stage, source: Iterator[pa.RecordBatch], workers: int) -> Iterator[pa.RecordBatch]:
    from joblib.externals.loky.process_executor import BrokenProcessPool

    pool = _pool(stage, workers)
    waiting: deque[tuple[pa.RecordBatch, Future[pa.RecordBatch] | None]] = deque()
    failures = 0
    try:
        while True:
            waiting.extend((batch, None) for batch in islice(source, AHEAD * workers - len(waiting)))
            if not waiting:
                return
            try:
                waiting = deque((batch, task or pool.submit(_work, batch)) for batch, task in waiting)
                done = cast("Future[pa.RecordBatch]", waiting[0][1]).result()
            except BrokenProcessPool as error:
                failures += 1
                if failures == ATTEMPTS:
                    raise DataError(
                        f"a process that worked on rows {_named(waiting[0][0])}, or some after them, was killed "
                        f"{ATTEMPTS} times; is the memory enough? Fewer --workers need less"
                    ) from error
                pool.shutdown(wait=False, kill_workers=True)
                pool, waiting = _pool(stage, workers), deque((batch, None) for batch, _ in waiting)
                continue
            waiting.popleft()
            failures = 0
            yield done
    finally:
        pool.shutdown(wait=True, kill_workers=True)


def _pool(stage: Stage, workers: int) -> Any:
    """Processes that are given the stage once; loky's, which fork no threads and need no main guard in a script."""
    from joblib.externals.loky import ProcessPoolExecutor

    single = {"OMP_NUM_THREADS": "1"}  # they share the cores already
    return ProcessPoolExecutor(workers, initializer=_take, initargs=(stage,), env=single)


_STAGE: list[Stage] = []
"""The stage of a worker process."""


def _take(stage: Stage) -> None:
    _STAGE[:] = [stage]


def _work(batch: pa.RecordBatch) -> pa.RecordBatch:
    return _STAGE[0](batch)


def _named(batch: pa.RecordBatch) -> str:
    if "id" not in batch.schema.names or not len(batch):
        return f"(a batch of {len(batch)})"
    ids = batch.column("id")
    return f"{ids[0].as_py()} … {ids[len(batch) - 1].as_py()}"
