"""Our own paths: /v1/ask, a path a verb, /v1/tasks and /v1/results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, StreamingResponse
from starlette.responses import Response

from onethinker.serve.batching import Ticket
from onethinker.serve.problems import Problem
from onethinker.serve.records import EXAMPLES, Answered, Asked, TaskInfo, Tasks
from onethinker.serve.service import VERBS, Service
from onethinker.serve.uploads import Form, read_body, until_left, validated
from onethinker.tasks import TASKS

_TYPES = {".png": "image/png", ".mp4": "video/mp4"}


def ask_routes(service: Service, responses: dict[int | str, Any]) -> APIRouter:
    """The router of one service. responses: the problems that every path may answer."""
    router = APIRouter(responses=responses)

    def add_verb(verb: str) -> None:
        async def asked(request: Request) -> Response:
            return await _ask(service, request, verb)

        task = VERBS.get(verb, "")
        about = f"Ask for the task {task}." if task else "Ask one question about pictures or clips, or in words alone."
        router.add_api_route(
            f"/v1/{verb}", asked, methods=["POST"], response_model=Answered, operation_id=verb, description=about,
            summary=TASKS[task].title if task else "Ask", tags=["ask"], openapi_extra=_body(task),
            responses={200: {"content": {"text/event-stream": {}}}},
        )  # fmt: skip

    add_verb("ask")
    for verb, task in VERBS.items():
        if task in TASKS:
            add_verb(verb)

    @router.get("/v1/tasks", tags=["ask"], operation_id="tasks")
    async def tasks() -> Tasks:
        """The tasks, the form of their answers and the paths that ask them."""
        verbs = {task: f"/v1/{verb}" for verb, task in VERBS.items()} | {"video_segmentation": "/v1/segment"}
        return Tasks(
            tasks=[
                TaskInfo(
                    name=task.name, title=task.title, verb=verbs.get(task.name, ""), takes=list(task.modalities),
                    answer=task.example, metrics=list(task.metric_names()),
                )
                for task in TASKS.values()
            ]
        )  # fmt: skip

    _add_results(router, service)
    return router


def _add_results(router: APIRouter, service: Service) -> None:
    @router.get("/v1/results/{id}", tags=["results"], operation_id="result", response_model=Answered)
    async def result(id: str) -> Response:
        """A result again, until it expires."""
        kept = service.store.get(id)
        return Response(await asyncio.to_thread(kept.answer), media_type="application/json")

    @router.delete("/v1/results/{id}", tags=["results"], operation_id="forget", status_code=204)
    async def forget(id: str) -> None:
        """Remove a result and its media now."""
        service.store.forget(id)

    kinds: dict[str, Any] = {"content": {kind: {} for kind in _TYPES.values()}}

    @router.get(
        "/v1/results/{id}/drawing", tags=["results"], operation_id="drawing", response_class=FileResponse,
        responses={200: kinds},
    )  # fmt: skip
    async def drawing(id: str) -> FileResponse:
        """The answer drawn on its picture (PNG) or clip (MP4)."""
        return _file(await service.drawing(service.store.get(id)))

    @router.get(
        "/v1/results/{id}/media/{number}", tags=["results"], operation_id="medium", response_class=FileResponse,
        responses={200: kinds},
    )  # fmt: skip
    async def medium(id: str, number: int) -> FileResponse:
        """What was asked about, as PNG or MP4."""
        return _file(await service.medium(service.store.get(id), number))


def _file(path: Path) -> FileResponse:
    return FileResponse(path, media_type=_TYPES[path.suffix])


async def _ask(service: Service, request: Request, verb: str) -> Response:
    body = await read_body(request, service.limits)
    if isinstance(body, Form):
        asked: Asked = validated(Asked, body.fields)
        media: list[Any] = [*asked.media, *body.files]
    else:
        asked = validated(Asked, body)
        media = list(asked.media)
    del body  # the files are in `media`, once
    if verb != "ask" and asked.task:
        raise Problem(422, f"task: /v1/{verb} has its own; leave it out, or ask /v1/ask", param="task")
    if asked.stream:
        events = _events(service, asked, media, verb)
        first = await anext(events)  # what is wrong with the request is still told by the status
        return StreamingResponse(_after(first, events), media_type="text/event-stream")
    return await until_left(request, _answer(service, asked, media, verb))


async def _answer(service: Service, asked: Asked, media: list[Any], verb: str) -> Response:
    async with service.prepared(asked, media, verb) as (kept, prepared):
        (completion,) = await service.complete(prepared.served, Ticket(prepared.request, prepared.sampling))
        made = await service.answered(kept, prepared, completion)
    return Response(made.model_dump_json(), media_type="application/json")


async def _events(service: Service, asked: Asked, media: list[Any], verb: str) -> AsyncIterator[str]:
    """`start` once the media are read, `delta`s, then `result` or `problem`."""
    async with service.prepared(asked, media, verb) as (kept, prepared):
        yield _event("start", {"id": kept.id, "task": prepared.sample.task})
        try:
            ticket = Ticket(prepared.request, prepared.sampling)
            async for piece in service.pieces(prepared.served, ticket, prepared.sample.task, prepared.began):
                if piece.text:
                    yield _event("delta", {"text": piece.text})
                if piece.completion is not None:
                    made = await service.answered(kept, prepared, piece.completion)
                    yield _event("result", made.model_dump())
        except Problem as problem:
            yield _event("problem", json.loads(problem.body()))


async def _after(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for event in rest:
        yield event


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _body(task: str) -> dict[str, Any]:
    """The request's body for the OpenAPI: JSON, or a form with the files as they are."""
    schema = Asked.model_json_schema()
    if task:
        schema["properties"].pop("task")
    form = json.loads(json.dumps(schema))
    form["properties"]["media"] = {
        "type": "array", "items": {"type": "string", "format": "binary"}, "description": "The files themselves",
    }  # fmt: skip
    wanted = {name: example for name, example in EXAMPLES.items() if not task or example["value"].get("task") == task}
    plain = {
        name: example | {"value": {k: v for k, v in example["value"].items() if not task or k != "task"}}
        for name, example in wanted.items()
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": schema} | ({"examples": plain} if plain else {}),
                "multipart/form-data": {"schema": form},
            },
        }
    }
