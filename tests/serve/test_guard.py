"""Who may ask, how much, and what browsers are told."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from onethinker.serve.guard import Guard, is_loopback
from onethinker.serve.limits import Limits
from onethinker.serve.metrics import Metrics
from onethinker.serve.uploads import until_left
from tests.serve.conftest import detail


@pytest.fixture(scope="module")
def guarded(make_client):
    return make_client(token="s3cret", host="0.0.0.0")


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic s3cret", "Bearer s3cret2", "s3cret"])
def test_a_token_is_asked_for(guarded, given):
    headers = {"authorization": given} if given else {}
    for path in ("/v1/tasks", "/metrics", "/openapi.json", "/v1/results/x", "/nothing"):
        reply = guarded.get(path, headers=headers)
        assert "send Authorization: Bearer TOKEN" in detail(reply, 401)
        assert reply.headers["www-authenticate"].startswith("Bearer")
    reply = guarded.post("/v1/chat/completions", headers=headers, json={})
    assert reply.status_code == 401 and reply.json()["error"]["type"] == "authentication_error"


def test_the_right_token_and_open_paths(guarded):
    assert guarded.get("/v1/tasks", headers={"authorization": "bearer s3cret"}).status_code == 200
    assert guarded.get("/healthz").status_code == guarded.get("/readyz").status_code == 200
    asked = guarded.get("/v1/tasks", headers={"authorization": "Bearer s3cret", "host": "elsewhere.example"})
    assert asked.status_code == 200, "with a token it may be called by any name"


def test_without_a_token_only_this_machine_asks(client):
    assert "--token" in detail(client.get("/v1/tasks", headers={"host": "rebound.example"}), 421)
    for host in ("localhost:8000", "127.0.0.1", "[::1]:80"):
        assert client.get("/v1/tasks", headers={"host": host}).status_code == 200
    for origin in ("https://evil.example", "null"):
        assert "own page" in detail(client.get("/v1/tasks", headers={"origin": origin}), 403)
    assert client.get("/v1/tasks", headers={"origin": "http://127.0.0.1"}).status_code == 200


def test_loopback():
    assert [is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost")] == [True] * 5
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")] == [False] * 5


def test_browsers_are_told_to_be_careful(client):
    for reply in (client.get("/v1/tasks"), client.get("/nothing"), client.get("/healthz", headers={"host": "x"})):
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY" and "server" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"


def test_a_body_is_bounded_whatever_it_says_of_its_length(client):
    reply = client.post("/v1/ask", content=b"x" * (3 << 20 | 1), headers={"content-type": "application/json"})
    assert "at most 3,145,728" in detail(reply, 413)
    assert reply.headers["connection"] == "close"

    def pieces():
        for _ in range(8):
            yield b"x" * (1 << 19)

    detail(client.post("/v1/ask", content=pieces(), headers={"content-type": "application/json"}), 413)
    form = {"content-type": "multipart/form-data; boundary=b"}
    detail(client.post("/v1/ask", content=pieces(), headers=form), 413)


async def _call(guard: Guard, receive, **scope):
    sent = []

    async def send(message):
        sent.append(message)

    await guard({"type": "http", "method": "POST", "path": "/v1/ask", "headers": [(b"host", b"localhost")]} | scope,
                receive, send)  # fmt: skip
    return sent


def test_a_full_queue_says_when_to_come_back():
    async def run():
        free, entered = asyncio.Event(), asyncio.Event()

        async def app(scope, receive, send):
            entered.set()
            await free.wait()
            await send({"type": "http.response.start", "status": 200, "headers": []})

        guard = Guard(app, Limits(queue=1), Metrics(), retry_after=lambda: 7.0)
        first = asyncio.create_task(_call(guard, None))
        await entered.wait()
        refused, _ = await _call(guard, None)
        assert refused["status"] == 429 and (b"retry-after", b"7") in refused["headers"]
        free.set()
        assert (await first)[0]["status"] == 200
        assert (await _call(guard, None))[0]["status"] == 200 and guard.under_way == 0

    asyncio.run(run())


def test_a_body_that_never_ends_is_given_up():
    async def run():
        async def app(scope, receive, send):
            while (await receive()).get("more_body"):
                pass

        async def trickle():
            await asyncio.sleep(0.03)
            return {"type": "http.request", "body": b"x", "more_body": True}

        guard = Guard(app, Limits(upload_seconds=0.1), Metrics())
        refused, _ = await _call(guard, trickle)
        assert refused["status"] == 408 and guard.open_bytes == guard.under_way == 0

    asyncio.run(run())


def test_a_failure_of_ours_is_one_sentence():
    async def app(scope, receive, send):
        raise ZeroDivisionError

    refused, body = asyncio.run(_call(Guard(app, Limits(), Metrics()), None))
    assert refused["status"] == 500 and b"ZeroDivisionError" not in body["body"]


def test_work_for_a_client_that_leaves_is_given_up():
    async def run():
        ended = []

        async def work():
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

        async def leave():
            return {"type": "http.disconnect"}

        async def stay():
            await asyncio.sleep(30)

        async def answer():
            return "answer"

        reply = await until_left(Request({"type": "http"}, leave), work())
        assert reply.status_code == 499 and ended == ["cancelled"]
        assert await until_left(Request({"type": "http"}, stay), answer()) == "answer"

    asyncio.run(run())
