"""An application with a scripted engine, asked in this process; its decoders are real."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from typing import Any
from unittest.mock import AsyncMock, patch

import pytest
from starlette.testclient import TestClient

from onethinker.engines.base import Request
from onethinker.engines.scripted import ScriptedEngine
from onethinker.inference import Model
from onethinker.media import MediaBudget
from onethinker.serve.app import make_app
from onethinker.serve.decoders import Decoders
from onethinker.serve.limits import Limits
from onethinker.tasks.prompts import load_prompts

HERE = "http://127.0.0.1"
ANSWERS = {
    "the disc": '<think>I look.</think><answer>{"boxes": [100, 200, 500, 600]}</answer>',
    "it moves": '<think>So.</think><answer>{"time": [0.5, 1.0]}</answer>',
    "nonsense": "no tags at all",
}


def script(request: Request, index: int) -> str:
    """By a phrase in the question; else how many words and media there were."""
    said = next((answer for phrase, answer in ANSWERS.items() if phrase in request.text), "")
    if "refuse me" in request.text:
        raise ValueError("request ask: told to fail")
    return said or f"<think>{len(request.media)} media.</think><answer>fine {index}</answer>"


def scripted_model(answers: Any = script) -> Model:
    engine = ScriptedEngine(answers)
    return Model(engine, load_prompts("full"), MediaBudget(image_pixels=4096, fps=4.0, max_frames=8), max_tokens=50)


@pytest.fixture(scope="package")
def make_client() -> Iterator[Callable[..., TestClient]]:
    """`make_client(limits=…, token=…)`: a client of an application of its own; ends with the tests of this folder. Its
    decoder starts with the first upload (a second of work, which most need not), or at once if it is to be `ready`."""
    with ExitStack() as stack:

        def make(model: Model | None = None, name: str = "mini", ready: bool = False, **options: Any) -> TestClient:
            bounds = {"decoders": 1} | options.pop("limits", {})
            app = make_app(model or scripted_model(), name, limits=Limits(**bounds), **options)
            client = TestClient(app, base_url=HERE, raise_server_exceptions=False)
            with nullcontext() if ready else patch.object(Decoders, "start", AsyncMock()):
                stack.callback(leave, client.__enter__())
            return client

        yield make


def leave(client: TestClient) -> None:
    """End a client's application. A loop that is gone already is let pass, for no test's assertion hangs on it: it was
    seen once, at the end of the whole suite, and by whom it was ended is not known."""
    try:
        client.__exit__()
    except RuntimeError as error:
        if "already finished" not in str(error):
            raise


@pytest.fixture(scope="package")
def client(make_client: Callable[..., TestClient]) -> TestClient:
    """With small bounds."""
    return make_client(
        ready=True,
        limits={"pixels": 1_000_000, "media_bytes": 1 << 20, "request_bytes": 3 << 20, "frames": 200, "seconds": 60,
                "media": 3, "question": 2000, "max_tokens": 100},
    )  # fmt: skip


def detail(reply: Any, status: int) -> str:
    """The sentence of a problem."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert told["status"] == status and told["title"] and told["type"] == "about:blank"
    return told["detail"]
