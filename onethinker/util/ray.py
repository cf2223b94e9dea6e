"""Ray: joined for a piece of work, which is handed out in order; a worker that dies costs its items another attempt.

Ray's tasks and actors and not Ray Data: what is handed out here comes from a generator in this process, one item at a
time, and owes one result an item in the same order. Ray Data plans over sources that its workers read themselves, puts
what a driver has whole into its object store first, and cuts blocks anew between its operators.
"""

from __future__ import annotations

import os
import platform
import re
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import ModuleType
from typing import Any, TypeVar

from onethinker.util.plugins import VARIABLE, load_plugins
from onethinker.util.runs import RunError

T = TypeVar("T")
R = TypeVar("R")

KNOCKS = 10.0
"""Seconds that a cluster's head may take to answer."""
_HOST = re.compile(r"(?:ray://)?([^/:]+|\[[^]]+\]):(\d{1,5})")
ATTEMPTS = 3
"""Workers that one item may cost."""
AHEAD = 3
"""Items under way for each processor of the cluster."""


def import_ray() -> ModuleType:
    """Ray, or RunError that names the install."""
    try:
        import ray
    except ImportError as error:
        raise RunError(f"--ray needs Ray ({error}); `pip install 'onethinker[ray]'`, or leave --ray out") from error
    return ray


@contextmanager
def joined(address: str) -> Iterator[ModuleType]:
    """Ray while it is joined: `local` starts one on this machine, anything else is as `ray.init` takes it.

    On the way out, by Ctrl-C too, what this process started on it ends. A Ray that this process had joined before is
    used as it is, and kept. Raises RunError where Ray is missing or out of reach.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    try:
        _knock(address)
        alone: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
        ray.init(address, log_to_driver=False, **alone)
    except (OSError, ValueError, RuntimeError, ImportError) as error:  # another version raises RuntimeError
        raise RunError(
            f"no Ray at {address} that can be joined ({error}); `ray start --head` starts one, --ray local its "
            "own, and a cluster that wants Ray's token needs RAY_AUTH_MODE=token here"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT, for which Ray itself would wait for minutes."""
    if listens := _HOST.fullmatch(address):
        socket.create_connection((listens[1].strip("[]"), int(listens[2])), KNOCKS).close()


def joined_if(address: str) -> AbstractContextManager[Any]:
    """Ray joined through several pieces of work, which then start none of their own; nothing without an address."""
    return joined(address) if address else nullcontext()


def environment() -> dict[str, Any]:
    """The runtime environment of workers: threads and plugins as in this process."""
    names = ("OMP_NUM_THREADS", "ONETHINKER_THREADS", "HF_HOME", VARIABLE)
    return {"env_vars": {name: os.environ[name] for name in names if name in os.environ}}


def has_gpus(ray: ModuleType, device: str) -> bool:
    """Whether the cluster has a GPU and `device`, a recipe's, may be one."""
    return device.startswith(("auto", "cuda")) and bool(ray.cluster_resources().get("GPU"))


@dataclass(frozen=True, slots=True)
class Here:
    """The driver's working folder, from which its paths count, a mark, which is a file that it keeps in a folder that
    the workers must see as well, and other folders that they must see."""

    mark: Path
    folder: Path
    others: tuple[Path, ...] = ()

    def enter(self) -> None:
        """In a worker: the same plugins and working folder. Raises RunError where it does not see the driver's."""
        load_plugins()
        signs = ((self.mark.parent, self.mark), *((folder, folder) for folder in (self.folder, *self.others)))
        for folder, sign in signs:
            if not sign.exists():
                raise RunError(
                    f"the worker on {platform.node()} does not see {folder}; start this in a folder, and with an "
                    "--out, on storage that all nodes of the cluster see under the same path"
                )
        os.chdir(self.folder)


@contextmanager
def marked(folder: Path, others: Iterable[Path] = ()) -> Iterator[Here]:
    """What workers need to check that they see `folder` as this process does, and that they see the others."""
    try:
        with NamedTemporaryFile(dir=folder, prefix=".ray-") as mark:
            yield Here(Path(mark.name).absolute(), Path.cwd(), tuple(other.absolute() for other in others))
    except PermissionError as error:
        raise RunError(f"{folder} cannot be written ({error}); with --ray start in a folder that can be") from error


def map_in_order(work: Callable[[T], R], items: Iterable[T], address: str, *, sees: Iterable[Path] = ()) -> Iterator[R]:
    """`work(item)` of each item, lazily and in order, as tasks of Ray.

    work: pickled once, for all tasks. sees: folders that it reads. A task whose worker or node dies is tried again
    elsewhere, ATTEMPTS times in all, then RunError is raised; what `work` raises is raised here.
    """
    with joined(address) as ray, marked(Path.cwd(), sees) as here:
        task = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1, runtime_env=environment())(_work)
        shared, source = ray.put(work), iter(items)
        ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        waiting: deque[Any] = deque()
        try:
            while True:
                waiting.extend(task.remote(shared, here, item) for item in islice(source, ahead - len(waiting)))
                if not waiting:
                    return
                yield result(ray, waiting[0])
                waiting.popleft()
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


def _work(work: Callable[[T], R], here: Here, item: T) -> R:
    here.enter()
    return work(item)


def result(ray: ModuleType, reference: Any) -> Any:
    """What a task returned. What it raised is raised as itself; RunError where its workers died ATTEMPTS times."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause or error) from error
    except ray.exceptions.RayError as error:
        raise RunError(
            f"a worker of Ray died {ATTEMPTS} times over one piece of work ({type(error).__name__}); is its memory "
            "enough? What was done before is kept"
        ) from error
