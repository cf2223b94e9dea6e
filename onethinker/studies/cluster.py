"""A study's cells as tasks of Ray, which puts them where the cluster has room.

Cells stay the folders that they are (see `cells`), on storage that every node sees: nothing comes back through Ray but
that a cell is finished. So a study may go from one machine to a cluster and back, two clusters may share it, and a
task whose node is lost starts again elsewhere, from the run's last checkpoint.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import ModuleType
from typing import Any

from onethinker.studies.cells import WAIT, Work, console, is_finished, run_cell
from onethinker.util.plugins import VARIABLE, load_plugins
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
    with _joined(address) as ray, NamedTemporaryFile(dir=out, prefix=".ray-") as mark:
        task = ray.remote(**_needs(ray, device))(work_on)
        shared = ray.put(dict(cells)), out, Path(mark.name).absolute(), Path.cwd()
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


def work_on(name: str, cells: Mapping[str, Work], out: Path, mark: Path, here: Path) -> bool:
    """In a worker: whether the cell is finished; False, after a while, where another process holds it.

    mark: a file that the driver keeps in `out`. here: the driver's working folder, from which its paths count.
    """
    load_plugins()
    for folder, sign in ((mark.parent, mark), (here, here)):
        if not sign.exists():
            raise RunError(
                f"the worker on {platform.node()} does not see {folder}; start the study in a folder, and with an "
                "--out, on storage that all nodes of the cluster see under the same path"
            )
    os.chdir(here)
    if run_cell(out, name, cells[name], "on Ray"):
        return True
    time.sleep(WAIT)
    return False


def import_ray() -> ModuleType:
    """Ray, or RunError that names the install."""
    try:
        import ray
    except ImportError as error:
        raise RunError(f"--ray needs Ray ({error}); `pip install 'onethinker[ray]'`, or leave --ray out") from error
    return ray


def failure(errors: Mapping[str, str], cells: int) -> RunError:
    """What to raise for the cells, of so many, that failed. errors: by the cell's name."""
    lines = [f"{name}: {error}" for name, error in errors.items()]
    return RunError("\n  ".join([f"{len(errors)} of {cells} cells failed; the same command tries them again", *lines]))


@contextmanager
def _joined(address: str) -> Iterator[ModuleType]:
    """Ray while it is joined. On the way out, by Ctrl-C too, this driver's tasks end with it; their cells resume. A Ray
    that this process had joined before is used as it is, and kept."""
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    try:
        ray.init(address, log_to_driver=False)
    except (ConnectionError, ValueError) as error:
        raise RunError(
            f"no Ray at {address} ({error}); `ray start --head` starts one, --ray local its own, and a cluster that "
            "wants Ray's token needs RAY_AUTH_MODE=token here"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _needs(ray: ModuleType, device: str) -> dict[str, Any]:
    """What a task asks of the node that it runs on."""
    gpus = 1 if device.startswith(("auto", "cuda")) and ray.cluster_resources().get("GPU") else 0
    threads = {name: os.environ[name] for name in ("OMP_NUM_THREADS", VARIABLE) if name in os.environ}
    return {"num_cpus": 1, "num_gpus": gpus, "runtime_env": {"env_vars": threads}}
