"""Paths of live sources: which there are, to begin a watch of one, to follow it, to end it."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.responses import Response

from onethinker.inference import AUTO
from onethinker.inference.watch.watcher import When
from onethinker.serve.live import Live, Watch
from onethinker.serve.problems import Problem
from onethinker.serve.records import Asked
from onethinker.serve.service import Service
from onethinker.serve.uploads import validated

Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class WatchAsked(BaseModel):
    """What to watch and to ask."""

    model_config = ConfigDict(extra="forbid")

    source: int = Field(0, ge=0, le=10_000, description="A place in /v1/sources")
    questions: list[Question] = Field(min_length=1, max_length=100, description="Asked one after the other")
    task: str = Field(AUTO, max_length=100, description="One of /v1/tasks; by each question's words unless given")
    model: str = Field("", max_length=200, description="One of /v1/models; the first unless given")
    every: float = Field(2.0, ge=0.1, le=86_400, description="Seconds between two rounds of questions, at least")
    change: float = Field(0.0, ge=0, le=1, description="Ask only where the picture has changed by so much")
    window: float = Field(
        0.0, ge=0, le=60, description="Seconds that a question sees, as a clip; 0: the newest picture"
    )
    rate: float = Field(2.0, ge=0.1, le=10, description="Frames a second within the window")


class SourceInfo(BaseModel):
    """source: its place, by which it is named. name: for people, without a password."""

    source: int
    name: str


class WatchInfo(BaseModel):
    """events: server-sent `answer`, `lost`, `back`, `failed`, `ended`. picture: the newest frame as JPEG."""

    id: str
    source: int
    name: str
    questions: list[str]
    began: str
    ended: bool
    events: str
    picture: str


def live_routes(service: Service, live: Live, responses: dict) -> APIRouter:
    router = APIRouter(responses=responses, tags=["live"])

    @router.get("/v1/sources", operation_id="sources")
    async def sources() -> list[SourceInfo]:
        """The live sources that may be watched here."""
        return [SourceInfo(source=n, name=source.name) for n, source in enumerate(live.sources)]

    @router.get("/v1/watches", operation_id="watches")
    async def watches() -> list[WatchInfo]:
        """The watches that go on, and the last that have ended."""
        return [_told(watch) for watch in live.watches.values()]

    body = {"schema": WatchAsked.model_json_schema(), "example": {"source": 0, "questions": ["Is the door open?"]}}

    @router.post("/v1/watches", operation_id="watch", status_code=201,
                 openapi_extra={"requestBody": {"required": True, "content": {"application/json": body}}})  # fmt: skip
    async def watch(request: Request) -> WatchInfo:
        """Begin to ask about a source; follow it at `events`, or it ends by itself."""
        asked: WatchAsked = validated(WatchAsked, await request.body())
        if len(asked.questions) > service.limits.watch_questions:
            raise Problem(422, f"questions: {len(asked.questions)}; at most {service.limits.watch_questions} are asked")
        for question in asked.questions:
            service.check(Asked(question=question, task=asked.task))
        when = When(asked.every, asked.change)
        made = live.start(asked.source, asked.questions, asked.task, asked.model, when, asked.window, asked.rate)
        return _told(made)

    @router.get("/v1/watches/{id}/events", operation_id="follow", response_class=StreamingResponse,
                responses={200: {"content": {"text/event-stream": {}}}})  # fmt: skip
    async def events(id: str) -> StreamingResponse:
        """What was answered of late, then what is, until the watch ends."""
        coming = live.follow(live.find(id))
        first = await anext(coming)  # a refusal is still told by the status

        async def all_of_it():
            yield first
            async for event in coming:
                yield event

        return StreamingResponse(all_of_it(), media_type="text/event-stream")

    @router.get("/v1/watches/{id}/picture", operation_id="frame", response_class=Response,
                responses={200: {"content": {"image/jpeg": {}}}})  # fmt: skip
    async def picture(id: str) -> Response:
        """The newest frame."""
        return Response(await asyncio.to_thread(live.find(id).picture), media_type="image/jpeg")

    @router.delete("/v1/watches/{id}", operation_id="unwatch", status_code=204)
    async def end(id: str) -> None:
        """End a watch now."""
        live.find(id).end("ended by request")

    return router


def _told(watch: Watch) -> WatchInfo:
    here = f"/v1/watches/{watch.id}"
    return WatchInfo(
        id=watch.id, source=watch.number, name=watch.source.name, questions=list(watch.watcher.questions),
        began=watch.began, ended=watch.ended, events=f"{here}/events", picture=f"{here}/picture",
    )  # fmt: skip
