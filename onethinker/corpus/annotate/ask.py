"""Ask an endpoint many questions at once, within a budget that holds whatever is killed.

For each request, in this order: its media are encoded, its turn comes (`pace`), the most that it can cost is reserved
in the journal, it is sent, and its answer is written into the journal with what it cost. An answer that was written is
never asked for again. A refusal (4xx) gives the reservation back; a failure after sending counts as spent, since it may
have been billed, and is tried again under a new reservation. The first request of each kind (text, picture, clip) goes
alone, so that a server which counts more tokens than was reserved is noticed after one answer.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from onethinker.corpus.annotate.budget import Price, Usage, read_usage
from onethinker.corpus.annotate.endpoint import Endpoint, EndpointError, Refused, Reply, Unsure, missing_key
from onethinker.corpus.annotate.journal import Amount, Journal
from onethinker.corpus.annotate.pace import Pace, retry_after
from onethinker.corpus.annotate.questions import Asker, Question, facts, kind_of
from onethinker.engines.openai import read_completions
from onethinker.media import MediaError
from onethinker.sample import Sample

BUDGET = "budget"
"""Why a question was not asked, or not for all its answers: the next one did not fit into the budget."""
MOST_FAILURES = 8
"""Requests that fail one after the other, of any question, before the run ends: each counts as spent."""
_BACKOFF, _LONGEST_BACKOFF = 1.0, 60.0
_LATER = ("max_tokens", "max_completion_tokens")
"""What a limit is called, and what OpenAI's later models call it."""

T = TypeVar("T")
R = TypeVar("R")

Kept = Callable[[Sample, Sequence[Mapping[str, Any]]], bool]


@dataclass
class Asking:
    """The state of asking in one event loop. kept: whether one of the answers to a sample is kept, which ends asking
    for more where `stop_when_kept` is set. backoff: seconds before a second attempt, doubled with each.
    ended: why no further request is sent."""

    endpoint: Endpoint
    asker: Asker
    journal: Journal
    price: Price
    pace: Pace
    kept: Kept
    backoff: float = _BACKOFF
    failures: int = 0
    ended: EndpointError | None = None
    _known: set[str] = field(default_factory=set)
    _first: dict[str, asyncio.Lock] = field(default_factory=dict)
    _busy: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def answer(self, question: Question) -> str:
        """Ask until the question has its answers; why it has fewer, else empty. Raises EndpointError, RunError."""
        lock = self._busy.setdefault(question.key, asyncio.Lock())  # of equal questions one is asked
        async with lock:
            try:
                while count := self.missing(question):
                    have = len(self.journal.choices(question.key))
                    if problem := await self._request(question, count, have):
                        return problem
                return ""
            except EndpointError as error:
                self.ended = self.ended or error
                raise

    def missing(self, question: Question) -> int:
        """How many answers to ask for next; 0 where none is needed."""
        settings, have = self.asker.settings, self.journal.choices(question.key)
        if len(have) >= settings.candidates:
            return 0
        if settings.stop_when_kept:
            return 0 if have and self.kept(question.sample, have) else 1
        return settings.candidates - len(have)

    def seen(self, question: Question) -> bool:
        """Whether a question of its kind was answered, and billed as was reserved."""
        return kind_of(question) in self._known

    def most(self, question: Question, count: int) -> Usage:
        """What a request for so many answers can be billed for."""
        return Usage(question.tokens, self.asker.settings.max_tokens * count)

    async def _request(self, question: Question, count: int, first: int) -> str:
        """One request, attempted as often as the settings say; why there is no answer, else empty."""
        settings, attempt, waited, problem = self.asker.settings, 0, 0.0, ""
        try:
            body = await asyncio.to_thread(self.asker.body, question, count, first)
        except (MediaError, ValueError, OSError) as error:
            return f"cannot be sent: {error}"
        while attempt < settings.attempts:
            if attempt and problem:
                await asyncio.sleep(self._wait(attempt))
            async with self._alone_at_first(kind_of(question)):
                if self.ended:
                    raise self.ended
                try:
                    return BUDGET if await self._send(question, body, count) is None else ""
                except Unsure as error:
                    attempt, problem = attempt + 1, str(error)
                    self._count_failure(problem)
                except Refused as refusal:
                    if named := renamed(body, refusal):
                        body, self.asker = named, replace(self.asker, limit_name=_LATER[1])
                    elif refusal.status == 429:
                        waited += self._limited(refusal, waited)
                    elif refusal.status in (None, 408, 409, 425):
                        attempt, problem = attempt + 1, str(refusal)
                        self._check_going_on(refusal, attempt)
                    else:
                        self._check_going_on(refusal, attempt)
                        return f"refused by the server: {refusal}"
        return f"failed {settings.attempts} times: {problem}"

    async def _send(self, question: Question, body: Mapping[str, Any], count: int) -> Usage | None:
        """Reserve, send, settle; None where it does not fit into the budget. Raises Unsure, Refused, EndpointError."""
        most = self.most(question, count)
        await self.pace.turn(most.prompt + most.answer)
        number = await self._reserve(question.key, self.price.of(most.prompt, most.answer))
        if number is None:
            self.pace.give_back(most.prompt + most.answer)
            return None
        try:
            reply = await self.endpoint.chat(body)
            choices, usage = read_reply(reply, most)
        except Refused as refusal:
            self.journal.release(number, str(refusal))
            await self._notify()
            raise
        except Unsure as error:
            self.journal.lose(number, str(error))
            await self._notify()
            raise
        told = {"prompt": usage.prompt, "answer": usage.answer, "trusted": usage.trusted, **facts(question)}
        self.journal.settle(number, question.key, self.price.of(usage.prompt, usage.answer), choices, **told)
        self.failures = 0
        self.pace.give_back(most.prompt + most.answer - usage.prompt - usage.answer)
        self.pace.heed(reply.headers, usage.prompt + usage.answer)
        await self._notify()
        if problem := overrun(f"sample {question.sample.id}", usage, most):
            raise EndpointError(problem)
        self._known.add(kind_of(question))
        return usage

    async def _reserve(self, key: str, amount: Amount) -> int | None:
        """A reservation, when what is under way leaves room for it; None where nothing under way could."""
        async with self._changed:
            while not self.journal.fits(amount):
                if not self.journal.under_way:
                    return None
                await self._changed.wait()
            return self.journal.reserve(key, amount)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    @asynccontextmanager
    async def _alone_at_first(self, kind: str) -> AsyncIterator[None]:
        if kind not in self._known:
            async with self._first.setdefault(kind, asyncio.Lock()):
                if kind not in self._known:
                    yield
                    return
        yield

    # ---- what failed ----

    def _wait(self, attempt: int) -> float:
        return min(self.backoff * 2 ** (attempt - 1), _LONGEST_BACKOFF) * (0.5 + random.random() / 2)

    def _limited(self, refusal: Refused, waited: float) -> float:
        """Wait as a server that limits asks to, all requests together; the seconds. Raises EndpointError for too
        many."""
        wait = retry_after(refusal.headers) or max(self._wait(1), min(waited, _LONGEST_BACKOFF))
        patience = self.asker.settings.patience
        if "insufficient_quota" in str(refusal) or waited + wait > patience:
            raise EndpointError(
                f"the server takes no more for now ({refusal}); to wait {wait:.0f} s is beyond `patience` "
                f"({patience:.0f}): run the same command later, what came is kept"
            )
        self.pace.pause(wait)
        return wait

    def _count_failure(self, problem: str) -> None:
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            raise EndpointError(
                f"{self.failures} requests failed one after the other, the last: {problem}; each may have been billed "
                "and counts as spent, so the run ends here. When the server works again, run the same command"
            )

    def _check_going_on(self, refusal: Refused, attempt: int) -> None:
        """Raises EndpointError where a refusal says the same of every question."""
        if advice := missing_key(refusal.status):
            raise EndpointError(f"{self.endpoint.base}: {refusal}; {advice}")
        if refusal.status is None and attempt >= self.asker.settings.attempts:
            raise EndpointError(
                f"{self.endpoint.base} does not answer ({refusal}); start it, then run the same command"
            )


