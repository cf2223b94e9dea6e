"""Any OpenAI-compatible server as an engine: vLLM, SGLang, llama.cpp's server, or one far away.

A model is named `http://host:port/v1`, the server's first model, or `http://host:port/v1#name`. Options stand in the
address (`http://host:port/v1?clips=frames&concurrency=4#name`) or are keywords of `OpenAIEngine.load`. The key, if the
server wants one, is OPENAI_API_KEY.

How pictures and clips go stands in `engines.content`; `clips` is one of its ways. Unless given it is `sequence` for a
vLLM that takes it (0.32 or newer, started with `--trust-request-mm-kwargs`), where the answers are the local engine's
but for rounding, and else `video`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from PIL.Image import Image

from onethinker.engines.base import Capability, Completion, EngineError, Finish, OnText, Request, Sampling
from onethinker.engines.content import CLIPS, Part, chat_turns, response_parts
from onethinker.engines.spoken import Spoken
from onethinker.util.served import ServedModel, post_chat, served_model
from onethinker.util.server import Server, ServerError, key_from_environment

_TAKES_SEQUENCES = (0, 32)
"""The oldest vLLM on which clips as sequences were tried; others get what every server with video takes."""
_OPTIONS = ("clips", "concurrency", "timeout")
_FOR_ALL = {
    401: "set OPENAI_API_KEY to the server's key",
    404: "expected http://host:port/v1#model with a model that the server has",
}
"""Statuses that say of every request what they say of one, and what to do about each."""
FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length"}


class OpenAIEngine:
    """Answers by `POST …/chat/completions`. server: its base ends in `/v1`. model: the server's name for it.

    clips: one of CLIPS. concurrency: requests at one time. max_length: tokens of prompt and answer that the server
    holds, 0 if unknown; `post_chat` says what comes of it. A request that fails after the server's retries is an error
    completion with the server's words. A completion's seconds are its share of the exchange, retries included.
    """

    capabilities: frozenset[Capability] = frozenset()
    streams = True

    def __init__(
        self, server: Server, model: str, clips: str = "video", concurrency: int = 16, max_length: int = 0
    ) -> None:
        if clips not in CLIPS or concurrency < 1:
            raise EngineError(f"clips={clips}, concurrency={concurrency}: expected {' or '.join(CLIPS)}, 1 or more")
        self.server, self.model, self.clips, self.concurrency = server, model, clips, concurrency
        self.max_length = max_length
        way = "" if clips == "video" else f" clips={clips}"
        self.identity = f"openai:{model}@{urlsplit(server.base).netloc}{way}"

    @classmethod
    def load(cls, model: str, **options: Any) -> Self:
        """The engine of an address as in the module's words; options of other engines are of no use here.

        timeout: seconds for one attempt, 600 unless given. Raises EngineError if the server does not answer.
        """
        server, name, given = _read_address(model, options)
        try:
            concurrency = int(given.get("concurrency", 16))
        except ValueError as error:
            raise EngineError(f"{model}: timeout and concurrency are numbers ({error})") from error
        served, clips = _listed(server, name), given.get("clips", "")
        if not clips:
            clips = "sequence" if served.owner == "vllm" and _takes_sequences(server, served.name) else "video"
        return cls(server, served.name, clips, concurrency, served.max_length)

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, on_text: OnText | None = None
    ) -> Iterator[tuple[int, list[Completion]]]:
        """See `Engine.answer`. Media are read as their requests' turn comes, in the thread that asks. on_text is told
        in the threads that listen, of requests for one answer."""
        pool = ThreadPoolExecutor(self.concurrency)
        try:
            places = {
                pool.submit(self._one, request, sampling, on_text and partial(on_text, i)): i
                for i, request in enumerate(requests)
            }
            for done in as_completed(places):
                yield places[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, request: Request, sampling: Sampling, tell: Callable[[str], None] | None = None) -> list[Completion]:
        try:
            body = self._body(request, sampling)
        except (ValueError, OSError) as error:
            return [Completion("", "error", error=str(error))] * sampling.n
        made: list[Completion] = []
        while (left := sampling.n - len(made)) > 0:  # a server that ignores n is asked again
            began = time.perf_counter()
            body |= {"n": left, "seed": seed_of(turn_id(request), request.answer + len(made), sampling)}
            try:
                read = partial(self._read, request)
                if tell and sampling.n == 1:
                    got = self._listen(body, read, tell)
                else:
                    got = post_chat(self.server, body, read, self.max_length)[:left]
            except ServerError as error:
                self._check_going_on(error)
                got = [Completion("", "error", error=str(error))] * left
            seconds = (time.perf_counter() - began) / len(got)
            made += [replace(completion, seconds=seconds) for completion in got]
        return made

    def _listen(
        self, body: dict[str, Any], read: Callable[[Any], list[Completion]], tell: Callable[[str], None]
    ) -> list[Completion]:
        """The completion of a chat reply whose text is told as it comes."""
        spoken = Spoken(tell)
        post = partial(self.server.stream, hear=spoken.hear)
        asked = body | {"stream": True, "stream_options": {"include_usage": True}}

        def send(path: str, sent: Any, whole: Callable[[Any], list[Completion]]) -> list[Completion]:
            return post(path, sent, read=lambda events: whole(spoken.reply(events)))

        return post_chat(self.server, asked, read, self.max_length, send)

    def _check_going_on(self, error: ServerError) -> None:
        """Raises EngineError where the failure is not one request's own: a wrong key or address, a server gone."""
        if error.status in _FOR_ALL:
            raise EngineError(f"{error}; {_FOR_ALL[error.status]}") from error
        if error.status is None:
            try:
                replace(self.server, timeout=min(self.server.timeout, 30.0), attempts=2).get("/models", bool)
            except ServerError as silence:
                if silence.status is None:
                    raise EngineError(
                        f"the server does not answer any more: {error}; start it again, then run the same command"
                    ) from error

    def _body(self, request: Request, sampling: Sampling) -> dict[str, Any]:
        """The request but for `n` and `seed`. Raises MediaError (a ValueError), ValueError, OSError."""
        earlier, content, options = chat_turns(request, self.clips)
        body = self._chat(request, content, sampling)
        at = int(bool(request.system))
        body["messages"][at:at] = earlier
        return body | options

    def _chat(
        self, request: Request, content: list[Part], sampling: Sampling, prepared: Iterator[Image] | None = None
    ) -> dict[str, Any]:
        """prepared: the pictures of tools' responses, where they are not sent as they are."""
        messages: list[dict[str, Any]] = [{"role": "system", "content": request.system}] if request.system else []
        messages.append({"role": "user", "content": content})
        for turn in request.turns:
            response = response_parts(turn, prepared)
            messages += [{"role": "assistant", "content": turn.text}, {"role": "user", "content": response}]
        return {
            "model": self.model,
            "messages": messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        }

    def _read(self, request: Request, reply: Any) -> list[Completion]:
        """The completions of a reply, at least one. Raises what `Server` takes for a reply that cannot be used."""
        return read_completions(reply)


