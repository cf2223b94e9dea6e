"""Questions to one engine, batched as they come.

An engine is asked in the way that suits it:

- `session` (local): continuous. A new question joins between two tokens of those under way, as does the next turn of an
  answer that called a tool.
- `concurrency` (a server): each at once, in a thread; the server behind makes the batches.
- any other (vLLM in this process): between batches. Whatever came while the last batch was answered is the next one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from onethinker.engines.base import Completion, Engine, EngineError, Request, Sampling
from onethinker.serve.problems import Problem
from onethinker.tools.engine import without_tools


@dataclass(frozen=True, slots=True)
class Piece:
    """What came of one of a question's answers. completion: the whole of it, with the last piece. top: of each token,
    the likeliest tokens and their log-probabilities, where asked for."""

    answer: int
    text: str = ""
    token_ids: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    top: tuple[tuple[tuple[int, float], ...], ...] = ()
    completion: Completion | None = None


@dataclass(eq=False)
class Ticket:
    """One question under way. stream: pieces are wanted as they come, not only the last ones. stop: texts before which
    an answer ends. top: how many of the likeliest tokens are wanted beside each token. each: every token is wanted, for
    its log-probability. plain: the model's own turn, in which a tool call is words like any other."""

    request: Request
    sampling: Sampling
    stream: bool = False
    stop: tuple[str, ...] = ()
    top: int = 0
    each: bool = False
    plain: bool = False
    left: bool = False
    """Whoever asked is gone."""
    events: asyncio.Queue[Piece | Problem] = field(default_factory=asyncio.Queue)
    open: int = 0
    """Answers that have not ended."""

    def __post_init__(self) -> None:
        self.open = self.sampling.n

    async def pieces(self) -> AsyncIterator[Piece]:
        """As they come, to the last answer's end. Raises Problem where the engine fails."""
        while self.open:
            event = await self.events.get()
            if isinstance(event, Problem):
                raise event
            self.open -= event.completion is not None
            yield event

    async def completions(self) -> list[Completion]:
        """The answers. Raises Problem."""
        made: dict[int, Completion] = {}
        async for piece in self.pieces():
            if piece.completion is not None:
                made[piece.answer] = piece.completion
        return [made[answer] for answer in range(self.sampling.n)]


Deliver = Callable[[list[tuple[Ticket, Piece | Problem]]], None]
"""Hands events to those who wait for them, from any thread."""


