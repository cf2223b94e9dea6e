"""An OpenAI-compatible server whose replies a test writes, and ways to ask it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from onethinker.engines.base import Request, Sampling
from onethinker.engines.openai import OpenAIEngine
from onethinker.media import MediaBudget
from onethinker.util.server import Server
from tests.http_stub import HttpStub, Reply


def said(*texts: str, finish: str = "stop", **message: Any) -> Reply:
    choices = [
        {"index": i, "message": {"role": "assistant", "content": t} | message, "finish_reason": finish}
        for i, t in enumerate(texts)
    ]
    return 200, {"choices": choices, "usage": {"prompt_tokens": 11, "completion_tokens": 7}}


class Stub(HttpStub):
    """asked: bodies of the chat requests."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.models: Reply = (200, {"data": [{"id": "first"}, {"id": "second"}]})
        self.version: Reply = (404, b"no such path")
        self.reply: Callable[[dict[str, Any]], Reply] = lambda body: said("fine")
        self.url = f"http://{self.host}/v1"

    def answer(self, path: str, body: Any, key: str | None) -> Reply:
        self.keys.append(key)
        if body is None:
            return {"/v1/models": self.models, "/version": self.version}.get(path, (404, b"no such path"))
        self.asked.append(body)
        return self.reply(body) if path == "/v1/chat/completions" else (404, b"no such path")

    def engine(self, clips: str = "video", concurrency: int = 16, **options: Any) -> OpenAIEngine:
        """An engine whose patience is a test's."""
        server = Server(self.url, **{"timeout": 2.0, "attempts": 3, "backoff": 0.01} | options)
        return OpenAIEngine(server, "m", clips, concurrency)


def requests(*ids: str) -> list[Request]:
    return [Request(i, f"what is {i}", (), MediaBudget()) for i in ids]


def answers(engine: OpenAIEngine, *ids: str, **sampling: Any) -> dict[str, list[Any]]:
    return {ids[i]: done for i, done in engine.answer(requests(*ids), Sampling(**sampling))}


def words(body: dict[str, Any]) -> str:
    return body["messages"][-1]["content"][0]["text"]


def content(stub: Stub) -> list[dict[str, Any]]:
    return stub.asked[-1]["messages"][-1]["content"]


def sent(part: dict[str, Any]) -> bytes:
    """The file within a part's data URL, whose type must fit the part's."""
    kind, start = {
        "image_url": ("image_url", "data:image/png;base64,"),
        "video_url": ("video_url", "data:video/mp4;base64,"),
    }[part["type"]]
    url = part[kind]["url"]
    assert url.startswith(start)
    return base64.b64decode(url.removeprefix(start), validate=True)
