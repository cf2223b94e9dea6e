"""Addresses that requests name: listed hosts and public addresses only, each hop checked, what is checked is asked."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing

import pytest

from onethinker.serve.fetch import Fetcher, is_public
from onethinker.serve.limits import Limits
from onethinker.serve.problems import Problem
from tests.http_stub import HttpStub


class Host(HttpStub):
    """Answers by path; keeps the Host headers."""

    def __init__(self, replies):
        super().__init__()
        self.replies = replies

    def answer(self, path, body, key):
        return self.replies[path]


def fetch(url, *hosts, **limits):
    return asyncio.run(Fetcher(Limits(**limits), hosts).fetch(url, "media[0]"))


def refused(url, status, *hosts, **limits):
    with pytest.raises(Problem) as told:
        fetch(url, *hosts, **limits)
    assert told.value.status == status and told.value.detail.startswith("media[0]: "), told.value.detail
    return told.value.detail


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.1.2.3", False),
        ("192.168.0.1", False), ("172.16.5.4", False), ("169.254.169.254", False), ("100.64.0.1", False),
        ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
        ("fe80::1%eth0", False), ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("ff02::1", False),
    ],
)  # fmt: skip
def test_public_addresses(address, public):
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.png", "http://2130706433/", "http://0x7f.1/", "http://[::1]/", "http://localhost/",
        "http://169.254.169.254/latest/meta-data/", "ftp://listed.example/a", "file:///etc/passwd",
        "file://listed.example/etc/passwd", "gopher://listed.example/", "http://user:word@listed.example/",
        "http://listed.example:8080/", "http://listed.example.evil.example/", "https://evil.example/?listed.example",
        "http://listed.example@evil.example/", "http:///a.png", "http://evil.example#@listed.example/",
    ],
)  # fmt: skip
def test_what_is_not_listed_is_not_asked(url, monkeypatch):
    def never(*_, **__):
        raise AssertionError("asked")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    refused(url, 403, "listed.example")


def test_a_listed_name_of_a_private_network_is_not_asked(monkeypatch):
    for found in (["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["::ffff:169.254.169.254"]):
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, found=found, **__: [(2, 1, 6, "", (ip, 80)) for ip in found]
        )
        assert "private network" in refused("http://listed.example/", 403, "listed.example")


def test_the_checked_address_is_asked_by_the_name_and_each_hop_is_checked():
    with closing(Host({"/a": (200, b"content"), "/b": (200, b"x" * 2000)})) as host:
        name = f"127.0.0.1:{host.host.rpartition(':')[2]}"
        assert fetch(f"http://{name}/a", name) == b"content"
        assert "at most" not in refused(f"http://{name}/b", 413, name, media_bytes=1000)
        refused(f"http://{name}/a", 403, "127.0.0.1")  # another port than those of the scheme


async def _raw(replies):
    """A server that sends these bytes, whatever it is asked, and its port."""
    asked = []

    async def answer(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        for piece in replies[min(len(asked), len(replies)) - 1]:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], asked


def raw(*replies, path="/a", hosts=lambda port: (f"127.0.0.1:{port}",), **limits):
    async def run():
        server, port, asked = await _raw(replies)
        try:
            return await Fetcher(Limits(**limits), hosts(port)).fetch(
                f"http://127.0.0.1:{port}{path}", "media[0]"
            ), asked
        finally:
            server.close()

    return asyncio.run(run())


def redirect(to):
    return [b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + to + b"\r\n\r\n"]


OK = [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"]


def test_redirects():
    content, asked = raw(redirect(b"/b?c=1"), OK)
    assert content == b"hi" and asked[1].startswith(b"GET /b?c=1 ")
    for to in (b"http://169.254.169.254/", b"file:///etc/passwd", b"http://localhost:1/", b"//evil.example/"):
        with pytest.raises(Problem) as told:
            raw(redirect(to))
        assert told.value.status == 403
    with pytest.raises(Problem, match="more than 3 redirects"):
        raw(redirect(b"/a"))


def test_a_host_that_trickles_or_lies_about_its_length():
    with pytest.raises(Problem, match="did not send it in 0") as told:
        raw([b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 50], upload_seconds=0.2)
    assert told.value.status == 504
    with pytest.raises(Problem) as told:
        raw([b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nhi"])
    assert told.value.status == 502
    with pytest.raises(Problem, match="answered 404"):
        raw([b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"])
    with pytest.raises(Problem):
        raw([b"nonsense"])