class Batcher:
    """Takes questions from the event loop, asks the engine in threads, brings the answers back."""

    def __init__(self, engine: Engine, batch: int, note_batch: Callable[[int], None] = lambda size: None) -> None:
        self.engine = engine
        if hasattr(without_tools(engine), "session"):
            from onethinker.serve.continuous import ContinuousAsking

            self.asking: Any = ContinuousAsking(engine, batch, self._deliver, note_batch)
        elif hasattr(engine, "concurrency"):
            self.asking = _AskingAtOnce(engine, self._deliver, note_batch)
        else:
            self.asking = _AskingBetweenBatches(engine, batch, self._deliver, note_batch)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def way(self) -> str:
        """continuous, at once or between batches."""
        return self.asking.way

    @property
    def waiting(self) -> int:
        """Questions that are not with the engine yet."""
        return self.asking.waiting

    @property
    def failure(self) -> str:
        """Why the engine can answer nothing more, empty while it can."""
        return self.asking.failure

    def ask(self, ticket: Ticket) -> Ticket:
        """Hand a question over; to be called in the event loop. Raises Problem where the engine is lost."""
        if self.failure:
            raise Problem(503, f"the engine is lost: {self.failure}")
        self._loop = asyncio.get_running_loop()
        self.asking.put(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Nobody waits for it any more: it is not begun, or ends where the engine can end it."""
        ticket.left = True

    def close(self) -> None:
        self.asking.close()

    def _deliver(self, events: list[tuple[Ticket, Piece | Problem]]) -> None:
        """One call a step for all of them: waking the loop costs more than handing over."""
        if events and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_hand_over, events)


def _hand_over(events: list[tuple[Ticket, Piece | Problem]]) -> None:
    for ticket, event in events:
        if not ticket.left:
            ticket.events.put_nowait(event)


def finished(ticket: Ticket, completions: Iterable[Completion]) -> list[tuple[Ticket, Piece | Problem]]:
    """The last pieces of a question that was answered as a whole; its stop texts cut here."""
    events = list[tuple[Ticket, Piece | Problem]]()
    for answer, completion in enumerate(completions):
        if completion.finish == "error":
            return [(ticket, Problem(422, completion.error or "the engine could not answer"))]
        events.append((ticket, whole_piece(ticket, answer, completion)))
    return events


def whole_piece(ticket: Ticket, answer: int, completion: Completion) -> Piece:
    """An answer of which nothing was told yet, up to its stop texts."""
    cut = cut_at(completion, ticket.stop)
    return Piece(answer, cut.text, cut.token_ids, cut.logps, completion=cut)


def cut_at(completion: Completion, stop: tuple[str, ...]) -> Completion:
    """The completion up to the first of the stop texts."""
    from dataclasses import replace

    places = [place for text in stop if (place := completion.text.find(text)) >= 0]
    return replace(completion, text=completion.text[: min(places)], finish="stop") if places else completion


def engine_problem(error: Exception) -> Problem:
    """What a client is told when the engine raises."""
    if isinstance(error, EngineError):
        return Problem(502, f"the engine could not be asked: {error}")
    return Problem(500, f"the engine failed ({type(error).__name__}); the server's log says more")


def _asked(engine: Engine, ticket: Ticket) -> Engine:
    return without_tools(engine) if ticket.plain else engine


class _AskingAtOnce:
    """Each question by itself, in one of `engine.concurrency` threads."""

    way = "at once"
    failure = ""

    def __init__(self, engine: Any, deliver: Deliver, note_batch: Callable[[int], None]) -> None:
        self.engine, self.deliver, self.note_batch = engine, deliver, note_batch
        self.pool = ThreadPoolExecutor(engine.concurrency, thread_name_prefix="ask")
        self.waiting = 0

    def put(self, ticket: Ticket) -> None:
        self.waiting += 1
        self.pool.submit(self._answer, ticket)

    def _answer(self, ticket: Ticket) -> None:
        self.waiting -= 1
        if ticket.left:
            return
        self.note_batch(1)
        try:
            ((_, completions),) = _asked(self.engine, ticket).answer([ticket.request], ticket.sampling)
            self.deliver(finished(ticket, completions))
        except Exception as error:
            self.deliver([(ticket, engine_problem(error))])

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)


class _AskingBetweenBatches:
    """One thread; all that wait and are to be asked alike are the next batch."""

    way = "between batches"
    failure = ""

    def __init__(self, engine: Engine, batch: int, deliver: Deliver, note_batch: Callable[[int], None]) -> None:
        self.engine, self.batch, self.deliver, self.note_batch = engine, batch, deliver, note_batch
        self.tickets: deque[Ticket] = deque()
        self.wake: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.thread.start()

    @property
    def waiting(self) -> int:
        return len(self.tickets)

    def put(self, ticket: Ticket) -> None:
        self.tickets.append(ticket)
        self.wake.put(True)

    def _run(self) -> None:
        while self.wake.get():
            while batch := self._take():
                self.note_batch(len(batch))
                self._answer(batch)

    def _take(self) -> list[Ticket]:
        taken, rest = list[Ticket](), list[Ticket]()
        while self.tickets and len(taken) < self.batch:
            ticket = self.tickets.popleft()
            if not ticket.left:
                alike = not taken or (ticket.sampling, ticket.plain) == (taken[0].sampling, taken[0].plain)
                (taken if alike else rest).append(ticket)
        self.tickets.extendleft(reversed(rest))
        return taken

    def _answer(self, batch: list[Ticket]) -> None:
        missing = dict(enumerate(batch))
        try:
            engine = _asked(self.engine, batch[0])
            for index, completions in engine.answer([t.request for t in batch], batch[0].sampling):
                self.deliver(finished(missing.pop(index), completions))
        except Exception as error:
            problem = engine_problem(error)
            self.deliver([(ticket, problem) for ticket in missing.values()])

    def close(self) -> None:
        self.wake.put(False)
