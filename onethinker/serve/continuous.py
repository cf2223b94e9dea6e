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
from typing import Any, cast

from onethinker.engines.base import Asked, Completion, Request, Session, Token
from onethinker.serve.batching import Deliver, Piece, Ticket, engine_problem, whole_piece
from onethinker.serve.problems import Problem
from onethinker.serve.writing import Writer
from onethinker.tools.engine import ToolEngine, joined, without_tools

GATHER_SHARE, GATHER_SECONDS = 0.125, 0.05
"""Join when so many of the answers under way are ready, or after so long."""
_PREPARING = 2
_FAILURES = 3
"""In a row, after which the engine counts as lost."""


@dataclass(eq=False)
class _Turn:
    """What is asked at once: the first turn of a question's answers, or the next one of a single answer. answer: the
    first of them. made: that answer so far, whose last turn called a tool."""

    ticket: Ticket
    request: Request
    answer: int = 0
    made: Completion | None = None


@dataclass(frozen=True)
class _Ready:
    turn: _Turn
    asked: Asked
    since: float


class ContinuousAsking:
    """See `Batcher`. batch: answers under way at one time; one whose tool is at work takes no place."""

    way = "continuous"

    def __init__(self, engine: Any, batch: int, deliver: Deliver, note_batch: Callable[[int], None]) -> None:
        self.tools = engine if isinstance(engine, ToolEngine) else None
        self.engine = cast(Any, without_tools(engine))
        self.batch, self.deliver, self.note_batch = batch, deliver, note_batch
        self.session: Session = self.engine.session()
        self.failure, self.failures = "", 0
        self.preparing = 0
        self.ready: deque[_Ready] = deque()
        self.writers: dict[tuple[Ticket, int], Writer] = {}
        self.under_way: dict[Ticket, int] = {}
        """Answers of each question that have not ended."""
        self.places: dict[tuple[Ticket, int], tuple[_Turn, int]] = {}
        """An answer of a question → as what the session knows it, while it is being written."""
        self.pool = ThreadPoolExecutor(_PREPARING, thread_name_prefix="prepare")
        self.wake, self.closed = threading.Condition(), False
        self.thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self.thread.start()

    @property
    def waiting(self) -> int:
        return self.preparing + len(self.ready)

    def put(self, ticket: Ticket) -> None:
        self._submit(_Turn(ticket, ticket.request))

    def close(self) -> None:
        with self.wake:
            self.closed = True
            self.wake.notify()
        self.pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, turn: _Turn) -> None:
        with self.wake:
            if not self.closed:
                self.preparing += 1
                self.pool.submit(self._prepare, turn)

    def _prepare(self, turn: _Turn) -> None:
        """Call the tool that a turn asked for, encode what is asked, in a thread of its own, then let it wait to join;
        answers that were begun go first."""
        ticket = turn.ticket
        try:
            if ticket.left:
                return
            if turn.made is not None:
                turn.request = self._responded(turn.request, turn.made)
            prompt = self.session.encode(turn.request)
            room = getattr(self.session, "context", sys.maxsize) - len(prompt)
            if room < 1:
                raise ValueError(f"a prompt of {len(prompt):,} tokens; the model holds {room + len(prompt):,}")
            count, most = 1 if turn.made else ticket.sampling.n, min(ticket.sampling.max_tokens, room)
            sampling = replace(ticket.sampling, n=count, max_tokens=most)
            ready = _Ready(turn, Asked(turn, turn.request, prompt, sampling, ticket.top), time.monotonic())
            with self.wake:
                (self.ready.appendleft if turn.made else self.ready.append)(ready)
                self.wake.notify()
        except ValueError as error:
            self.deliver([(ticket, Problem(422, str(error)))])
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.deliver([(ticket, engine_problem(error))])
        finally:
            with self.wake:
                self.preparing -= 1

    def _responded(self, request: Request, made: Completion) -> Request:
        """The request with the tool's response. Raises ValueError where the tool itself failed."""
        assert self.tools is not None
        said = self.tools.respond(request, made)
        if isinstance(said, str):
            raise ValueError(said)
        return said

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
            self.session.leave({place for (ticket, _), place in self.places.items() if ticket in gone})
            for ticket in gone:
                self._forget(ticket)

    def _forget(self, ticket: Ticket) -> None:
        del self.under_way[ticket]
        for answer in range(ticket.sampling.n):
            self.writers.pop((ticket, answer), None)
            self.places.pop((ticket, answer), None)

    def _join(self) -> None:
        asked = self._gathered()
        if not asked:
            return
        for one in asked:
            turn: _Turn = one.key
            ticket = turn.ticket
            if turn.made is None:
                self.under_way[ticket] = one.sampling.n
            for place in range(one.sampling.n):
                answer = turn.answer + place
                self.places[ticket, answer] = (turn, place)
                if (ticket.stream or ticket.stop) and not self._may_call(turn):
                    self.writers[ticket, answer] = Writer(self.engine.tokenizer, ticket.stop, len(one.prompt))
        self.session.join(asked)

    def _may_call(self, turn: _Turn) -> bool:
        """Whether it may end in a call to a tool of ours: it is told when it has ended, and only if it does not."""
        return self.tools is not None and not turn.ticket.plain and self.tools.may_call(turn.request)

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
                gone = first.turn.ticket.left or (first.turn.made and first.turn.ticket not in self.under_way)
                if not gone and rows and rows + first.asked.sampling.n > self.batch:
                    break
                self.ready.popleft()
                if not gone:
                    rows += first.asked.sampling.n
                    taken.append(first.asked)
            return taken

    def _tell(self, tokens: list[Token]) -> None:
        """Hand on what a step gave, to whom it concerns."""
        events, stopped = list[tuple[Ticket, Piece | Problem]](), set[tuple[Any, int]]()
        for token in tokens:
            turn: _Turn = token.key
            ticket, answer = turn.ticket, turn.answer + token.answer
            if self._may_call(turn):
                if token.completion is not None:
                    events += self._turned(turn, answer, _so_far(turn, token.completion))
                continue
            writer = self.writers.get((ticket, answer))
            completion = token.completion
            text = ""
            if writer is not None:
                text = writer.add(token.id, completion.text if completion else None)
                if writer.stopped:
                    completion = _cut(token, writer)
                    if token.completion is None:
                        stopped.add((turn, token.answer))
            elif completion is not None:
                text = completion.text
            if completion is not None:
                completion = _so_far(turn, completion)
                self._ended(ticket, answer)
            if completion is not None or ticket.stream or ticket.each:
                events.append((ticket, Piece(answer, text, (token.id,), (token.logp,), (token.top,), completion)))
        if stopped:
            self.session.leave(stopped)
        self.deliver(events)

    def _turned(self, turn: _Turn, answer: int, made: Completion) -> list[tuple[Ticket, Piece | Problem]]:
        """A turn that might have called a tool has ended: on with the tool, or the answer is told as a whole."""
        assert self.tools is not None
        if self.tools.goes_on(turn.request, made):
            del self.places[turn.ticket, answer]
            self._submit(_Turn(turn.ticket, replace(turn.request, answer=answer), answer, made))
            return []
        self._ended(turn.ticket, answer)
        return [(turn.ticket, whole_piece(turn.ticket, answer, made))]

    def _ended(self, ticket: Ticket, answer: int) -> None:
        del self.places[ticket, answer]
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
        self.places.clear()
        self.session = self.engine.session()


def _so_far(turn: _Turn, completion: Completion) -> Completion:
    """The answer with the turns before this one."""
    return completion if turn.made is None else joined(turn.made, completion, turn.request)


def _cut(token: Token, writer: Writer) -> Completion:
    """The answer up to its stop text."""
    if token.completion is not None:
        return replace(token.completion, text=writer.text, finish="stop")
    return Completion(
        writer.text, "stop", tuple(writer.ids), prompt_tokens=writer.prompt_tokens, tokens=len(writer.ids)
    )
