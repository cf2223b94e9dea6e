"""Who answers: the engine protocol. An engine knows prompts and media, never tasks or scores."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from onethinker.media import MediaBudget, is_clip
from onethinker.sample.marks import unescape

Finish = Literal["stop", "length", "error"]
Capability = Literal["token_ids", "logps"]
PartKind = Literal["text", "image", "video"]
_MARKS = re.compile(r"((?<!\\)<(?:image|video)>)")


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt. text: the user's message with `<image>` / `<video>` marks where the media belong, in order; with a
    backslash before it a mark is only words.

    media: one absolute path a mark. budget: how large and how many frames the media may become.
    """

    id: str
    text: str
    media: tuple[Path, ...]
    budget: MediaBudget
    system: str = ""

    def parts(self) -> list[tuple[PartKind, str]]:
        """(kind, words or path) in order. Media without a mark come first; special tokens in the words are disarmed.

        Raises ValueError for more marks than media, MediaError for media whose kind cannot be told.
        """
        pieces = _MARKS.split(self.text)
        marks = sum(bool(_MARKS.fullmatch(piece)) for piece in pieces)
        if marks > len(self.media):
            raise ValueError(f"request {self.id}: {marks} media marks but {len(self.media)} media files")
        pieces = ["<video>" if is_clip(file) else "<image>" for file in self.media[: len(self.media) - marks]] + pieces
        files, parts = iter(self.media), list[tuple[PartKind, str]]()
        for piece in pieces:
            if piece == "<image>":
                parts.append(("image", str(next(files))))
            elif piece == "<video>":
                parts.append(("video", str(next(files))))
            elif piece:
                parts.append(("text", unescape(piece).replace("<|", "< |")))
        return parts


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
    prompt_tokens counts the prompt with its expanded media. error: what went wrong when finish is `error`."""

    text: str
    finish: Finish
    token_ids: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    prompt_tokens: int = 0
    tokens: int = 0
    seconds: float = 0.0
    error: str = ""


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


def settings_of(engine: Engine) -> dict[str, Any]:
    """How the engine computes, for a record of what was used; empty for one whose server decides."""
    return dict(getattr(engine, "settings", {}))


class EngineError(RuntimeError):
    """The engine itself cannot go on (server gone, out of memory); says what to do next."""
