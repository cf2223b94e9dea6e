"""OpenAI's paths: /v1/chat/completions and /v1/models, as the `openai` package asks them.

A chat goes to the model as it is, without the words that a task puts around a question and without the server's tools:
a call is the client's to answer. `temperature` is 1 unless given; at 0 the answer to the same words is `ask`'s. A
`seed` makes sampling repeatable.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.responses import JSONResponse, Response

from onethinker.engines.base import Completion, Sampling
from onethinker.engines.base import Request as EngineRequest
from onethinker.sample.marks import escape, unescape
from onethinker.serve.batching import Piece, Ticket
from onethinker.serve.openai_records import CHAT_EXAMPLE, ChatAsked, ChatMessage, ImagePart, TextPart, VideoPart
from onethinker.serve.problems import Problem
from onethinker.serve.service import Served, Service, usage
from onethinker.serve.uploads import Form, read_body, until_left, validated
from onethinker.tools.engine import without_tools
from onethinker.util.served import OURS

TASK = "chat"
"""The task under which metrics count a chat."""


@dataclass(frozen=True)
class _Chat:
    """One chat request under way."""

    served: Served
    asked: ChatAsked
    ticket: Ticket
    id: str
    created: int
    began: float

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.asked.model}


def openai_routes(service: Service, responses: dict[int | str, Any]) -> APIRouter:
    router = APIRouter(responses=responses, tags=["openai"])
    started = int(time.time())

    @router.get("/v1/models", operation_id="models")
    async def models() -> dict[str, Any]:
        """The models that answer here."""
        cards = [
            {
                "id": name, "object": "model", "created": started, "owned_by": OURS, "root": served.root,
                "max_output_tokens": max(service.limits.max_tokens, served.model.max_tokens),
            }
            for name, served in service.models.items()
        ]  # fmt: skip
        return {"object": "list", "data": cards}

    body = {"schema": _inlined(ChatAsked.model_json_schema()), "example": CHAT_EXAMPLE}

    @router.post(
        "/v1/chat/completions", operation_id="chat", responses={200: {"content": {"text/event-stream": {}}}},
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": body}}},
    )  # fmt: skip
    async def chat(request: Request) -> Response:
        """OpenAI's chat completions: pictures (`image_url`) and clips (`video_url`) as data URLs."""
        given = await read_body(request, service.limits)
        if isinstance(given, Form):
            raise Problem(415, "expected application/json, came a form")
        asked: ChatAsked = validated(ChatAsked, given, 400)
        del given
        _check(service, asked)
        if asked.stream:
            events = _events(service, asked)
            first = await anext(events)
            return StreamingResponse(_after(first, events), media_type="text/event-stream")
        return await until_left(request, _answer(service, asked))

    return router


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what it refers to put in place: an OpenAPI has its definitions elsewhere."""
    definitions = schema.pop("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return put(definitions[node["$ref"].rpartition("/")[2]])
            return {key: put(value) for key, value in node.items() if key != "discriminator"}
        return [put(item) for item in node] if isinstance(node, list) else node

    return put(schema)


def _check(service: Service, asked: ChatAsked) -> None:
    served = service.find(asked.model)
    if field := asked.refused():
        raise Problem(400, f"{field}: not served here; leave it out", param=field)
    if asked.top_logprobs and not asked.logprobs:
        raise Problem(400, "top_logprobs: wants logprobs to be true", param="top_logprobs")
    if asked.logprobs and "logps" not in served.model.engine.capabilities:
        raise Problem(400, "logprobs: the engine behind this server gives none; leave it out", param="logprobs")
    if (asked.n or 1) > service.limits.answers:
        raise Problem(400, f"n: at most {service.limits.answers} answers, came {asked.n}", param="n")


@asynccontextmanager
async def _prepared(service: Service, asked: ChatAsked) -> AsyncIterator[_Chat]:
    """The chat with its media decoded; their folder goes with it. Raises Problem."""
    served, wanted = service.find(asked.model), asked.max_completion_tokens or asked.max_tokens
    if wanted:
        service.check_tokens(served, wanted)
    said = _read_messages(asked.messages)
    if sum(map(len, (said.system, said.text, *(text for _, text in said.history)))) > service.limits.question:
        raise Problem(400, f"messages: at most {service.limits.question:,} characters are taken", param="messages")
    kept = service.store.begin()
    try:
        budget = served.model.budget
        found = await service.intake.take(kept, list(said.media), budget, said.kinds)
        files = tuple(Path(about["path"]) for about in found)
        sampling = Sampling(
            n=asked.n or 1, temperature=1.0 if asked.temperature is None else asked.temperature,
            top_p=asked.top_p or 1.0, max_tokens=wanted or served.model.max_tokens,
            seed=secrets.randbits(31) if asked.seed is None else asked.seed,
        )  # fmt: skip
        request = EngineRequest("ask", said.text, files, budget, said.system, said.history)
        ticket = Ticket(
            request, sampling, stop=asked.stops, top=asked.top_logprobs or 0, each=bool(asked.logprobs), plain=True
        )
        yield _Chat(served, asked, ticket, f"chatcmpl-{secrets.token_hex(12)}", int(time.time()), time.perf_counter())
    finally:
        kept.remove()


@dataclass(frozen=True)
class _Said:
    """Messages as the engine takes them. media: addresses in the order of their marks; kinds: image or video each."""

    system: str
    history: tuple[tuple[str, str], ...]
    text: str
    media: list[str]
    kinds: list[str]


def _read_messages(messages: list[ChatMessage]) -> _Said:
    """Raises Problem."""
    system, said = list[str](), list[tuple[str, str]]()
    media, kinds = list[str](), list[str]()
    for message in messages:
        if message.role in ("system", "developer") and said:
            raise Problem(400, f"messages: expected the {message.role}'s first", param="messages")
        text = "".join(_piece(part, message.role, media, kinds) for part in _parts(message))
        if message.role in ("system", "developer"):
            system.append(unescape(text))
        else:
            said.append((message.role, text))
    if not said or said[-1][0] != "user" or not said[-1][1].strip():
        raise Problem(400, "messages: expected the user's last, with words or pictures in it", param="messages")
    return _Said("\n".join(system), tuple(said[:-1]), said[-1][1], media, kinds)


def _parts(message: ChatMessage) -> list[Any]:
    if isinstance(message.content, str):
        return [TextPart(type="text", text=message.content)]
    return message.content or []


def _piece(part: TextPart | ImagePart | VideoPart, role: str, media: list[str], kinds: list[str]) -> str:
    """The part's words, or the mark of its medium, which goes to the others."""
    if isinstance(part, TextPart):
        return escape(part.text)
    if role != "user":
        raise Problem(400, f"messages: pictures and clips are the user's, found the {role}'s", param="messages")
    kind, url = ("image", part.image_url) if isinstance(part, ImagePart) else ("video", part.video_url)
    media.append(url if isinstance(url, str) else url.url)
    kinds.append(kind)
    return f"<{kind}>"


