"""Continuous batching over an engine's session: one thread decodes, a few prepare prompts, questions join as they come.

A prefill holds up every answer under way, whatever it is of, so questions are gathered for a moment: those that are
ready join when they are a share of what is under way, or when the first of them has waited long enough.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from onethinker.engines.base import Asked, Completion, Session, Token
from onethinker.serve.batching import Deliver, Piece, Ticket, engine_problem
from onethinker.serve.problems import Problem
from onethinker.serve.writing import Writer

GATHER_SHARE, GATHER_SECONDS = 0.125, 0.05
"""Join when so many of the answers under way are ready, or after so long."""
_PREPARING = 2
_FAILURES = 3
"""In a row, after which the engine counts as lost."""


@dataclass(frozen=True)
class _Ready:
    ticket: Ticket
    asked: Asked
    since: float


class ContinuousAsking:
    """See `Batcher`. batch: answers under way at one time."""

    way = "continuous"

    def __init__(self, engine: Any, batch: int, deliver: Deliver, note_batch: Callable[[int], None]) -> None:
        self.engine, self.batch, self.deliver, self.note_batch = engine, batch, deliver, note_batch
        self.session: Session = engine.session()
        self.failure, self.failures = "", 0
        self.preparing = 0
        self.ready: deque[_Ready] = deque()
        self.writers: dict[tuple[Ticket, int], Writer] = {}
        self.under_way: dict[Ticket, int] = {}
        """Answers of each question that have not ended."""
        self.pool = ThreadPoolExecutor(_PREPARING, thread_name_prefix="prepare")
        self.wake, self.closed = threading.Condition(), False
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.thread.start()

    @property
    def waiting(self) -> int:
        return self.preparing + len(self.ready)

    def put(self, ticket: Ticket) -> None:
        self.preparing += 1
        self.pool.submit(self._prepare, ticket)

    def close(self) -> None:
        self.pool.shutdown(wait=False, cancel_futures=True)
        with self.wake:
            self.closed = True
            self.wake.notify()

    def _prepare(self, ticket: Ticket) -> None:
        """Encode a question in a thread of its own, then let it wait to join."""
        try:
            if ticket.left:
                return
            prompt = self.session.encode(ticket.request)
            room = getattr(self.session, "context", sys.maxsize) - len(prompt)
            if room < 1:
                raise ValueError(f"a prompt of {len(prompt):,} tokens; the model holds {room + len(prompt):,}")
            sampling = replace(ticket.sampling, max_tokens=min(ticket.sampling.max_tokens, room))
            ready = _Ready(ticket, Asked(ticket, ticket.request, prompt, sampling, ticket.top), time.monotonic())
            with self.wake:
                self.ready.append(ready)
                self.wake.notify()
        except ValueError as error:
            self.deliver([(ticket, Problem(422, str(error)))])
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.deliver([(ticket, engine_problem(error))])
        finally:
            self.preparing -= 1

    # ---- the engine's thread ------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self.wake:
                while not (self.ready or self.session.rows or self.closed):
                    self.wake.wait()
            if self.closed:
                return
            try:
                self._leave()
                self._join()
                if self.session.rows:
                    self.note_batch(self.session.rows)
                    self._tell(self.session.step())
                self.failures = 0
            except Exception as error:
                self._fail(error)

    def _leave(self) -> None:
        """Free the places of those who left."""
        gone = {ticket for ticket in self.under_way if ticket.left}
        if gone:
            self.session.leave({(ticket, answer) for ticket in gone for answer in range(ticket.sampling.n)})
            for ticket in gone:
                self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        del self.under_way[ticket]
        for answer in range(ticket.sampling.n):
            self.writers.pop((ticket, answer), None)

    def _join(self) -> None:
        asked = self._gathered()
        if not asked:
            return
        for one in asked:
            self.under_way[one.key] = one.sampling.n
            if one.key.stream or one.key.stop:
                for answer in range(one.sampling.n):
                    self.writers[one.key, answer] = Writer(self.engine.tokenizer, one.key.stop, len(one.prompt))
        self.session.join(asked)

    def _gathered(self) -> list[Asked]:
        """Those that join now."""
        with self.wake:
            if not self.ready:
                return []
            rows = self.session.rows
            few = len(self.ready) < max(1, GATHER_SHARE * rows)
            if rows and few and time.monotonic() - self.ready[0].since < GATHER_SECONDS:
                return []
            taken = list[Asked]()
            while self.ready:
                first = self.ready[0]
                if not first.ticket.left and rows and rows + first.asked.sampling.n > self.batch:
                    break
                self.ready.popleft()
                if not first.ticket.left:
                    rows += first.asked.sampling.n
                    taken.append(first.asked)
            return taken

    def _tell(self, tokens: list[Token]) -> None:
        """Hand on what a step gave, to whom it concerns."""
        events, stopped = list[tuple[Ticket, Piece | Problem]](), set[tuple[Any, int]]()
        for token in tokens:
            ticket: Ticket = token.key
            writer = self.writers.get((ticket, token.answer))
            completion = token.completion
            text = ""
            if writer is not None:
                text = writer.add(token.id, completion.text if completion else None)
                if writer.stopped:
                    completion = _cut(token, writer)
                    if token.completion is None:
                        stopped.add((ticket, token.answer))
            elif completion is not None:
                text = completion.text
            if completion is not None:
                self._ended(ticket)
            if completion is not None or ticket.stream or ticket.each:
                piece = Piece(token.answer, text, (token.id,), (token.logp,), (token.top,), completion)
                events.append((ticket, piece))
        if stopped:
            self.session.leave(stopped)
        self.deliver(events)

    def _ended(self, ticket: Ticket) -> None:
        self.under_way[ticket] -= 1
        if not self.under_way[ticket]:
            self._forget(ticket)

    def _fail(self, error: Exception) -> None:
        """Everyone under way is told; the next ones begin anew."""
        traceback.print_exception(error, file=sys.stderr)
        self.failures += 1
        if self.failures >= _FAILURES:
            self.failure = f"it failed {self.failures} times in a row ({type(error).__name__})"
        self.deliver([(ticket, engine_problem(error)) for ticket in self.under_way])
        self.under_way.clear()
        self.writers.clear()
        self.session = self.engine.session()


def _cut(token: Token, writer: Writer) -> Completion:
    """The answer up to its stop text."""
    if token.completion is not None:
        return replace(token.completion, text=writer.text, finish="stop")
    return Completion(
        writer.text, "stop", tuple(writer.ids), prompt_tokens=writer.prompt_tokens, tokens=len(writer.ids)
    )
