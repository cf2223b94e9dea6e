"""Engines in actors of Ray, one a GPU or one a processor, which answer as one engine.

Each actor loads the same engine and is given a few requests at a time; what it answers is recorded by the process that
asked, so that each request has one answer whatever dies. Another takes the place of one that dies, and its requests are
asked again, half of them at a time: a request that alone costs ATTEMPTS actors gets an error, and no other does.
"""

from __future__ import annotations

import atexit
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from onethinker.engines.base import Capability, Completion, Engine, EngineError, Request, Sampling, settings_of
from onethinker.util.ray import ATTEMPTS, Here, environment, has_gpus, joined, marked

TOGETHER = 64
"""Requests that an actor is given at once, at most."""
SHARES = 4
"""Times that each actor is given requests, at least, so that none is idle for long at the end."""


class Actor:
    """What runs in an actor: an engine that is loaded when it is first needed."""

    def __init__(self, load: Callable[[], Engine], here: Here) -> None:
        self.load, self.here = load, here

    @cached_property
    def engine(self) -> Engine:
        self.here.enter()
        return self.load()

    def facts(self) -> tuple[str, frozenset[Capability], dict[str, Any]]:
        """Of the engine: identity, capabilities, settings."""
        return self.engine.identity, self.engine.capabilities, settings_of(self.engine)

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> list[tuple[int, list[Completion]]]:
        return list(self.engine.answer(requests, sampling))


@dataclass(frozen=True, slots=True)
class _Part:
    """Requests that are asked together. deaths: actors that died over them."""

    places: tuple[int, ...]
    deaths: int = 0

    def again(self) -> list[_Part]:
        """What is asked in its place after another death; nothing where one request has had its attempts."""
        if len(self.places) == 1:
            return [] if self.deaths + 1 == ATTEMPTS else [_Part(self.places, self.deaths + 1)]
        half = len(self.places) // 2
        return [_Part(self.places[:half]), _Part(self.places[half:])]


class RayEngine:
    """See `Engine`. Ray stays joined, and the actors with their models, until `close` or the end of the process.

    load: makes the engine, in an actor; pickled. device: a recipe's. engines: how many; 0 for one a GPU of the cluster
    where it has any and the device may be one, else one a processor. Raises RunError where Ray cannot be joined, and
    what `load` raises.
    """

    def __init__(self, load: Callable[[], Engine], address: str, device: str = "auto", engines: int = 0) -> None:
        self._stack = ExitStack()
        self._ray = self._stack.enter_context(joined(address))
        here = self._stack.enter_context(marked(Path.cwd()))
        gpus = has_gpus(self._ray, device)
        resources = self._ray.cluster_resources()
        count = engines or max(1, int(resources.get("GPU" if gpus else "CPU", 1)))
        # A new one takes a dead one's place. One that Ray starts again refuses what it is asked until it is there.
        kind = self._ray.remote(num_cpus=1, num_gpus=int(gpus), max_restarts=0, runtime_env=environment())(Actor)
        self._start = partial(kind.remote, load, here)
        self._actors = [self._start() for _ in range(count)]
        atexit.register(self.close)
        self.identity, self.capabilities, self.settings = self._facts()

    def _facts(self) -> tuple[str, frozenset[Capability], dict[str, Any]]:
        """Those of the first engine, which are the others' too. They load meanwhile."""
        for attempt in range(ATTEMPTS):
            loading = [actor.facts.remote() for actor in self._actors]
            try:
                found: tuple[str, frozenset[Capability], dict[str, Any]] = self._ray.get(loading[0])
                return found
            except self._ray.exceptions.RayTaskError as error:
                raise (error.cause or error) from error
            except self._ray.exceptions.RayActorError as error:
                self._replace(self._actors[0])
                if attempt + 1 == ATTEMPTS:
                    raise EngineError(f"an engine died {ATTEMPTS} times while it was loaded ({error})") from error
        raise AssertionError

    def _replace(self, dead: Any) -> Any:
        """Another actor in the place of one that died, not loaded yet."""
        self._actors[self._actors.index(dead)] = found = self._start()
        return found

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        ray, count = self._ray, len(self._actors)
        size = max(1, min(TOGETHER, math.ceil(len(requests) / (SHARES * count))))
        waiting = deque(_Part(tuple(range(len(requests))[at : at + size])) for at in range(0, len(requests), size))
        idle, running = deque(self._actors), dict[Any, tuple[Any, _Part]]()
        try:
            while waiting or running:
                while waiting and idle:
                    actor, part = idle.popleft(), waiting.popleft()
                    running[actor.answer.remote([requests[p] for p in part.places], sampling)] = actor, part
                (ended,), _ = ray.wait(list(running))
                actor, part = running.pop(ended)
                try:
                    found = ray.get(ended)
                    idle.append(actor)
                except ray.exceptions.RayTaskError as error:
                    raise (error.cause or error) from error
                except ray.exceptions.RayActorError as error:
                    idle.append(self._replace(actor))
                    again = part.again()
                    waiting.extendleft(reversed(again))
                    if not again:
                        problem = f"the engine died {ATTEMPTS} times over it ({type(error).__name__})"
                        yield part.places[0], [Completion("", "error", error=problem)] * sampling.n
                    continue
                for index, completions in found:
                    yield part.places[index], completions
        finally:
            for reference in running:
                ray.cancel(reference)

    def close(self) -> None:
        """End the actors, and leave Ray if this joined it."""
        while self._actors:
            self._ray.kill(self._actors.pop())
        self._stack.close()
        atexit.unregister(self.close)