def look_at(address: str) -> ServedModel:
    """What the server at `http://host:port/v1` serves, under the name after `#` or as its first model.

    Raises EngineError for what is no address, and where a server that must name its model does not answer.
    """
    server, name, _ = _read_address(address, {})
    return _listed(server, name)


def _read_address(model: str, options: Mapping[str, Any]) -> tuple[Server, str, dict[str, Any]]:
    """The server of an address, the model's name in it (empty where it has none), and all options."""
    address = urlsplit(model)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise EngineError(f"{model}: the openai engine wants a server's address, such as http://host:8000/v1#name")
    given = {key: options[key] for key in _OPTIONS if key in options} | dict(parse_qsl(address.query))
    if unknown := given.keys() - set(_OPTIONS):
        raise EngineError(f"{model}: no option {min(unknown)!r}; expected some of {', '.join(_OPTIONS)}")
    try:
        timeout = float(given.get("timeout", 600))
    except ValueError as error:
        raise EngineError(f"{model}: timeout and concurrency are numbers ({error})") from error
    if not 0 < timeout < 1e6:
        raise EngineError(f"{model}: timeout={timeout}: expected seconds, more than 0, less than a million")
    base = f"{address.scheme}://{address.netloc}{address.path.rstrip('/') or '/v1'}"
    try:
        return Server(base, key_from_environment(), timeout=timeout), address.fragment, given
    except ServerError as error:
        raise EngineError(str(error)) from error


def _listed(server: Server, name: str) -> ServedModel:
    try:
        return served_model(server, name)
    except ServerError as error:
        advice = _FOR_ALL.get(error.status or 0, "is the server up, and is this its address?")
        raise EngineError(f"the server's models cannot be listed: {error}; {advice}") from error


def turn_id(request: Request) -> str:
    """The request's id, and after a tool's response which turn it is."""
    return f"{request.id}|turn {len(request.turns)}" if request.turns else request.id


def seed_of(request: str, answer: int, sampling: Sampling) -> int:
    """31 bits of the request's own, so that like questions are not drawn alike."""
    key = hashlib.sha256(f"{sampling.seed}|{request}|{answer}".encode()).digest()
    return int.from_bytes(key[:4], "big") >> 1


# ---- what comes back --------------------------------------------------------------------------------------------


def _takes_sequences(server: Server, model: str) -> bool:
    """Whether this vLLM is new enough, and trusts a request to say when a clip's frames are on screen."""
    root = replace(server, base=server.base.removesuffix("/v1"), attempts=1)
    told = {"media_io_kwargs": {"video": {"num_frames": -1}}, "max_tokens": 1}
    try:
        version = root.get("/version", lambda reply: tuple(map(int, str(reply["version"]).split(".")[:2])))
        if version < _TAKES_SEQUENCES:
            return False
        messages = [{"role": "user", "content": "?"}]
        return server.post("/chat/completions", {"model": model, "messages": messages, **told}, bool)
    except ServerError:  # behind a gateway, or not trusting: what every server with video takes will do
        return False


def read_completions(reply: Any) -> list[Completion]:
    """The completions of a chat reply, at least one. Raises KeyError, ValueError, … for what is not one."""
    choices = [_choice(choice) for choice in reply["choices"]]
    if not choices:
        raise ValueError("no choices")
    usage = reply.get("usage") or {}
    prompt, written = (_count(usage.get(key)) for key in ("prompt_tokens", "completion_tokens"))
    made = []
    for i, (text, reason) in enumerate(choices):
        finish = FINISHES.get(reason, "error")
        problem = f"the server ended the answer with {reason!a:.80}" if finish == "error" else ""
        share = (written + i) // len(choices)
        made.append(Completion(text, finish, prompt_tokens=prompt, tokens=share, error=problem))
    return made


def _choice(choice: Any) -> tuple[str, str]:
    """Text and finish reason. The thinking that some servers part from the text is put back between its tags."""
    message = choice["message"]
    text = message.get("content") or ""
    thinking = message.get("reasoning_content") or message.get("reasoning") or ""
    if not isinstance(text, str) or not isinstance(thinking, str):
        raise ValueError(f"expected text, found {message!r:.80}")
    if thinking:
        text = f"<think>{thinking}" + (f"</think>{text}" if text else "")
    return text, str(choice.get("finish_reason"))


def _count(value: Any) -> int:
    """A count of tokens; 0 from a server that does not count."""
    return value if isinstance(value, int) and value > 0 else 0
