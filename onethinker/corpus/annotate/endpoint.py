"""One OpenAI-compatible endpoint, by the `openai` package: what it said, and whether that may have been billed.

Replies are untrusted. The package reads a reply of any size and follows redirects, which could carry the key elsewhere;
so it is given a client that does neither, and every call ends after `timeout` seconds whatever trickles in.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from onethinker.util.server import KEY, MAX_REPLY, Server, ServerError, key_from_environment

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

T = TypeVar("T")

MAX_FILE = 1 << 30
"""Bytes of a batch's results."""
_QUOTED = 300
"""Characters of a server's words that are repeated."""


class EndpointError(RuntimeError):
    """The endpoint cannot be asked at all: a wrong key or address, the package missing; says what to do next."""


class Refused(Exception):
    """A request that was turned away unanswered (4xx, no connection): nothing was billed. headers: of the refusal."""

    def __init__(self, message: str, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers or {}


class Unsure(Exception):
    """A request that failed after it was sent: nobody here knows whether it was billed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """body: the parsed JSON. size: bytes of it."""

    body: Any
    headers: Mapping[str, str]
    size: int


@dataclass
class Endpoint:
    """base: `http(s)://host:port/v1`. timeout: seconds for a call, to the last byte of the reply.

    The key is OPENAI_API_KEY and is in no message. Use within one event loop, and `close` it there.
    """

    base: str
    timeout: float = 600.0
    _client: AsyncOpenAI = field(init=False, repr=False)
    _key: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            import httpx2
            import openai
        except ImportError as error:
            raise EndpointError(
                f"annotation needs the openai package ({error}): pip install 'onethinker[corpus]'"
            ) from error
        try:
            Server(self.base, key_from_environment())  # its checks of address and key
        except ServerError as error:
            raise EndpointError(str(error)) from error
        self._key = key_from_environment()
        self._client = openai.AsyncOpenAI(
            base_url=self.base,
            api_key=self._key or "none",
            max_retries=0,  # a retry is money: ours are reserved one by one
            timeout=httpx2.Timeout(self.timeout, connect=min(self.timeout, 30.0)),
            default_headers={"Accept-Encoding": "identity"} | _elsewhere(self.base),
            http_client=httpx2.AsyncClient(
                transport=_bounded(MAX_REPLY, tls=self.base.startswith("https")), follow_redirects=False, trust_env=True
            ),
        )

    async def close(self) -> None:
        await self._client.close()

    async def chat(self, body: Mapping[str, Any]) -> Reply:
        """The reply to a chat request, of which nothing is checked but that it is JSON. Raises Refused, Unsure."""
        known = {key: value for key, value in body.items() if key not in _EXTRA}
        extra = {key: value for key, value in body.items() if key in _EXTRA}
        raw = await self._call(
            self._client.chat.completions.with_raw_response.create(**known, extra_body=extra or None)
        )
        text = raw.http_response.content
        try:
            return Reply(json.loads(text), dict(raw.headers), len(text))
        except (ValueError, RecursionError) as error:
            raise Unsure(f"a reply that is not JSON: {text[:80]!r}") from error

    async def models(self) -> list[dict[str, Any]]:
        """What the endpoint lists. Raises Refused, Unsure."""
        return _dicts(await self.call("list", "models"))

    async def batches(self) -> list[dict[str, Any]]:
        """The provider's batches, the newest thousand. Raises Refused, Unsure."""
        found: list[dict[str, Any]] = []
        while len(found) < 1000:
            page = await self.call("list", "batches", limit=100, **({"after": found[-1]["id"]} if found else {}))
            found += _dicts(page)
            if not page.get("has_more") or not page.get("data"):
                break
        return found

    async def content(self, file: str) -> bytes:
        """What a file of the provider's holds. Raises Refused, Unsure."""
        raw = await self._call(self._client.files.with_raw_response.content(file))
        return bytes(raw.http_response.content)

    async def call(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        """The JSON object that another method of the package gives, such as `call("create", "batches", …)`. Raises
        Refused, Unsure."""
        raw = await self._call(getattr(getattr(self._client, path).with_raw_response, method)(**values))
        try:
            found = json.loads(raw.http_response.content)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Unsure(f"a reply that is no JSON object: {raw.http_response.content[:80]!r}")
        return found

    async def _call(self, asked: Awaitable[T]) -> T:
        import httpx2
        import openai

        try:
            async with asyncio.timeout(self.timeout):
                return await asked
        except openai.APIStatusError as error:
            status, words = error.status_code, self._clean(str(error.message))
            if 400 <= status < 500:
                raise Refused(f"HTTP {status}: {words}", status, dict(error.response.headers)) from None
            raise Unsure(f"HTTP {status}: {words}") from None
        except (TimeoutError, openai.APITimeoutError) as error:
            if isinstance(error.__cause__, httpx2.ConnectTimeout):
                raise Refused("no connection in time") from None
            raise Unsure(f"no answer in {self.timeout:g} s") from None
        except openai.APIConnectionError as error:
            if isinstance(error.__cause__, httpx2.ConnectError):
                raise Refused(f"no connection: {self._clean(str(error.__cause__))}") from None
            raise Unsure(f"the connection broke: {self._clean(repr(error.__cause__ or error))}") from None
        except (openai.OpenAIError, httpx2.HTTPError, ValueError) as error:
            raise Unsure(self._clean(f"{type(error).__name__}: {error}")) from None

    def _clean(self, words: str) -> str:
        """A server's words, short, and without the key, which some repeat in their complaints."""
        return (words.replace(self._key, "[key]") if self._key else words)[:_QUOTED]


def _dicts(page: Mapping[str, Any]) -> list[dict[str, Any]]:
    data = page.get("data")
    return [row for row in data if isinstance(row, dict) and "id" in row] if isinstance(data, list) else []


_EXTRA = frozenset({"media_io_kwargs"})
"""Fields of a request that the package does not know: vLLM's."""


def _elsewhere(base: str) -> dict[str, Any]:
    """Headers for any server but OpenAI's own, which alone is to know this machine's organisation there."""
    from openai import Omit

    host = urlsplit(base).hostname or ""
    if host == "openai.com" or host.endswith(".openai.com"):
        return {}
    return {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}


def _bounded(most: int, *, tls: bool) -> httpx2.AsyncBaseTransport:
    """A transport whose replies break off beyond `most` bytes; files that were asked for may be MAX_FILE long. tls:
    load the certificates of those who may vouch for a server, which takes a while."""
    import httpx2

    class Bounded(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            # A connection that a server closed while it was idle looks like an answer that was lost: none is kept.
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
            self.inner = httpx2.AsyncHTTPTransport(verify=tls, limits=limits)

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            reply = await self.inner.handle_async_request(request)
            reply.stream = Stream(reply.stream, MAX_FILE if request.url.path.endswith("/content") else most)
            return reply

        async def aclose(self) -> None:
            await self.inner.aclose()

    class Stream(httpx2.AsyncByteStream):
        def __init__(self, inner: Any, most: int) -> None:
            self.inner, self.most = inner, most

        async def __aiter__(self) -> AsyncIterator[bytes]:
            size = 0
            async for piece in self.inner:
                size += len(piece)
                if size > self.most:
                    raise httpx2.ReadError(f"a reply of more than {self.most >> 20} MB")
                yield piece

        async def aclose(self) -> None:
            await self.inner.aclose()

    return Bounded()


def missing_key(status: int | None) -> str:
    """What to do about a status that says the same of every request; empty for any other."""
    return {
        401: f"set {KEY} to the server's key",
        403: f"{KEY} is not allowed to ask this model",
        404: "expected http://host:port/v1#model with a model that the server has",
    }.get(status or 0, "")
