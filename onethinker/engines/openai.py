"""Any OpenAI-compatible server as an engine: vLLM, SGLang, llama.cpp's server, or one far away.

A model is named `http://host:port/v1`, the server's first model, or `http://host:port/v1#name`. Options stand in the
address (`http://host:port/v1?clips=frames&concurrency=4#name`) or are keywords of `OpenAIEngine.load`. The key, if the
server wants one, is OPENAI_API_KEY.

Images go as PNG, so that the server sees the pixels that the local engine sees. A clip goes in one of two ways:

- `clips=video` (vLLM, SGLang): a `video_url` part, an MP4 of the budget's frames only. Such servers take a frame's
  time to be its index over the file's rate, so the frames stand at one rate: those of `open_clip` where the budget's
  fps is met, else as many evenly from the first to the last of them. The server must keep them all: a recent vLLM does
  as the request says, an older one wants `--media-io-kwargs '{"video": {"num_frames": -1}}'` at its start.
- `clips=frames` (servers that take images only): the frames of `open_clip`, each an image after its `<1.5 seconds>`.
"""

from __future__ import annotations

import base64
import hashlib
import io
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from PIL import Image

from onethinker.engines.base import Capability, Completion, EngineError, Finish, Request, Sampling
from onethinker.http_json import Server, ServerError
from onethinker.media import MediaBudget, open_clip, open_image, probe, write_clip

CLIPS = ("video", "frames")
_OPTIONS = ("clips", "concurrency", "timeout")
_FOR_ALL = {
    401: "set OPENAI_API_KEY to the server's key",
    404: "expected http://host:port/v1#model with a model that the server has",
}
"""Statuses that say of every request what they say of one, and what to do about each."""
_FINISHES: dict[str, Finish] = {"stop": "stop", "length": "length"}
_KEEP_FRAMES = {
    "mm_processor_kwargs": {"do_sample_frames": False},
    "media_io_kwargs": {"video": {"num_frames": -1}},
}


class OpenAIEngine:
    """Answers by `POST …/chat/completions`. server: its base ends in `/v1`. model: the server's name for it.

    clips: one of CLIPS. concurrency: requests at one time. A request that fails after the server's retries is an error
    completion with the server's words. A completion's seconds are its share of the exchange, retries included.
    """

    capabilities: frozenset[Capability] = frozenset()

    def __init__(self, server: Server, model: str, clips: str = "video", concurrency: int = 16) -> None:
        if clips not in CLIPS or concurrency < 1:
            raise EngineError(f"clips={clips}, concurrency={concurrency}: expected {' or '.join(CLIPS)}, 1 or more")
        self.server, self.model, self.clips, self.concurrency = server, model, clips, concurrency
        way = "" if clips == "video" else f" clips={clips}"
        self.identity = f"openai:{model}@{urlsplit(server.base).netloc}{way}"

    @classmethod
    def load(cls, model: str, **options: Any) -> Self:
        """The engine of an address as in the module's words; options of other engines are of no use here.

        timeout: seconds for one attempt, 600 unless given. Raises EngineError if the server does not answer.
        """
        address = urlsplit(model)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise EngineError(f"{model}: the openai engine wants a server's address, such as http://host:8000/v1#name")
        given = {key: options[key] for key in _OPTIONS if key in options} | dict(parse_qsl(address.query))
        if unknown := given.keys() - set(_OPTIONS):
            raise EngineError(f"{model}: no option {min(unknown)!r}; expected some of {', '.join(_OPTIONS)}")
        try:
            timeout, concurrency = float(given.get("timeout", 600)), int(given.get("concurrency", 16))
        except ValueError as error:
            raise EngineError(f"{model}: timeout and concurrency are numbers ({error})") from error
        if not 0 < timeout < 1e6:
            raise EngineError(f"{model}: timeout={timeout}: expected seconds, more than 0, less than a million")
        base = f"{address.scheme}://{address.netloc}{address.path.rstrip('/') or '/v1'}"
        server = Server(base, os.environ.get("OPENAI_API_KEY", ""), timeout=timeout)
        return cls(server, address.fragment or _first_model(server), given.get("clips", "video"), concurrency)

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """See `Engine.answer`. Media are read as their requests' turn comes, in the thread that asks."""
        pool = ThreadPoolExecutor(self.concurrency)
        try:
            places = {pool.submit(self._one, request, sampling): i for i, request in enumerate(requests)}
            for done in as_completed(places):
                yield places[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, request: Request, sampling: Sampling) -> list[Completion]:
        try:
            body = self._body(request, sampling)
        except (ValueError, OSError) as error:
            return [Completion("", "error", error=str(error))] * sampling.n
        made: list[Completion] = []
        while (left := sampling.n - len(made)) > 0:  # a server that ignores n is asked again
            began = time.perf_counter()
            body |= {"n": left, "seed": _seed(request.id, len(made), sampling)}
            try:
                got = self.server.post("/chat/completions", body, _read)[:left]
            except ServerError as error:
                self._check_going_on(error)
                got = [Completion("", "error", error=str(error))] * left
            seconds = (time.perf_counter() - began) / len(got)
            made += [replace(completion, seconds=seconds) for completion in got]
        return made

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
        content, clips = list[dict[str, Any]](), 0
        for kind, value in request.parts():
            if kind == "text":
                content.append(_text(value))
            elif kind == "image":
                content.append(_image(open_image(value, request.budget.image_pixels)))
            elif self.clips == "frames":
                clip = open_clip(value, request.budget)
                for frame, seconds in zip(clip.frames, clip.times, strict=True):
                    content += [_text(f"<{seconds:.1f} seconds>"), _image(Image.fromarray(frame))]
            else:
                content.append(_video(value, request.budget))
                clips += 1
        system = [{"role": "system", "content": request.system}] if request.system else []
        return {
            "model": self.model,
            "messages": [*system, {"role": "user", "content": content}],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
        } | (_KEEP_FRAMES if clips else {})