def renamed(body: Mapping[str, Any], refusal: Refused) -> dict[str, Any] | None:
    """The request with its limit under the later name, where a server refuses it for the earlier one, as OpenAI says:
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."."""
    old, new = _LATER
    words = str(refusal)
    if refusal.status != 400 or old not in body or new not in words or "support" not in words:
        return None
    return {key: value for key, value in body.items() if key != old} | {new: body[old]}


def read_reply(reply: Reply, most: Usage) -> tuple[list[dict[str, Any]], Usage]:
    """The answers of a reply, and what they were billed for. Raises Unsure for a reply without any."""
    try:
        found = read_completions(reply.body)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise Unsure(f"a reply that cannot be used: {type(error).__name__}: {error}"[:300]) from error
    choices = [{"text": c.text, "finish": c.finish} | ({"error": c.error} if c.error else {}) for c in found]
    return choices, read_usage(reply.body, sum(len(c.text.encode("utf-8", "replace")) for c in found), most)


def overrun(name: str, usage: Usage, most: Usage) -> str:
    """What to say where more was billed than was reserved, empty where it was not."""
    if usage.prompt <= most.prompt and usage.answer <= most.answer:
        return ""
    return (
        f"{name}: the server counts {usage.prompt:,} tokens of prompt and {usage.answer:,} of answer where at most "
        f"{most.prompt:,} and {most.answer:,} were reserved, so the budget would not hold; raise `tokens_per_picture` "
        "(pictures), or `max_tokens` (a model that thinks beyond it), and run again"
    )


Outcome = tuple[Question, str]
"""A question, and why it lacks answers; empty where it does not."""


async def ask_all(
    questions: Iterable[T],
    answer: Callable[[T], Awaitable[R]],
    concurrency: int,
    done: Callable[[tuple[T, R]], None],
    stop: Callable[[], int] = lambda: 0,
) -> None:
    """Answer all questions, `concurrency` at a time; `done` is told of each. Where one fails, or `stop()` says so, no
    further one is begun; those under way, which cost money, are ended first. Raises what failed first."""
    source, lock, failed = iter(questions), asyncio.Lock(), list[Exception]()

    async def work() -> None:
        while not failed and not stop():
            try:
                async with lock:  # reading samples and hashing their media is the disk's work
                    question = await asyncio.to_thread(next, source, None)
                if question is None:
                    return
                done((question, await answer(question)))
            except Exception as error:
                failed.append(error)

    workers = [asyncio.create_task(work()) for _ in range(concurrency)]
    try:
        await asyncio.gather(*workers)
    finally:  # of a second interruption, which waits for nothing
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    if failed:
        raise failed[0]
