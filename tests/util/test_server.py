"""What a server may not do: fill the memory, take for ever, see a key that is not its own, or get one printed."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from onethinker.util.server import KEY, MAX_REPLY, Server, ServerError, key_from_environment
from tests.amount import many
from tests.http_stub import HttpStub, Reply

SECRET = "sk-secret-0123456789"


class Stub(HttpStub):
    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str | None] = []
        self.paths: list[str] = []
        self.reply: Callable[[str], Reply] = lambda path: (200, {"fine": True})

    def answer(self, path: str, body: Any, key: str | None) -> Reply:
        self.keys.append(key)
        self.paths.append(path)
        return self.reply(path)

    def server(self, **options: Any) -> Server:
        return Server(f"http://{self.host}/v1", **{"timeout": 5.0, "attempts": 2, "backoff": 0.01} | options)


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.close()


def as_it_is(reply: Any) -> Any:
    return reply


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """A server that goes on after `head` by one byte every 20 ms without end."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            while not over.is_set():
                try:
                    asker, _ = listening.accept()
                    with asker:
                        asker.recv(1 << 16)
                        asker.sendall(head)
                        while not over.wait(0.02):
                            asker.sendall(b" ")
                except OSError:
                    pass  # the asker has given up, or the test is over

        threading.Thread(target=drip, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        over.set()


def test_json_there_and_back(stub: Stub) -> None:
    assert stub.server().get("/a", as_it_is) == stub.server().post("/b", {"x": "\ud800"}, as_it_is) == {"fine": True}
    stub.reply = lambda path: (200, b"")
    stub.server().tell("/c", {})
    assert stub.paths == ["/v1/a", "/v1/b", "/v1/c"] and stub.keys == [None] * 3


def test_a_reply_without_end_is_refused(stub: Stub) -> None:
    stub.reply = lambda path: (200, b'"' + b"x" * MAX_REPLY + b'"')
    with pytest.raises(ServerError, match=r"more than 16 MB \(2 attempts\)"):
        stub.server().get("/", as_it_is)


def test_a_refusal_without_end_is_quoted_by_its_beginning(stub: Stub) -> None:
    stub.reply = lambda path: (400, b"no" * (MAX_REPLY // 2 + 10))
    with pytest.raises(ServerError, match="HTTP 400: 'nono") as caught:
        stub.server().get("/", as_it_is)
    assert len(str(caught.value)) < 500 and caught.value.status == 400


def test_nothing_is_unpacked(stub: Stub) -> None:
    packed = gzip.compress(b'"' + b"x" * 20_000_000 + b'"')
    stub.reply = lambda path: (200, packed, {"Content-Encoding": "gzip"})
    with pytest.raises(ServerError, match="a reply that cannot be used"):
        stub.server().get("/", as_it_is)
    stub.reply = lambda path: (400, packed, {"Content-Encoding": "gzip"})
    with pytest.raises(ServerError, match="HTTP 400"):
        stub.server().get("/", as_it_is)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 500 Oh\r\nContent-Length: 1000000\r\n\r\n",
        b'HTTP/1.1 200 OK\r\n\r\n{"seems": "whole"}',
        b"HTTP/1.1 200 OK\r\nX-Long:",
        b"HTTP/1.1",
    ],
    ids=["body", "refusal", "no length", "headers", "status"],
)
def test_a_reply_that_never_comes_to_its_end(head: bytes) -> None:
    with trickling(head) as address, pytest.raises(ServerError, match=r"timed out|HTTP 500"):
        Server(address, timeout=0.3, attempts=1).get("/", as_it_is)


def test_a_redirect_is_not_followed_so_the_key_goes_nowhere_else(stub: Stub) -> None:
    other = Stub()
    stub.reply = lambda path: (307, b"", {"Location": f"http://{other.host}/stolen"})
    with pytest.raises(ServerError, match="HTTP 307"):
        stub.server(key=SECRET).post("/", {}, as_it_is)
    assert stub.keys == [f"Bearer {SECRET}"] and other.keys == []
    other.close()


def test_a_key_is_never_shown(stub: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = stub.server(key=SECRET)
    server.get("/", as_it_is)
    stub.reply = lambda path: (401, b"who are you?")
    with pytest.raises(ServerError) as caught:
        server.get("/", as_it_is)
    assert SECRET not in repr(server) + repr(caught.value) + caplog.text and caplog.text


@pytest.mark.parametrize(("value", "key"), [(f" {SECRET}\n", SECRET), ("", ""), (None, "")])
def test_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch, value: str | None, key: str) -> None:
    monkeypatch.setenv(KEY, value) if value is not None else monkeypatch.delenv(KEY, raising=False)
    assert key_from_environment() == key


@pytest.mark.parametrize("key", [f"{SECRET}\nx", f"{SECRET}é"])
def test_a_key_that_no_header_can_hold(key: str) -> None:
    with pytest.raises(ServerError, match="set OPENAI_API_KEY") as caught:
        Server("http://host/v1", key)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("address", ["ftp://host/v1", "host:8000", "http://", ""])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ServerError, match="http://host:port/v1"):
        Server(address)


def test_an_address_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ServerError, match=r"the address of host:8000 holds a password") as caught:
        Server(f"http://user:{SECRET}@host:8000/v1")
    assert SECRET not in str(caught.value)


def test_many_at_once_over_one_client(stub: Stub) -> None:
    def slow(path: str) -> Reply:
        time.sleep(0.2)
        return 200, path

    stub.reply = slow
    server, got = stub.server(timeout=60.0), list[str]()
    threads = [
        threading.Thread(target=lambda i=i: got.append(server.get(f"/{i}", as_it_is))) for i in range(many(120, 40))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(f"/v1/{i}" for i in range(len(threads)))


def test_one_client_is_made_and_no_connection_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made, build = list[object](), httpx2.Client

    def slow(**options: Any) -> httpx2.Client:
        made.append(options)
        time.sleep(0.1)
        return build(**options)

    monkeypatch.setattr(httpx2, "Client", slow)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=20.0, attempts=1)
        threads = [threading.Thread(target=server.get, args=("/", as_it_is)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in threads:
            asker, _ = listening.accept()
            with asker:
                asker.settimeout(20.0)
                asker.recv(1 << 16)
                asker.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                assert asker.recv(1) == b"", "the asker hangs up, though the server would go on"
        for thread in threads:
            thread.join()
    assert len(made) == 1
