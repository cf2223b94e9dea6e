"""A study's cells as tasks of Ray, which puts them where the cluster has room.

Cells stay the folders that they are (see `cells`), on storage that every node sees: nothing comes back through Ray but
that a cell is finished. So a study may go from one machine to a cluster and back, two clusters may share it, and a
task whose node is lost starts again elsewhere, from the run's last checkpoint.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from onethinker.studies.cells import WAIT, Work, console, is_finished, run_cell
from onethinker.util.ray import Here, environment, has_gpus, joined, marked
from onethinker.util.runs import RunError


def run_on_ray(out: Path, cells: Mapping[str, Work], address: str, device: str) -> None:
    """Finish every cell on the Ray at `address` (as `ray.init` takes it, or `local`), which is left at the end.

    A task has one CPU, and one GPU if the cluster has any and `device`, a recipe's, may be one; threads as
    OMP_NUM_THREADS says here, one if it says nothing. The works are pickled once, for all tasks together.
    Raises RunError where Ray is missing or out of reach; for cells that failed, once all others are finished.
    """
    waiting = [name for name in cells if not is_finished(out, name)]
    if not waiting:
        return
    errors: dict[str, str] = {}
    with joined(address) as ray, marked(out) as here:
        task = ray.remote(**_needs(ray, device))(work_on)
        shared = ray.put(dict(cells)), out, here
        running = {task.remote(name, *shared): name for name in waiting}
        console.print(f"{len(waiting)} of {len(cells)} cells go to Ray at {address}")
        while running:
            (ended,), _ = ray.wait(list(running))
            name = running.pop(ended)
            try:
                if not ray.get(ended):
                    running[task.remote(name, *shared)] = name
                    continue
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", error)
                errors[name] = f"{type(cause).__name__}: {cause}"
                console.print(error, markup=False, highlight=False)
            while name not in errors and not is_finished(out, name):
                time.sleep(WAIT)  # storage may show a file later here than where it was written
            done = len(cells) - len(running)
            console.rule(f"[bold]{name}[/] {'failed' if name in errors else 'ended'} {done}/{len(cells)}", align="left")
    if errors:
        raise failure(errors, len(cells))


def work_on(name: str, cells: Mapping[str, Work], out: Path, here: Here) -> bool:
    """In a worker: whether the cell is finished; False, after a while, where another process holds it."""
    here.enter()
    if run_cell(out, name, cells[name], "on Ray"):
        return True
    time.sleep(WAIT)
    return False


def failure(errors: Mapping[str, str], cells: int) -> RunError:
    """What to raise for the cells, of so many, that failed. errors: by the cell's name."""
    lines = [f"{name}: {error}" for name, error in errors.items()]
    return RunError("\n  ".join([f"{len(errors)} of {cells} cells failed; the same command tries them again", *lines]))


def _needs(ray: ModuleType, device: str) -> dict[str, Any]:
    """What a task asks of the node that it runs on."""
    return {"num_cpus": 1, "num_gpus": int(has_gpus(ray, device)), "runtime_env": environment()}
