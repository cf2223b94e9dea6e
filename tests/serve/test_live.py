"""Live sources over HTTP: begun by their number, followed as events, bounded, ended."""

from __future__ import annotations

import asyncio
import gc
import json
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from onethinker.engines.base import EngineError, Request, Sampling
from onethinker.inference.watch.sources import Source, SourceLost
from onethinker.inference.watch.watcher import When
from onethinker.media import MediaBudget
from onethinker.serve.limits import Limits
from onethinker.serve.live import Live, QueuedEngine
from onethinker.serve.problems import Problem
from onethinker.serve.service import Service
from tests.serve.conftest import detail, scripted_model

FRAME = np.full((48, 64, 3), 120, np.uint8)


def ends() -> Iterator[np.ndarray]:
    """Two frames, then none."""
    yield FRAME
    time.sleep(0.1)
    yield FRAME + 1


def goes_on() -> Iterator[np.ndarray | None]:
    while True:
        yield FRAME
        time.sleep(0.02)


class Breaks:
    """A source that is lost after its first frame, comes back and ends."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self) -> Iterator[np.ndarray]:
        self.opened += 1
        yield FRAME
        if self.opened == 1:
            raise SourceLost("the cable")
        time.sleep(0.1)


@pytest.fixture(scope="module")
def client(make_client: Callable[..., TestClient]) -> TestClient:
    sources = [
        Source("clip", ends, False), Source("camera", goes_on, True), Source("rtsp://host/x", Breaks(), True),
        Source("silent", lambda: iter(()), True),
    ]  # fmt: skip
    return make_client(sources=sources, limits={"watches": 2, "watch_questions": 2, "question": 100})


def _events(client: TestClient, path: str) -> list[tuple[str, dict[str, Any]]]:
    told = client.get(path).text.split("\n\n")
    pairs = [part.split("\n") for part in told if part.startswith("event: ")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def test_a_watch_to_its_end(client: TestClient) -> None:
    assert client.get("/v1/sources").json()[2] == {"source": 2, "name": "rtsp://host/x"}
    begun = client.post("/v1/watches", json={"questions": ["Where is the disc?", "nonsense"], "every": 0.1})
    assert begun.status_code == 201
    events = _events(client, begun.json()["events"])
    assert events[-1][0] == "ended" and [name for name, _ in events].count("answer") >= 2
    answers = [event for name, event in events if name == "answer"]
    assert answers[0]["result"]["boxes"] == [] or answers[0]["result"]["boxes"][0]["box"] == [100, 200, 500, 600]
    assert {event["question"] for event in answers} == {"Where is the disc?", "nonsense"}
    assert all(event["latency"] >= 0 for event in answers)
    told = {watch["id"]: watch["ended"] for watch in client.get("/v1/watches").json()}
    assert told[begun.json()["id"]] is True


def test_a_source_that_breaks(client: TestClient) -> None:
    begun = client.post("/v1/watches", json={"source": 2, "questions": ["it?"], "every": 0.1}).json()
    names = [name for name, _ in _events(client, begun["events"])]
    assert names.index("lost") < names.index("back") and names[-1] == "ended"


def test_bounds(client: TestClient) -> None:
    def asked(**more: Any) -> Any:
        return client.post("/v1/watches", json={"source": 1, "questions": ["it?"]} | more)

    assert "may be watched" in detail(asked(source=9), 404)
    assert detail(asked(questions=[]), 422) and detail(asked(questions=["  "]), 422)
    assert "at most 2" in detail(asked(questions=["a", "b", "c"]), 422)
    assert "characters" in detail(asked(questions=["a" * 101]), 413)
    assert "task" in detail(asked(task="gone"), 422) and "no model" in detail(asked(model="gone"), 404)
    assert detail(asked(source="rtsp://10.0.0.1/"), 422)  # an address is never taken
    assert detail(asked(window=1e9), 422) and detail(asked(every=0), 422)
    assert client.post("/v1/watches", content=b'{"every": NaN}').status_code in (400, 422)
    open_ = [asked().json() for _ in range(2)]
    full = asked()
    assert "watched already" in detail(full, 429) and full.headers["retry-after"]
    for watch in open_:
        assert client.delete(f"/v1/watches/{watch['id']}").status_code == 204
    for _ in range(50):
        reply = client.get(open_[0]["picture"])
        if reply.status_code == 200:
            break
        time.sleep(0.05)
    assert reply.content[:2] == b"\xff\xd8"
    assert _events(client, open_[0]["events"])[-1][1]["why"] == "ended by request"
    assert "begin it again" in detail(client.get("/v1/watches/gone/picture"), 404)


def test_ends_by_itself_where_nobody_follows() -> None:
    async def run() -> str:
        service = Service({"mini": scripted_model()}, Limits(watch_idle=0.2, listeners=1))
        live = Live(service, [Source("camera", goes_on, True)])
        keeping = asyncio.create_task(live.keep())
        watch = live.start(0, ["it?"], "auto", "", When(0.1), 0.0, 2.0)
        follower = live.follow(watch)
        await anext(follower)
        with pytest.raises(Problem, match="follow this watch already"):
            await anext(live.follow(watch))
        await asyncio.sleep(0.4)
        assert not watch.ended, "somebody follows"
        await follower.aclose()
        for _ in range(40):
            await asyncio.sleep(0.05)
            if watch.ended:
                break
        keeping.cancel()
        live.close()
        service.store.close()
        return json.loads(list(watch.events._past)[-1])["why"]

    assert asyncio.run(run()) == "nobody followed it"


class Unanswered:
    """A queue that never answers."""

    async def complete(self, served: Any, ticket: Any) -> list[Any]:
        await asyncio.Event().wait()
        return []


def test_a_watch_ends_with_its_server() -> None:
    """A question that is under way when the loop closes, and one that is asked after it."""
    loop = asyncio.new_event_loop()
    served = SimpleNamespace(model=SimpleNamespace(engine=SimpleNamespace(identity="e", capabilities=frozenset())))
    engine = QueuedEngine(Unanswered(), served, loop)  # type: ignore[arg-type]
    request = Request("r", "?", (), MediaBudget())
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(loop.run_forever)
        with ThreadPoolExecutor(1) as other:
            asked = other.submit(lambda: list(engine.answer([request], Sampling())))
            time.sleep(0.1)
            assert not asked.done()
            loop.call_soon_threadsafe(loop.stop)
            running.result(10)
            tasks = asyncio.all_tasks(loop)  # which `asyncio.run` cancels at its end
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()
            with pytest.raises(EngineError, match="the server has stopped"):
                asked.result(10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(EngineError, match="the server has stopped"):
            list(engine.answer([request], Sampling()))
        gc.collect()
