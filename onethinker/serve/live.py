"""Live sources that a server may watch: who asks chooses one of them and questions, never an address.

A watch asks the same engine as everyone else, question by question through its queue, and ends when its source does,
when nobody has followed it for a while, after its longest time, and when the server drains.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from queue import Empty
from typing import Any

from PIL import Image

from onethinker.engines.base import Completion, EngineError, Request, Sampling
from onethinker.inference import Model
from onethinker.inference.watch.events import Events
from onethinker.inference.watch.sources import Source
from onethinker.inference.watch.watcher import Watcher, When
from onethinker.inference.watch.window import Window
from onethinker.serve.batching import Ticket
from onethinker.serve.problems import Problem, busy
from onethinker.serve.service import Served, Service

EVENT_CHARS = 200_000
"""Of an event as JSON; one that is larger comes without its masks."""
KEPT = 20
"""Watches that have ended and can still be read."""
_LOOK, _BEAT = 0.1, 10.0
"""Seconds between two looks for events, and after which a line without meaning finds out who has left."""


@dataclass
class QueuedEngine:
    """An engine as the server's queue in front of it: asked from any thread, batched with what else is under way."""

    service: Service
    served: Served
    loop: asyncio.AbstractEventLoop

    def __post_init__(self) -> None:
        behind = self.served.model.engine
        self.identity, self.capabilities = behind.identity, behind.capabilities

    def answer(self, requests: Iterable[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """See `engines.base.Engine`. Raises EngineError where the server drains or its engine is lost."""
        for index, request in enumerate(requests):
            try:
                yield index, self._completed(Ticket(request, sampling))
            except Problem as problem:
                if problem.status < 500:
                    yield index, [Completion("", "error", error=problem.detail)]
                else:
                    raise EngineError(problem.detail) from problem

    def _completed(self, ticket: Ticket) -> list[Completion]:
        """What the queue answers; waited for in a thread beside the loop, which may end before or meanwhile."""
        asking = self.service.complete(self.served, ticket)
        try:
            return asyncio.run_coroutine_threadsafe(asking, self.loop).result()
        except CancelledError as error:
            raise EngineError("the server has stopped") from error
        except RuntimeError as error:
            if not self.loop.is_closed():
                raise
            asking.close()  # it has not begun
            raise EngineError("the server has stopped") from error


@dataclass(eq=False)
class Watch:
    """One watch. followed: when somebody last did, by the monotonic clock. listeners: who do now."""

    id: str
    number: int
    source: Source
    watcher: Watcher
    events: Events
    seconds: float
    listeners: int = 0
    followed: float = field(default_factory=time.monotonic)
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    ended: bool = False

    def run(self) -> None:
        """To its end, in a thread of its own."""
        why = "the source has ended, or it was watched for as long as it may be"
        try:
            self.watcher.run(self.source, self.seconds)
        except EngineError as error:
            why = str(error)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            why = f"watching failed ({type(error).__name__}); the server's log says more"
        self.end(why)

    def tell(self, event: dict[str, Any]) -> None:
        if self.ended:
            return
        if "result" in event and len(json.dumps(event)) > EVENT_CHARS:
            event = event | {"result": event["result"] | {"masks": None}}
        self.events.tell(event)

    def end(self, why: str) -> None:
        self.tell({"event": "ended", "at": datetime.now(UTC).isoformat(timespec="milliseconds"), "why": why})
        self.ended = True
        self.watcher.end()

    def picture(self) -> bytes:
        """The newest frame as JPEG. Raises Problem."""
        newest = self.watcher.window.newest
        if newest is None:
            raise Problem(503, "no picture yet; ask again", headers={"Retry-After": "1"})
        made = BytesIO()
        Image.fromarray(newest.pixels).save(made, "JPEG", quality=85)
        return made.getvalue()


class Live:
    """sources: those that may be watched, named by their place among them."""

    def __init__(self, service: Service, sources: Sequence[Source]) -> None:
        self.service, self.sources = service, list(sources)
        self.watches: dict[str, Watch] = {}
        service.metrics.watch("watches", "Live sources watched now", lambda: len(self.open))

    @property
    def open(self) -> list[Watch]:
        return [watch for watch in self.watches.values() if not watch.ended]

    def start(
        self, number: int, questions: Sequence[str], task: str, model: str, when: When, window: float, rate: float
    ) -> Watch:
        """Begin a watch; to be called in the event loop. Raises Problem."""
        limits = self.service.limits
        if not 0 <= number < len(self.sources):
            raise Problem(404, f"source: {number}; /v1/sources lists the {len(self.sources)} that may be watched")
        self._sweep()
        if len(self.open) >= limits.watches:
            raise busy(f"{limits.watches} sources are watched already; end one, or ask again later", 10)
        served = self.service.find(model)
        engine = QueuedEngine(self.service, served, asyncio.get_running_loop())
        asked: Model = replace(served.model, engine=engine, samples=1)

        def tell(event: dict[str, Any]) -> None:
            watch.tell(event)

        watcher = Watcher(asked, tuple(questions), Window(window, rate), when, tell, task)
        watch = Watch(
            secrets.token_urlsafe(12), number, self.sources[number], watcher, Events(), limits.watch_seconds
        )  # fmt: skip
        self.watches[watch.id] = watch
        threading.Thread(target=watch.run, name="watch", daemon=True).start()
        return watch

    def find(self, id: str) -> Watch:
        """Raises Problem."""
        if id not in self.watches:
            raise Problem(404, "there is no such watch (any more); begin it again")
        return self.watches[id]

    async def follow(self, watch: Watch) -> AsyncIterator[str]:
        """Its events as server-sent ones, the last of the past first, until it ends. Raises Problem."""
        if watch.listeners >= self.service.limits.listeners:
            raise busy(f"{watch.listeners} follow this watch already; ask again later", 10)
        watch.listeners += 1
        try:
            with watch.events.listen() as waiting:
                quiet = 0.0
                yield ": hello\n\n"
                while True:
                    ended = watch.ended  # before the queue is looked into: its last event is there by then
                    with suppress(Empty):
                        while True:
                            event = waiting.get_nowait()
                            yield f"event: {json.loads(event)['event']}\ndata: {event}\n\n"
                            quiet = 0.0
                    if ended:
                        return
                    if quiet >= _BEAT:
                        yield ": still here\n\n"
                        quiet = 0.0
                    watch.followed = time.monotonic()
                    await asyncio.sleep(_LOOK)
                    quiet += _LOOK
        finally:
            watch.listeners -= 1

    async def keep(self) -> None:
        """End watches that nobody follows, and all of them where the server drains; for ever."""
        while True:
            self._sweep()
            await asyncio.sleep(0.25)

    def _sweep(self) -> None:
        idle = time.monotonic() - self.service.limits.watch_idle
        for watch in self.open:
            if self.service.draining:
                watch.end("the server ends")
            elif not watch.listeners and watch.followed < idle:
                watch.end("nobody followed it")
        ended = [watch.id for watch in self.watches.values() if watch.ended]
        for id in ended[:-KEPT]:
            del self.watches[id]

    def close(self) -> None:
        for watch in self.open:
            watch.end("the server ends")
