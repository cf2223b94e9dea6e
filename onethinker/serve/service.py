"""One model behind a server: what its paths share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from onethinker.engines.base import Completion, Request, Sampling
from onethinker.inference import AUTO, Model, Question
from onethinker.inference.given import Given
from onethinker.inference.verbs import Verbs
from onethinker.media import MediaError
from onethinker.media.memory import MediaFolder
from onethinker.sample import DataError, Sample
from onethinker.serve.batching import Batcher, Piece, Ticket
from onethinker.serve.decoders import Decoders
from onethinker.serve.fetch import Fetcher
from onethinker.serve.limits import Limits
from onethinker.serve.metrics import Metrics
from onethinker.serve.problems import Problem
from onethinker.serve.records import Answered, Asked, Usage
from onethinker.serve.results import result_of, told_of
from onethinker.serve.store import Kept, Store
from onethinker.serve.uploads import Intake
from onethinker.tasks import TaskError, get_task
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
"""A path and a verb of `inference.Verbs` → the task that it asks; `segment` asks for video_segmentation of a clip."""


_NEED_NO_WORDS = ("caption", "ocr", "track")


class _Worded(Verbs):
    """The questions that the verbs make, unasked."""

    def answer(self, question: Question) -> Any:
        return question

    def answer_many(self, questions: Any) -> Any:
        return iter(questions)


def question_of(asked: Asked, verb: str) -> Question:
    """The question in the words that the library's verb gives it. Raises Problem."""
    words, ways = asked.question, _Worded()
    if not words and verb not in _NEED_NO_WORDS:
        raise Problem(422, "question: expected what is asked or looked for, came nothing", param="question")
    if verb == "ask":
        return Question(None, words, asked.task, asked.options, phrase=asked.label)
    if verb == "query":
        return Question(None, words, options=asked.options)
    if verb != "track":
        return getattr(ways, verb)((), words) if words else getattr(ways, verb)(())
    if asked.box is None:
        raise Problem(422, "box: expected x1, y1, x2, y2 of the first frame, 0 to 1000; came nothing", param="box")
    try:
        return ways.track((), asked.box, label=asked.label)  # type: ignore[return-value]
    except MediaError as error:
        raise Problem(422, str(error), param="box") from None


@dataclass(frozen=True)
class Served:
    """One of the models behind a server. name: what it is called over HTTP. root: where its weights are, by which a
    client finds its recipe; empty where another server has them."""

    name: str
    model: Model
    batcher: Batcher
    root: str = ""


@dataclass(frozen=True)
class Prepared:
    """A question that is ready for the engine of one model."""

    served: Served
    sample: Sample
    request: Request
    sampling: Sampling
    media: list[dict[str, Any]]
    began: float


