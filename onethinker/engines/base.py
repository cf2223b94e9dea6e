"""Who answers: the engine protocol. An engine knows prompts and media, never tasks or scores."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from onethinker.media import MediaBudget, is_clip
from onethinker.sample.marks import unescape

Finish = Literal["stop", "length", "error"]
Capability = Literal["token_ids", "logps"]
PartKind = Literal["text", "image", "video"]
Part = tuple[PartKind, str]
_MARKS = re.compile(r"((?<!\\)<(?:image|video)>)")


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of the model that ended in a tool call, and what the tool gave back.

    text: as the model wrote it, the call included. token_ids, logps: of it, from engines that give them; the ids end
    with the end-of-turn token. response: words and whole PNG files, in order. tool: which was called, empty where none
    of that name is offered. failed: no tool could answer the call, and the response says what was expected.
    """

    text: str
    response: tuple[str | bytes, ...]
    tool: str = ""
    failed: bool = False
    token_ids: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()

    @property
    def pictures(self) -> list[bytes]:
        return [part for part in self.response if isinstance(part, bytes)]

    def row(self) -> dict[str, Any]:
        """A record of plain JSON values: the response's words, with its pictures counted in their places."""
        count, words = 0, list[str]()
        for part in self.response:
            count += isinstance(part, bytes)
            words.append(f"[picture {count}]" if isinstance(part, bytes) else part)
        return {"text": self.text, "tool": self.tool, "failed": self.failed, "response": "".join(words)}


def written(turns: Sequence[Turn]) -> int:
    """Tokens that the model wrote in these turns."""
    return sum(len(turn.token_ids) for turn in turns)


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt. text: the user's message with `<image>` / `<video>` marks where the media belong, in order; with a
    backslash before it a mark is only words.

    media: one absolute path a mark. budget: how large and how many frames the media may become. history: what was said
    before, (role, words) with role `user` or `assistant`; its marks come before those of the text. turns: what the
    model and its tools have said since; the model goes on from there. answer: which of the prompt's answers they belong
    to.
    """

    id: str
    text: str
    media: tuple[Path, ...]
    budget: MediaBudget
    system: str = ""
    history: tuple[tuple[str, str], ...] = ()
    turns: tuple[Turn, ...] = ()
    answer: int = 0

    def parts(self) -> list[Part]:
        """(kind, words or path) in order, of the user's message alone. Raises as `messages`."""
        return self.messages()[-1][1]

    def messages(self) -> list[tuple[str, list[Part]]]:
        """(role, parts) of the history and the user's message. Media without a mark come first in the latter; special
        tokens in the words are disarmed.

        Raises ValueError for more marks than media, MediaError for media whose kind cannot be told.
        """
        said = [(role, _MARKS.split(text)) for role, text in (*self.history, ("user", self.text))]
        marks = sum(bool(_MARKS.fullmatch(piece)) for _, pieces in said for piece in pieces)
        missing = len(self.media) - marks
        if missing < 0:
            raise ValueError(f"request {self.id}: {marks} media marks but {len(self.media)} media files")
        earlier = marks - sum(bool(_MARKS.fullmatch(piece)) for piece in said[-1][1])
        unmarked = self.media[earlier : earlier + missing]
        said[-1][1][:0] = ["<video>" if is_clip(file) else "<image>" for file in unmarked]
        files = iter(self.media)
        return [(role, [part for piece in pieces if (part := _part(piece, files))]) for role, pieces in said]


def _part(piece: str, files: Iterator[Path]) -> Part | None:
    if piece == "<image>":
        return "image", str(next(files))
    if piece == "<video>":
        return "video", str(next(files))
    return ("text", disarm(unescape(piece))) if piece else None


def disarm(words: str) -> str:
    """The words, with no special token of the chat's among them."""
    return words.replace("<|", "< |")


def disarm_response(words: str) -> str:
    """A tool's words, which may be anyone's: they neither end the response nor look like a call or another role's."""
    return disarm(words).replace("<tool_", "< tool_").replace("</tool_", "< /tool_")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to decode. n: answers a request. temperature 0 is greedy. seed makes sampling repeatable."""

    n: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 256
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. token_ids and logps (natural log, of the sampled tokens at the sampling temperature) are given by
    engines with those capabilities; token_ids end with the end-of-turn token when finish is `stop`.
    prompt_tokens counts the prompt with its expanded media. error: what went wrong when finish is `error`.

    turns: the turns before the last that ended in tool calls (`tools.engine`); text, finish and prompt_tokens are then
    those of the last turn, and token_ids, logps, tokens and seconds of all that the model wrote."""

    text: str
    finish: Finish
    token_ids: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    prompt_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    error: str = ""
    turns: tuple[Turn, ...] = ()

    @property
    def last_ids(self) -> tuple[int, ...]:
        """Token ids of the last turn."""
        return self.token_ids[written(self.turns) :]


OnText = Callable[[int, str], None]
"""Is told the index of a request and the next piece of its first answer, as it is written."""


class Engine(Protocol):
    """identity: names the weights or the server's model, part of a result's identity.

    capabilities: what completions hold besides text; training needs both. An engine that computes in this process also
    has `settings`: what it took of the device, dtype, attention and batch that it was given (`settings_of`).
    """

    identity: str
    capabilities: frozenset[Capability]

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """Yield `(index of the request, its n completions)` as they finish, in any order, each index once.

        One bad clip costs one request: its completions have finish `error` and say why.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on its way into a session. key: whatever its tokens are to be known by. prompt: as the session's
    `encode` gave it. top: how many of the likeliest tokens are wanted beside each token."""

    key: Any
    request: Request
    prompt: Any
    sampling: Sampling
    top: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """The next token of an answer. finish: empty while the answer goes on. top: the likeliest tokens with their
    log-probabilities. completion: the whole answer, with its last token."""

    key: Any
    answer: int
    id: int
    logp: float
    top: tuple[tuple[int, float], ...] = ()
    completion: Completion | None = None


class Session(Protocol):
    """Continuous batching: answers under way together, which new questions join between two tokens. One thread."""

    @property
    def rows(self) -> int:
        """Answers under way."""
        ...

    def encode(self, request: Request) -> Any:
        """The prompt; from any thread. Raises ValueError for what is wrong with the request."""
        ...

    def join(self, asked: Sequence[Asked]) -> None: ...

    def step(self) -> list[Token]:
        """One token more of every answer. An answer that ended has left."""
        ...

    def leave(self, gone: Collection[tuple[Any, int]]) -> None:
        """End these answers (key, answer) without their completions."""
        ...


def answer_aloud(
    engine: Engine, requests: Sequence[Request], sampling: Sampling, on_text: OnText
) -> Iterator[tuple[int, list[Completion]]]:
    """As `engine.answer`, and `on_text` is told of answers while they are written by an engine that can (one whose
    `streams` is true: its `answer` takes `on_text`), by any other when they are whole."""
    if getattr(engine, "streams", False):
        yield from engine.answer(requests, sampling, on_text=on_text)  # type: ignore[call-arg]
        return
    for index, completions in engine.answer(requests, sampling):
        on_text(index, completions[0].text)
        yield index, completions


def settings_of(engine: Engine) -> dict[str, Any]:
    """How the engine computes, for a record of what was used; empty for one whose server decides."""
    return dict(getattr(engine, "settings", {}))


class EngineError(RuntimeError):
    """The engine itself cannot go on (server gone, out of memory); says what to do next."""
