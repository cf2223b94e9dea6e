"""Ask by the batch form of the API: files of requests that a provider answers within a day, often at half the price.

The same journal holds: all requests of a batch are reserved and the batch is named in the journal before it is made at
the provider, with that name in its metadata. After a kill, whenever it came, the batch is found again by its id or its
name and its results are fetched; it is never made twice. Reference: OpenAI's guide to the Batch API (a line of the
input file is `{"custom_id", "method", "url", "body"}`, of the output file `{"custom_id", "response": {"status_code",
"body"}, "error"}`).
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from onethinker.corpus.annotate.ask import BUDGET, Asking, Outcome, ask_all, overrun, read_reply, renamed
from onethinker.corpus.annotate.budget import Usage
from onethinker.corpus.annotate.endpoint import EndpointError, Refused, Reply, Unsure
from onethinker.corpus.annotate.journal import Line, OpenBatch
from onethinker.corpus.annotate.questions import Question, facts, kind_of
from onethinker.media import MediaError

LINES, BYTES = 5000, 90 << 20
"""Requests of a batch, and bytes of its file, at most; OpenAI's own limits are 50,000 and 200 MB."""
AT_ONCE = 8
"""Batches at one time."""
POLL = 30.0
"""Seconds between two looks at a batch."""
SETTLES = 600.0
"""Seconds after which a batch that a killed run may have made would be in the provider's list."""
ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_NAME = "onethinker"
"""The key of a batch's metadata that holds our name for it."""


async def ask_in_batches(
    asking: Asking, questions: Iterable[Question], done: Callable[[Outcome], None], poll: float = POLL
) -> None:
    """As `ask_all`, by batches; those that a killed run left open are ended first. The first question of each kind goes
    as a plain request, so that a server which counts more than was reserved is noticed. Raises EndpointError, RunError.
    """
    batches = Batches(asking, poll)
    for batch in list(asking.journal.batches.values()):
        await batches.end(batch)
    source = iter(questions)

    def told(outcomes: tuple[list[Question], list[Outcome]]) -> None:
        for outcome in outcomes[1]:
            done(outcome)

    await ask_all(iter(lambda: list(islice(source, LINES)), []), batches.answer, AT_ONCE, told)