async def _answer(service: Service, asked: ChatAsked) -> Response:
    async with _prepared(service, asked) as chat:
        made: dict[int, Completion] = {}
        logprobs: dict[int, list[dict[str, Any]]] = {}
        async with service.asking(chat.served, chat.ticket):
            async for piece in chat.ticket.pieces():
                logprobs.setdefault(piece.answer, []).extend(_logprobs(chat, piece))
                if piece.completion is not None:
                    made[piece.answer] = piece.completion
    _note(service, chat, list(made.values()))
    choices = [
        {
            "index": index, "message": {"role": "assistant", "content": made[index].text, "refusal": None},
            "finish_reason": made[index].finish,
            "logprobs": {"content": logprobs[index], "refusal": None} if asked.logprobs else None,
        }
        for index in sorted(made)
    ]  # fmt: skip
    counted = usage(list(made.values())).model_dump()
    return JSONResponse(chat.head("chat.completion") | {"choices": choices, "usage": counted})


async def _events(service: Service, asked: ChatAsked) -> AsyncIterator[str]:
    """Server-sent events as OpenAI sends them: chunks, the usage where it is asked for, `[DONE]`."""
    async with _prepared(service, asked) as chat:
        head = chat.head("chat.completion.chunk")
        for index in range(chat.ticket.sampling.n):
            yield _chunk(head, index, {"role": "assistant", "content": ""})
        made: list[Completion] = []
        try:
            async for piece in service.pieces(chat.served, chat.ticket, TASK, chat.began):
                entries = _logprobs(chat, piece)
                if piece.text or entries:
                    told = {"logprobs": {"content": entries, "refusal": None}} if asked.logprobs else {}
                    yield _chunk(head, piece.answer, {"content": piece.text}, **told)
                if piece.completion is not None:
                    made.append(piece.completion)
                    yield _chunk(head, piece.answer, {}, finish_reason=piece.completion.finish)
        except Problem as problem:
            yield f"data: {problem.body(openai=True).decode()}\n\n"
            return
        _note(service, chat, made)
        if asked.stream_options and asked.stream_options.include_usage:
            yield _data(head | {"choices": [], "usage": usage(made).model_dump()})
        yield "data: [DONE]\n\n"


def _note(service: Service, chat: _Chat, completions: list[Completion]) -> None:
    service.note(TASK, completions, time.perf_counter() - chat.began, completions[0].finish)


def _chunk(head: dict[str, Any], index: int, delta: dict[str, Any], **more: Any) -> str:
    return _data(head | {"choices": [{"index": index, "delta": delta, "finish_reason": None, "logprobs": None} | more]})


def _data(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}\n\n"


async def _after(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for event in rest:
        yield event


def _logprobs(chat: _Chat, piece: Piece) -> list[dict[str, Any]]:
    """Of each of the piece's tokens: its text, log-probability and likeliest others."""
    if not chat.asked.logprobs:
        return []
    tokenizer = getattr(without_tools(chat.served.model.engine), "tokenizer", None)
    top = piece.top or ((),) * len(piece.token_ids)
    return [
        _token(tokenizer, token, logp) | {"top_logprobs": [_token(tokenizer, *other) for other in others]}
        for token, logp, others in zip(piece.token_ids, piece.logps, top, strict=True)
    ]


def _token(tokenizer: Any, token: int, logp: float) -> dict[str, Any]:
    text = tokenizer.decode([token]) if tokenizer is not None else str(token)
    return {"token": text, "logprob": max(logp, -9999.0), "bytes": list(text.encode())}