class Service:
    """models: by the names that they are called over HTTP; who names none asks the first. roots: where the weights of
    each are."""

    def __init__(
        self,
        models: Mapping[str, Model],
        limits: Limits,
        media_root: Path | None = None,
        hosts: tuple[str, ...] = (),
        roots: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.limits = limits
        self.metrics, self.store, self.decoders = Metrics(), Store(limits), Decoders(limits)
        self.fetcher = Fetcher(limits, hosts)
        self.intake = Intake(limits, self.decoders, self.fetcher, self.metrics, media_root)
        self.models = {
            name: Served(
                name, model, Batcher(model.engine, limits.batch, self.metrics.batches.observe), roots.get(name, "")
            )
            for name, model in models.items()
        }
        self.first = next(iter(self.models.values()))
        self.draining = False
        self.pace = 1.0
        """Seconds an answer takes, of late."""
        self.metrics.watch("queue", "Questions that wait for the engine", lambda: self.waiting)
        self.metrics.watch("results_bytes", "Bytes of the results kept", lambda: self.store.size)
        self.metrics.watch("decoders_lost", "Decoding processes lost to a file", lambda: self.decoders.replaced)

    async def start(self) -> None:
        await self.decoders.start()

    async def close(self) -> None:
        for served in self.models.values():
            served.batcher.close()
        await self.decoders.close()
        self.store.close()

    def find(self, name: str) -> Served:
        """The model of that name, the first for none. Raises Problem."""
        if not name:
            return self.first
        if name not in self.models:
            here = ", ".join(map(repr, self.models))
            raise Problem(404, f"there is no model {name[:100]!r} here; ask {here}", param="model")
        return self.models[name]

    @property
    def waiting(self) -> int:
        """Questions that are not with an engine yet."""
        return sum(served.batcher.waiting for served in self.models.values())

    @property
    def failure(self) -> str:
        """Why an engine can answer nothing more, empty while all can."""
        return next((s.batcher.failure for s in self.models.values() if s.batcher.failure), "")

    # ---- a question on our own paths ----------------------------------------------------------------------------

    @asynccontextmanager
    async def prepared(
        self, asked: Asked, media: list[str | bytes | Path], verb: str = ""
    ) -> AsyncIterator[tuple[Kept, Prepared]]:
        """The question with its media checked and decoded; its folder goes unless it is kept. Raises Problem."""
        self.check(asked)
        served = self.find(asked.model)
        began, kept = time.perf_counter(), self.store.begin()
        try:
            found = await self.intake.take(kept, media, served.model.budget)
            yield kept, await asyncio.to_thread(self._question, served, asked, found, verb, began)
        finally:
            if not kept.answered:
                await asyncio.to_thread(kept.remove)

    def check(self, asked: Asked) -> None:
        """What can be known to be wrong before anything is decoded. Raises Problem."""
        length = len(asked.question) + sum(map(len, asked.options))
        if length > self.limits.question:
            raise Problem(
                413, f"question: {length:,} characters with its options; at most {self.limits.question:,} are taken"
            )
        if asked.task not in ("", AUTO):
            try:
                get_task(asked.task)
            except TaskError as error:
                raise Problem(422, f"task: {error.args[0]}", param="task") from None
        if asked.max_tokens is not None:
            self.check_tokens(self.find(asked.model), asked.max_tokens)

    def check_tokens(self, served: Served, wanted: int) -> None:
        most = max(self.limits.max_tokens, served.model.max_tokens)
        if wanted > most:
            raise Problem(422, f"max_tokens: {wanted:,}; at most {most:,} are written here", param="max_tokens")

    def _question(self, served: Served, asked: Asked, media: list[dict[str, Any]], verb: str, began: float) -> Prepared:
        model = served.model
        files = tuple(Path(about["path"]) for about in media)
        found = Given(files, ("",) * len(files), tuple(about["kind"] == "clip" for about in media), MediaFolder())
        try:
            sample = question_of(asked, verb).sample(found, "ask")
            if sample.modality not in get_task(sample.task).modalities:  # without media
                takes = ", ".join(get_task(sample.task).modalities)
                raise Problem(422, f"media: {sample.task} takes {takes}, came {sample.modality}", param="media")
            text = get_task(sample.task).prompt(sample, model.prompts)
        except (MediaError, DataError, PromptError) as error:
            raise Problem(422, str(error)) from None
        sampling = Sampling(
            temperature=asked.temperature, top_p=asked.top_p, seed=asked.seed,
            max_tokens=asked.max_tokens or model.max_tokens,
        )  # fmt: skip
        request = Request("ask", text, files, model.budget, model.prompts.system)
        return Prepared(served, sample, request, sampling, media, began)

    async def answered(self, kept: Kept, prepared: Prepared, completion: Completion) -> Answered:
        """The reply, and its result kept under its id. Raises Problem."""
        sample, media = prepared.sample, prepared.media
        told = told_of(sample, completion, prepared.served.model.engine.identity)
        turns, told["turns"] = told["turns"], []  # megabytes that no decoder needs
        if get_task(sample.task).masks and media:
            record = (await self.decoders.run({"do": "record", **_shown(told, media)}, "media"))["record"]
        else:
            record = result_of(told, prepared.request.media, media).record()
        record["turns"] = turns
        seconds = time.perf_counter() - prepared.began
        made = Answered(
            id=kept.id, model=prepared.served.name, finish=completion.finish, result=record, usage=usage([completion]),
            media=[f"/v1/results/{kept.id}/media/{number}" for number in range(len(media))],
            seconds=round(seconds, 4), expires=self.limits.result_seconds,
            drawing=f"/v1/results/{kept.id}/drawing" if media else "",
        )  # fmt: skip
        self.note(sample.task, [completion], seconds, record["status"])
        await asyncio.to_thread(kept.hold, media, told, made)
        self.store.keep(kept)
        return made

    async def drawing(self, kept: Kept) -> Path:
        """The answer drawn on its first medium, PNG or MP4; made once, by a decoder. Raises Problem."""
        if not kept.media:
            raise Problem(404, "nothing to draw on: the question came without media")
        job = {"do": "draw", "out": str(kept.folder / "drawn"), **_shown(kept.told, kept.media)}
        return await self._made(kept, "drawn", job)

    async def medium(self, kept: Kept, number: int) -> Path:
        """What was asked about, PNG or MP4; made once, by a decoder. Raises Problem."""
        if not 0 <= number < len(kept.media):
            raise Problem(404, f"this result has {len(kept.media)} media, counted from 0")
        about = kept.media[number]
        job = {"do": "show", "file": about["file"], "media": about, "out": str(kept.folder / f"{number}.shown")}
        return await self._made(kept, f"shown{number}", job)

    async def _made(self, kept: Kept, what: str, job: dict[str, Any]) -> Path:
        if what not in kept.made_files:
            kept.made_files[what] = file = Path((await self.decoders.run(job, "media"))["path"])
            kept.size += file.stat().st_size
        return kept.made_files[what]

    # ---- asking the engine --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def asking(self, served: Served, ticket: Ticket) -> AsyncIterator[Ticket]:
        """The engine is asked within it; leaving early frees the question's place. Raises Problem."""
        served.batcher.ask(ticket)
        try:
            yield ticket
        finally:
            if ticket.open:
                self.metrics.left.inc()
            served.batcher.leave(ticket)

    async def complete(self, served: Served, ticket: Ticket) -> list[Completion]:
        async with self.asking(served, ticket):
            return await ticket.completions()

    async def pieces(self, served: Served, ticket: Ticket, task: str, began: float) -> AsyncIterator[Piece]:
        """What comes of a streamed question, piece by piece."""
        ticket = replace(ticket, stream=True)
        first = True
        async with self.asking(served, ticket):
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


def _shown(told: dict[str, Any], media: list[dict[str, Any]]) -> dict[str, Any]:
    """Of a job about a result: it, and its uploads as they came."""
    return {"told": told, "media": media, "files": [about["file"] for about in media]}