# ---- what is sent -----------------------------------------------------------------------------------------------


def _text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def _image(picture: Image.Image) -> dict[str, Any]:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return {"type": "image_url", "image_url": {"url": _data_url("image/png", file.getvalue())}}


def _video(path: str, budget: MediaBudget) -> dict[str, Any]:
    clip = open_clip(path, budget, times=even_times(probe(path).duration, budget))
    with tempfile.TemporaryDirectory() as folder:
        made = write_clip(Path(folder) / "clip.mp4", clip.frames, clip.times)
        return {"type": "video_url", "video_url": {"url": _data_url("video/mp4", made.read_bytes())}}


def even_times(duration: float, budget: MediaBudget) -> np.ndarray:
    """(T,) seconds at one distance: as many as `open_clip` takes from a clip of `duration`, with its first and last."""
    steps = max(1, math.ceil(duration * budget.fps - 1e-6))
    count = min(steps, budget.max_frames)
    return np.linspace(0, (steps - 1) / budget.fps if count > 1 else 0, count)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _seed(request: str, answer: int, sampling: Sampling) -> int:
    """31 bits of the request's own, so that like questions are not drawn alike."""
    key = hashlib.sha256(f"{sampling.seed}|{request}|{answer}".encode()).digest()
    return int.from_bytes(key[:4], "big") >> 1


# ---- what comes back --------------------------------------------------------------------------------------------


def _first_model(server: Server) -> str:
    try:
        return server.get("/models", lambda reply: str(reply["data"][0]["id"]))
    except ServerError as error:
        advice = _FOR_ALL.get(error.status or 0, "is the server up, and is this its address?")
        raise EngineError(f"the server's models cannot be listed: {error}; {advice}") from error


def _read(reply: Any) -> list[Completion]:
    """The completions of a reply, at least one. Raises what `Server` takes for a reply that cannot be used."""
    choices = [_choice(choice) for choice in reply["choices"]]
    if not choices:
        raise ValueError("no choices")
    usage = reply.get("usage") or {}
    prompt, written = (_count(usage.get(key)) for key in ("prompt_tokens", "completion_tokens"))
    made = []
    for i, (text, reason) in enumerate(choices):
        finish = _FINISHES.get(reason, "error")
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
