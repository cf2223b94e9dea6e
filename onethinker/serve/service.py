"""One model behind a server: what its paths share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from onethinker.engines.base import Completion, Request, Sampling
from onethinker.inference import Model, Result
from onethinker.sample import DataError, Sample
from onethinker.sample.answer import read_answer
from onethinker.serve.batching import Batcher, Piece, Ticket
from onethinker.serve.decoders import Decoders
from onethinker.serve.fetch import Fetcher
from onethinker.serve.limits import Limits
from onethinker.serve.metrics import Metrics
from onethinker.serve.problems import Problem
from onethinker.serve.records import Answered, Asked, Medium, Usage
from onethinker.serve.store import Kept, Store
from onethinker.serve.uploads import Intake
from onethinker.tasks import TASKS, TaskError, get_task
from onethinker.tasks.prompts import PromptError

VERBS = {
    "query": "open_ended",
    "caption": "caption",
    "ocr": "ocr",
    "detect": "detection",
    "point": "pointing",
    "ground": "spatial_grounding",
    "ground_time": "temporal_grounding",
    "ground_tube": "spatial_temporal_grounding",
    "track": "tracking",
    "segment": "image_segmentation",
}
"""Path → the task that it asks; `segment` asks for video_segmentation of a clip."""
UNASKED = {"caption": "Describe what you see.", "ocr": "What does the text say?"}
"""Questions of the verbs that need none."""


@dataclass(frozen=True)
class Prepared:
    """A question that is ready for the engine."""

    sample: Sample
    request: Request
    sampling: Sampling
    media: list[dict[str, Any]]
    began: float = field(default_factory=time.perf_counter)


class Service:
    """name: what the model is called over HTTP."""

    def __init__(
        self, model: Model, name: str, limits: Limits, media_root: Path | None = None, hosts: tuple[str, ...] = ()
    ) -> None:
        self.model, self.name, self.limits = model, name, limits
        self.metrics, self.store, self.decoders = Metrics(), Store(limits), Decoders(limits)
        self.fetcher = Fetcher(limits, hosts)
        self.intake = Intake(limits, self.decoders, self.fetcher, self.metrics, media_root)
        self.batcher = Batcher(model.engine, limits.batch, self.metrics.batches.observe)
        self.draining = False
        self.pace = 1.0
        """Seconds an answer takes, of late."""
        self.metrics.watch("queue", "Questions that wait for the engine", lambda: self.batcher.waiting)
        self.metrics.watch("results_bytes", "Bytes of the results kept", lambda: self.store.size)
        self.metrics.watch("decoders_lost", "Decoding processes lost to a file", lambda: self.decoders.replaced)

    async def start(self) -> None:
        await self.decoders.start()

    async def close(self) -> None:
        self.batcher.close()
        await self.decoders.close()
        self.store.close()

    # ---- a question on our own paths ----------------------------------------------------------------------------

    @asynccontextmanager
    async def prepared(
        self, asked: Asked, media: list[str | bytes | Path], verb: str = ""
    ) -> AsyncIterator[tuple[Kept, Prepared]]:
        """The question with its media checked and decoded; its folder goes unless it is kept. Raises Problem."""
        self._check(asked)
        kept = self.store.begin()
        try:
            found = await self.intake.take(kept, media, self.model.budget)
            yield kept, await asyncio.to_thread(self._question, asked, found, verb)
        finally:
            if not kept.answer:
                await asyncio.to_thread(kept.remove)

    def _check(self, asked: Asked) -> None:
        """What can be known to be wrong before anything is decoded. Raises Problem."""
        length = len(asked.question) + sum(map(len, asked.options))
        if length > self.limits.question:
            raise Problem(
                413, f"question: {length:,} characters with its options; at most {self.limits.question:,} are taken"
            )
        if asked.task:
            try:
                get_task(asked.task)
            except TaskError as error:
                raise Problem(422, f"task: {error.args[0]}", param="task") from None
        if asked.max_tokens is not None:
            self.check_tokens(asked.max_tokens)

    def check_tokens(self, wanted: int) -> None:
        most = max(self.limits.max_tokens, self.model.max_tokens)
        if wanted > most:
            raise Problem(422, f"max_tokens: {wanted:,}; at most {most:,} are written here", param="max_tokens")

    def _question(self, asked: Asked, media: list[dict[str, Any]], verb: str) -> Prepared:
        clips = [about["kind"] == "clip" for about in media]
        modality: Any = (
            "video" if clips and all(clips) else "video-image" if any(clips) else "image" if clips else "text"
        )
        task = asked.task or VERBS.get(verb, "") or ("multiple_choice" if asked.options else "open_ended")
        if verb == "segment" and any(clips):
            task = "video_segmentation"
        question = asked.question or UNASKED.get(verb, "")
        if not question:
            raise Problem(422, "question: expected what is asked, came nothing", param="question")
        files = tuple(Path(about["path"]) for about in media)
        sample = Sample(
            id="ask", task=task, modality=modality, question=question, truth="", options=tuple(asked.options),
            media=tuple(str(file) for file in files),
        )  # fmt: skip
        if modality not in TASKS[task].modalities:
            takes = ", ".join(TASKS[task].modalities)
            raise Problem(422, f"media: the task {task} takes {takes}, came {modality}", param="media")
        try:
            text = TASKS[task].prompt(sample, self.model.prompts)
        except (DataError, PromptError) as error:
            raise Problem(422, str(error)) from None
        sampling = Sampling(
            temperature=asked.temperature, top_p=asked.top_p, seed=asked.seed,
            max_tokens=asked.max_tokens or self.model.max_tokens,
        )  # fmt: skip
        request = Request("ask", text, files, self.model.budget, self.model.prompts.system)
        return Prepared(sample, request, sampling, media)

    def answered(self, kept: Kept, prepared: Prepared, completion: Completion) -> Answered:
        """The reply, and its result kept under its id."""
        sample = prepared.sample
        answer = read_answer(completion.text, completion.finish)
        result = Result(
            sample, prepared.request.media, completion.text, answer, get_task(sample.task).read(sample, answer)
        )
        about = [
            Medium(
                **{key: value for key, value in medium.items() if key not in ("path", "file")},
                url=f"/v1/results/{kept.id}/media/{number}",
            )
            for number, medium in enumerate(prepared.media)
        ]
        seconds = time.perf_counter() - prepared.began
        made = Answered(
            id=kept.id, model=self.name, task=sample.task, question=sample.question, finish=completion.finish,
            result=result.record(), media=about, usage=usage([completion]), seconds=round(seconds, 4),
            expires=self.limits.result_seconds, drawing=f"/v1/results/{kept.id}/drawing" if about else "",
        )  # fmt: skip
        self.note(sample.task, [completion], seconds, result.status.value)
        kept.media, kept.answer = prepared.media, made.model_dump() | {"response": completion.text}
        self.store.keep(kept)
        return made

    async def shown(self, kept: Kept, number: int, drawn: bool) -> Path:
        """A medium of a result as a browser shows it, plain or with the answer drawn on it; made once, by a decoder."""
        if number >= len(kept.media):
            raise Problem(404, f"this result has {len(kept.media)} media, counted from 0")
        about = kept.media[number]
        job = {
            "do": "draw" if drawn else "show", "file": about["file"], "kind": about["kind"],
            "out": str(kept.folder / f"{number}.{'drawn' if drawn else 'shown'}"),
            "task": kept.answer["task"], "question": kept.answer["question"], "response": kept.answer["response"],
        }  # fmt: skip
        name = "drawn" if drawn else "shown"
        if name not in about:
            about[name] = (await self.decoders.run(job, f"media[{number}]"))["path"]
        return Path(about[name])

    # ---- asking the engine --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def asking(self, ticket: Ticket) -> AsyncIterator[Ticket]:
        """The engine is asked within it; leaving early frees the question's place. Raises Problem."""
        self.batcher.ask(ticket)
        try:
            yield ticket
        finally:
            if ticket.open:
                self.metrics.left.inc()
            self.batcher.leave(ticket)

    async def complete(self, ticket: Ticket) -> list[Completion]:
        async with self.asking(ticket):
            return await ticket.completions()

    async def pieces(self, ticket: Ticket, task: str, began: float) -> AsyncIterator[Piece]:
        """What comes of a streamed question, piece by piece."""
        ticket = replace(ticket, stream=True)
        first = True
        async with self.asking(ticket):
            async for piece in ticket.pieces():
                if first:
                    self.metrics.first_token.labels(task).observe(time.perf_counter() - began)
                    first = False
                yield piece

    def note(self, task: str, completions: list[Completion], seconds: float, status: str) -> None:
        self.pace += 0.1 * (seconds - self.pace)
        self.metrics.latency.labels(task).observe(seconds)
        self.metrics.answers.labels(task, status).inc()
        counted = usage(completions)
        self.metrics.tokens.labels("prompt", task).inc(counted.prompt_tokens)
        self.metrics.tokens.labels("answer", task).inc(counted.completion_tokens)


def usage(completions: list[Completion]) -> Usage:
    """Tokens of answers to one prompt."""
    prompt, written = completions[0].prompt_tokens, sum(c.tokens for c in completions)
    return Usage(prompt_tokens=prompt, completion_tokens=written, total_tokens=prompt + written)