@dataclass
class Batches:
    """Asks lists of questions. poll: seconds between two looks. problems: key → why it cannot be asked."""

    asking: Asking
    poll: float
    problems: dict[str, str] = field(default_factory=dict)
    _busy: set[str] = field(default_factory=set)
    _asked: dict[int, Question] = field(default_factory=dict)
    _overrun: str = ""

    async def answer(self, questions: list[Question]) -> list[Outcome]:
        """Ask until each has its answers or cannot have them."""
        settings = self.asking.asker.settings
        mine = {q.key: q for q in questions if q.key not in self._busy}
        self._busy |= mine.keys()
        for question in {kind_of(q): q for q in mine.values() if not self.asking.seen(q)}.values():
            if problem := await self.asking.answer(question):
                self.problems[question.key] = problem
        for _ in range(settings.attempts + (settings.candidates if settings.stop_when_kept else 1)):
            todo = [q for q in mine.values() if q.key not in self.problems and self.asking.missing(q)]
            for lines, file in self._files(todo):
                try:
                    await self._make(lines, file)
                finally:
                    file.unlink(missing_ok=True)
        return [(q, self.problems.get(q.key) or (BUDGET if self.asking.missing(q) else "")) for q in questions]

    def _files(self, todo: list[Question]) -> Iterator[tuple[dict[int, Line], Path]]:
        """Files of requests with their reservations, as many as the budget has room for."""
        waiting = iter(todo)
        while True:
            lines: dict[int, Line] = {}
            path, size = self.asking.journal.file.with_name(f"batch-{uuid.uuid4().hex[:12]}.jsonl"), 0
            with path.open("wb") as file:
                for question in waiting:
                    if (found := self._line(question)) is not None:
                        number, lines[number], text = found
                        size += file.write(text)
                    if size > BYTES:
                        break
            if not lines:
                path.unlink()
                return
            yield lines, path

    def _line(self, question: Question) -> tuple[int, Line, bytes] | None:
        """Reserve one request and write it; None where it cannot be asked."""
        asking, count = self.asking, self.asking.missing(question)
        try:
            body = asking.asker.body(question, count, len(asking.journal.choices(question.key)))
        except (MediaError, ValueError, OSError) as error:
            self.problems[question.key] = f"cannot be sent: {error}"
            return None
        most = asking.most(question, count)
        amount = asking.price.of(most.prompt, most.answer, batch=True)
        if not asking.journal.fits(amount):
            return None
        number = asking.journal.reserve(question.key, amount)
        self._asked[number] = question
        request = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}
        return number, Line(question.key, most.prompt, most.answer), (json.dumps(request) + "\n").encode()

    async def _make(self, lines: dict[int, Line], file: Path) -> None:
        journal, endpoint = self.asking.journal, self.asking.endpoint
        batch = journal.open_batch(uuid.uuid4().hex, lines, time.time())
        try:
            sent = await endpoint.call("create", "files", file=file, purpose="batch")
        except (Refused, Unsure) as error:  # nothing is asked before the batch is made
            self._release(batch, str(error))
            raise EndpointError(f"{endpoint.base}: a batch's file is not taken: {error}") from None
        try:
            made = await endpoint.call(
                "create", "batches", input_file_id=str(sent.get("id")), endpoint="/v1/chat/completions",
                completion_window="24h", metadata={_NAME: batch.name},
            )  # fmt: skip
        except Refused as error:
            self._release(batch, str(error))
            raise EndpointError(f"{endpoint.base}: a batch is not taken: {error}") from None
        except Unsure as error:
            raise EndpointError(f"{endpoint.base}: {error}; run again: it looks whether the batch was made") from None
        journal.batch_made(batch.name, str(made.get("id")))
        await self.end(batch)

    async def end(self, batch: OpenBatch) -> None:
        """Wait for a batch and settle all of it."""
        if not batch.id and not await self._find(batch):
            self._release(batch, "it was never made")
            return
        journal, endpoint = self.asking.journal, self.asking.endpoint
        try:
            while (found := await endpoint.call("retrieve", "batches", batch_id=batch.id)).get("status") not in ENDED:
                await asyncio.sleep(self.poll)
            for name in filter(None, (found.get("output_file_id"), found.get("error_file_id"))):
                for line in (await endpoint.content(str(name))).splitlines():
                    self._settle(line, batch)
        except (Refused, Unsure) as error:
            raise EndpointError(f"batch {batch.id} cannot be looked at: {error}; run the same command again") from None
        for number in [n for n in batch.lines if n in journal.under_way]:
            if found["status"] == "failed":  # its file was refused: nothing of it was asked
                journal.release(number, "the batch failed")
            else:
                journal.lose(number, f"not in the results of a batch that is {found['status']}")
        journal.batch_ended(batch.name)
        if self._overrun:
            raise EndpointError(self._overrun)

    async def _find(self, batch: OpenBatch) -> bool:
        """Whether a batch of that name is in the provider's list, whose id it then has; waits until one that was made
        would be."""
        while True:
            try:
                listed = await self.asking.endpoint.batches()
            except (Refused, Unsure) as error:
                raise EndpointError(f"its batches cannot be listed: {error}; run the same command again") from None
            for made in listed:
                named = made.get("metadata")
                if isinstance(named, dict) and named.get(_NAME) == batch.name:
                    self.asking.journal.batch_made(batch.name, str(made["id"]))
                    return True
            if time.time() > batch.at + SETTLES:
                return False
            await asyncio.sleep(self.poll)

    def _release(self, batch: OpenBatch, why: str) -> None:
        for number in [n for n in batch.lines if n in self.asking.journal.under_way]:
            self.asking.journal.release(number, why)
        self.asking.journal.batch_ended(batch.name)

    def _settle(self, line: bytes, batch: OpenBatch) -> None:
        """Settle one line of the results; one that cannot be read leaves its reservation to the end."""
        journal = self.asking.journal
        try:
            row = json.loads(line)
            number, response = int(row["custom_id"]), row.get("response") or {}
            status, body = int(response.get("status_code") or 0), response.get("body")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return
        if number not in batch.lines or number not in journal.under_way:
            return
        asked, question = batch.lines[number], self._asked.get(number)
        if 400 <= status < 500:
            words = json.dumps(body)[:300]
            journal.release(number, f"HTTP {status}: {words}")
            if renamed({"max_tokens": 0}, Refused(words, status)):
                self.asking.asker = replace(self.asking.asker, limit_name="max_completion_tokens")
            elif question:
                self.problems[question.key] = f"refused by the server: HTTP {status}: {words}"
            return
        try:
            choices, usage = read_reply(Reply(body, {}, 0), Usage(asked.prompt, asked.answer))
        except Unsure as error:
            journal.lose(number, str(error))
            return
        self._overrun = self._overrun or overrun(f"line {number}", usage, Usage(asked.prompt, asked.answer))
        paid = self.asking.price.of(usage.prompt, usage.answer, batch=True)
        told = {"prompt": usage.prompt, "answer": usage.answer, "trusted": usage.trusted}
        journal.settle(number, asked.key, paid, choices, **told, **(facts(question) if question else {}))
